#include "storage/build_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "schema/error.h"
#include "schema/text.h"

namespace actkin {

BuildLock::BuildLock(const IndexDirectory& directory) {
  const std::string path = directory.Lock().string();
  descriptor_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor_ < 0) Fail("{}: cannot write: {}", path, std::strerror(errno));
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    std::array<char, 200> holder{};
    const ssize_t size = ::pread(descriptor_, holder.data(), holder.size(), 0);
    ::close(descriptor_);
    if (error != EWOULDBLOCK) Fail("{}: cannot lock: {}", path, std::strerror(error));
    Fail("{}: another build is at work ({}): wait for it, or end it", directory.path().string(),
         size > 0 ? Quote({holder.data(), static_cast<std::size_t>(size)}) : "unknown");
  }
  std::array<char, 64> host{};
  ::gethostname(host.data(), host.size() - 1);
  std::array<char, 32> time{};
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  std::strftime(time.data(), time.size(), "%Y-%m-%d %H:%M:%S", ::localtime_r(&now, &local));
  const std::string holder = fmt::format("process {} on {} since {}", ::getpid(), host.data(), time.data());
  // The text is for people: on a full disk the lock holds without it.
  if (::ftruncate(descriptor_, 0) == 0) {
    [[maybe_unused]] const ssize_t written = ::pwrite(descriptor_, holder.data(), holder.size(), 0);
  }
}

BuildLock::~BuildLock() {
  // The file stays: removing it would let a third process lock a name that a second one still waits for.
  [[maybe_unused]] const int emptied = ::ftruncate(descriptor_, 0);
  ::close(descriptor_);
}

}  // namespace actkin
