#include "storage/machine/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include "schema/error.h"

namespace actkin {
namespace {

[[noreturn]] void FailErrno(const char* what, const std::filesystem::path& path, int error = errno) {
  if (error == ENOSPC || error == EDQUOT) FailDiskFull(path.string());
  Fail(error == ENOENT || error == ENOTDIR ? ErrorCode::kNotFound : ErrorCode::kFailed, "{}: cannot {}: {}",
       path.string(), what, std::strerror(error));
}

// A descriptor that is closed at the end of the scope.
class Descriptor {
 public:
  Descriptor(const std::filesystem::path& path, int flags, const char* what)
      : value_(::open(path.c_str(), flags | O_CLOEXEC)) {
    if (value_ < 0) FailErrno(what, path);
  }
  ~Descriptor() { ::close(value_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return value_; }

 private:
  int value_;
};

}  // namespace

OutputFile::OutputFile(std::filesystem::path path, Mode mode) : path_(std::move(path)) {
  Open(mode == Mode::kCreate ? O_TRUNC : 0);
  if (mode != Mode::kClaim) return;
  for (;;) {
    // Where the file system knows no locks, nobody waits.
    while (::flock(descriptor_, LOCK_EX) != 0 && errno == EINTR) {
    }
    if (IsFile(descriptor_, path_)) break;
    // The one that was waited for has been renamed, or removed.
    ::close(descriptor_);
    Open(0);
  }
  if (::ftruncate(descriptor_, 0) == 0) return;
  const int error = errno;
  ::close(descriptor_);
  FailErrno("write", path_, error);
}

void OutputFile::Open(int flags) {
  descriptor_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | flags, 0644);
  if (descriptor_ < 0) FailErrno("write", path_);
}

OutputFile::~OutputFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}

void OutputFile::WriteAt(std::uint64_t offset, const void* bytes, std::size_t count) {
  const char* next = static_cast<const char*>(bytes);
  while (count > 0) {
    const ssize_t written = ::pwrite(descriptor_, next, count, static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) FailErrno("write", path_, written < 0 ? errno : EIO);
    next += written;
    offset += static_cast<std::uint64_t>(written);
    count -= static_cast<std::size_t>(written);
  }
}

void OutputFile::Resize(std::uint64_t bytes) {
  if (::ftruncate(descriptor_, static_cast<off_t>(bytes)) != 0) FailErrno("set the size of", path_);
}

void OutputFile::Flush() {
  if (::fsync(descriptor_) != 0) FailErrno("flush", path_);
}

MappedFile::MappedFile(const std::filesystem::path& path) {
  // A pipe in the file's place would be waited for.
  const Descriptor descriptor(path, O_RDONLY | O_NONBLOCK, "open");
  struct stat status {};
  if (::fstat(descriptor.get(), &status) != 0) FailErrno("read", path);
  if (!S_ISREG(status.st_mode)) Fail("{}: expected a file", path.string());
  if (status.st_size == 0) return;
  void* address = ::mmap(nullptr, static_cast<std::size_t>(status.st_size), PROT_READ, MAP_SHARED, descriptor.get(), 0);
  if (address == MAP_FAILED) FailErrno("map", path);
  data_ = static_cast<const std::byte*>(address);
  size_ = static_cast<std::size_t>(status.st_size);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

void ForgetMapped(const std::byte* data, std::uint64_t bytes) {
  static const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const std::uintptr_t ahead = reinterpret_cast<std::uintptr_t>(data) % page;
  // Advice: where the system takes none, all is as it was.
  ::madvise(const_cast<std::byte*>(data) - ahead, bytes + ahead, MADV_DONTNEED);
}

void MappedFile::Advise(std::uint64_t offset, std::uint64_t count, Use use) const {
  if (count == 0) return;
  if (use == Use::kNotSoon) return ForgetMapped(data_ + offset, count);
  static const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const std::uint64_t begin = offset / page * page;
  ::madvise(const_cast<std::byte*>(data_) + begin, offset + count - begin, MADV_WILLNEED);
}

void MappedFile::PreferLargePages() const {
  static const auto half_of_memory =
      static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) / 2 * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  if (size_ == 0 || size_ > half_of_memory) return;
  ::madvise(const_cast<std::byte*>(data_), size_, MADV_HUGEPAGE);
}

void FlushDirectory(const std::filesystem::path& directory) {
  const Descriptor descriptor(directory, O_RDONLY | O_DIRECTORY, "open");
  if (::fsync(descriptor.get()) != 0) FailErrno("flush", directory);
}

bool IsFile(int descriptor, const std::filesystem::path& path) {
  struct stat open {};
  struct stat named {};
  return ::fstat(descriptor, &open) == 0 && ::stat(path.c_str(), &named) == 0 && open.st_dev == named.st_dev &&
         open.st_ino == named.st_ino;
}

void RenameDurably(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) FailErrno("rename a file to", to);
  FlushDirectory(to.has_parent_path() ? to.parent_path() : ".");
}

std::filesystem::path UnfinishedPath(const std::filesystem::path& path) {
  std::filesystem::path next = path;
  next += ".next";
  return next;
}

void ReplaceFile(const std::filesystem::path& path, std::string_view bytes) {
  const std::filesystem::path next = UnfinishedPath(path);
  // Until it has its name: another's would take that of this one's.
  OutputFile file(next, OutputFile::Mode::kClaim);
  try {
    file.WriteAt(0, bytes);
    file.Flush();
    RenameDurably(next, path);
  } catch (const Error&) {
    std::error_code ignored;
    std::filesystem::remove(next, ignored);
    throw;
  }
}

void WriteGivenFile(const std::filesystem::path& path, std::string_view bytes) {
  if (std::filesystem::is_directory(path)) Fail("{}: expected a file, this is a folder", path.string());
  if (!std::filesystem::exists(path) || std::filesystem::is_regular_file(path)) {
    std::error_code no_target;
    const std::filesystem::path target = std::filesystem::canonical(path, no_target);
    return ReplaceFile(no_target ? path : target, bytes);
  }
  std::ofstream file(path, std::ios::binary);
  if (!file.write(bytes.data(), static_cast<std::streamsize>(bytes.size())).flush()) FailErrno("write", path);
}

std::string ReadFile(const std::filesystem::path& path) {
  const Descriptor descriptor(path, O_RDONLY, "open");
  struct stat status {};
  if (::fstat(descriptor.get(), &status) != 0) FailErrno("read", path);
  if (S_ISDIR(status.st_mode)) Fail("{}: expected a file, this is a folder", path.string());
  std::string bytes;
  std::size_t filled = 0;
  // A pipe has no size: grow until the end.
  bytes.resize(static_cast<std::size_t>(status.st_size) + 1);
  for (;;) {
    const ssize_t count = ::read(descriptor.get(), bytes.data() + filled, bytes.size() - filled);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) FailErrno("read", path);
    if (count == 0) break;
    filled += static_cast<std::size_t>(count);
    if (filled == bytes.size()) bytes.resize(2 * bytes.size());
  }
  bytes.resize(filled);
  return bytes;
}

std::uint64_t AllocatedBytes(const std::filesystem::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) FailErrno("read", path);
  return static_cast<std::uint64_t>(status.st_blocks) * 512;
}

void FailDiskFull(const std::string& what) {
  Fail(ErrorCode::kOutOfSpace, "{}: the disk is full: free some space and run the same command again, it continues",
       what);
}

std::uint64_t FreeDiskBytes(const std::filesystem::path& directory) {
  struct statvfs status {};
  if (::statvfs(directory.c_str(), &status) != 0) FailErrno("measure the free space of", directory);
  return static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
}

}  // namespace actkin
