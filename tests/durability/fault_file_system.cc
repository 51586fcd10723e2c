#include "tests/durability/fault_file_system.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <string>

// Programs hide what is not said to be seen.
#pragma GCC visibility push(default)

namespace {

std::string_view Order(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string_view() : value;
}

std::uint64_t Number(std::string_view text) { return std::strtoull(std::string(text).c_str(), nullptr, 10); }

// KIND:N, or N alone.
struct Moment {
  explicit Moment(std::string_view order)
      : kind(order.substr(0, order.find(':') == order.npos ? 0 : order.find(':'))),
        number(Number(order.substr(kind.empty() ? 0 : kind.size() + 1))) {}

  std::string_view kind;
  std::uint64_t number = 0;  // from 1
};

void StopBefore(std::string_view kind) {
  const Moment stop(Order("ACTKIN_STOP_BEFORE"));
  static std::atomic<std::uint64_t> passed{0};
  if (stop.number == 0 || (!stop.kind.empty() && stop.kind != kind)) return;
  if (++passed == stop.number) std::raise(SIGKILL);
}

bool IsFile(int descriptor) {
  struct stat status {};
  return descriptor > STDERR_FILENO && ::fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode);
}

void Put(const char* path, std::string_view text) {
  const auto file = static_cast<int>(::syscall(SYS_openat, AT_FDCWD, path, O_CREAT | O_TRUNC | O_WRONLY, 0600));
  ::syscall(SYS_write, file, text.data(), text.size());
  ::syscall(SYS_close, file);
}

// What could have failed by WRITE_FAULT.
class Calls {
 public:
  ~Calls() {
    if (const char* path = std::getenv("WRITE_FAULT_COUNT")) Put(path, std::to_string(count_));
  }
  // Whether the next one fails, with errno set.
  bool NextFails() {
    const Moment fault(Order("WRITE_FAULT"));
    const std::uint64_t number = ++count_;
    const bool full = fault.kind == "enospc";
    if (full ? number < fault.number : number != fault.number) return false;
    if (const char* mark = std::getenv("WRITE_FAULT_MARK")) Put(mark, "");
    errno = full ? ENOSPC : EIO;
    return true;
  }

 private:
  std::atomic<std::uint64_t> count_{0};
};

Calls& AllCalls() {
  static Calls calls;
  return calls;
}

bool WriteFails(int descriptor, std::size_t count) {
  if (!IsFile(descriptor)) return false;
  static std::atomic<std::uint64_t> written{0};
  const std::string_view budget = Order("FULL_DISK_WRITES");
  if (!budget.empty() && (written += count) > Number(budget)) {
    errno = ENOSPC;
    return true;
  }
  return !Order("WRITE_FAULT").empty() && AllCalls().NextFails();
}

// Of what needs no room on the disk.
bool OtherFails() { return Order("WRITE_FAULT").starts_with("eio:") && AllCalls().NextFails(); }

}  // namespace

extern "C" {

ssize_t write(int descriptor, const void* bytes, std::size_t count) {
  return WriteFails(descriptor, count) ? -1 : ::syscall(SYS_write, descriptor, bytes, count);
}

// SQLite calls pwrite64, ftruncate64 and fdatasync, we the others.
ssize_t pwrite64(int descriptor, const void* bytes, std::size_t count, off64_t offset) {
  return WriteFails(descriptor, count) ? -1 : ::syscall(SYS_pwrite64, descriptor, bytes, count, offset);
}

ssize_t pwrite(int descriptor, const void* bytes, std::size_t count, off_t offset) {
  if (IsFile(descriptor)) StopBefore("write");
  return pwrite64(descriptor, bytes, count, offset);
}

int fdatasync(int descriptor) { return OtherFails() ? -1 : static_cast<int>(::syscall(SYS_fdatasync, descriptor)); }

int fsync(int descriptor) {
  StopBefore("flush");
  return OtherFails() ? -1 : static_cast<int>(::syscall(SYS_fsync, descriptor));
}

int ftruncate64(int descriptor, off64_t size) noexcept {
  return OtherFails() ? -1 : static_cast<int>(::syscall(SYS_ftruncate, descriptor, size));
}

int ftruncate(int descriptor, off_t size) noexcept {
  // One that is emptied belongs to the write that follows.
  if (size > 0) StopBefore("write");
  return ftruncate64(descriptor, size);
}

int rename(const char* from, const char* to) noexcept {
  StopBefore("rename");
  return OtherFails() ? -1 : static_cast<int>(::syscall(SYS_rename, from, to));
}

int statvfs(const char* path, struct statvfs* status) noexcept {
  static const auto next = reinterpret_cast<int (*)(const char*, struct statvfs*)>(::dlsym(RTLD_NEXT, "statvfs"));
  const int result = next(path, status);
  if (const std::string_view free = Order("FULL_DISK_FREE"); !free.empty()) {
    status->f_frsize = 1;
    status->f_bavail = Number(free);
  }
  return result;
}

int sqlite3_exec(sqlite3* connection, const char* sql, int (*callback)(void*, int, char**, char**), void* argument,
                 char** error) {
  static const auto next = reinterpret_cast<decltype(&sqlite3_exec)>(::dlsym(RTLD_NEXT, "sqlite3_exec"));
  if (std::string_view(sql) == "COMMIT") StopBefore("commit");
  return next(connection, sql, callback, argument, error);
}

}  // extern "C"

#pragma GCC visibility pop
