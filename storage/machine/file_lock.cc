#include "storage/machine/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "schema/error.h"
#include "schema/text.h"
#include "storage/machine/file.h"

namespace actkin {
namespace {

std::string OwnText() {
  std::array<char, 64> host{};
  ::gethostname(host.data(), host.size() - 1);
  std::array<char, 32> time{};
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  std::strftime(time.data(), time.size(), "%Y-%m-%d %H:%M:%S", ::localtime_r(&now, &local));
  return fmt::format("process {} on {} since {}", ::getpid(), host.data(), time.data());
}

}  // namespace

FileLock::FileLock(const std::filesystem::path& path, const std::string& held, AtEnd at_end)
    : path_(path), at_end_(at_end) {
  const auto open = [this] {
    descriptor_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (descriptor_ < 0) Fail("{}: cannot write: {}", path_.string(), std::strerror(errno));
    return ::flock(descriptor_, LOCK_EX | LOCK_NB) == 0;
  };
  bool locked = open();
  // What the last holder removed between these two calls is not locked for those who come later.
  while (locked && !IsFile(descriptor_, path_)) {
    ::close(descriptor_);
    locked = open();
  }
  if (!locked) {
    const int error = errno;
    std::array<char, 200> holder{};
    const ssize_t size = ::pread(descriptor_, holder.data(), holder.size(), 0);
    ::close(descriptor_);
    if (error != EWOULDBLOCK) Fail("{}: cannot lock: {}", path_.string(), std::strerror(error));
    Fail(ErrorCode::kBusy, "{} ({}): wait for it, or end it", held,
         size > 0 ? Quote({holder.data(), static_cast<std::size_t>(size)}) : "unknown");
  }
  const std::string text = OwnText();
  // The text is for people: on a full disk the lock holds without it.
  if (::ftruncate(descriptor_, 0) == 0) {
    [[maybe_unused]] const ssize_t written = ::pwrite(descriptor_, text.data(), text.size(), 0);
  }
}

FileLock::~FileLock() {
  if (at_end_ == AtEnd::kRemove) {
    ::unlink(path_.c_str());
  } else {
    [[maybe_unused]] const int emptied = ::ftruncate(descriptor_, 0);
  }
  ::close(descriptor_);
}

}  // namespace actkin
