#include "tools/python/module/own_sqlite.h"

#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <map>
#include <memory>
#include <mutex>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "schema/error.h"

// query/sqlite/extension.cc
extern "C" int sqlite3_actkin_init(sqlite3* connection, char** error, const sqlite3_api_routines* api);

namespace actkin {
namespace {

using FileKey = std::pair<dev_t, ino_t>;

// A file that may be locked, as long as it has a name.
struct LockedFile {
  struct Spare {
    int handle = -1;
    int access = O_RDONLY;
  };
  int lock_handle = -1;
  int lock_access = O_RDONLY;
  int open_handles = 0;  // that SQLite has
  std::vector<Spare> spares;
};

struct OpenHandle {
  FileKey file;
  int access = O_RDONLY;
  bool of_parent = false;  // opened before a fork()
};

class LockedFiles {
 public:
  int Open(const char* path, int flags, int mode);
  int Close(int handle);
  int Lock(int handle, int command, struct flock* lock);
  ino_t generation() const { return generation_; }

  void BeforeFork() { mutex_.lock(); }
  void InParent() { mutex_.unlock(); }
  void InChild();

 private:
  // Of a handle that has just been opened.
  void Adopt(int handle, const struct stat& status, int access);
  void OpenLockHandle(LockedFile& file, int handle, int access);
  void CloseAll(const FileKey& key);

  std::mutex mutex_;
  std::map<FileKey, LockedFile> files_;
  std::unordered_map<int, OpenHandle> handles_;
  ino_t generation_ = 0;  // how many forks lie between the first process and this one
};

LockedFiles& Files() {
  static auto* files = new LockedFiles;  // connections may outlive static objects
  return *files;
}

// Logs are never locked, and what is made for one connection alone is nobody else's.
bool MayBeLocked(std::string_view path, int flags) {
  return (flags & O_EXCL) == 0 && !path.ends_with("-journal") && !path.ends_with("-wal");
}

void LockedFiles::OpenLockHandle(LockedFile& file, int handle, int access) {
  // A new open file description of the same file, whatever happens to its name.
  const std::string path = fmt::format("/proc/self/fd/{}", handle);
  int lock_access = O_RDWR;
  int lock_handle = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (lock_handle < 0) {
    lock_access = access;
    lock_handle = ::open(path.c_str(), access | O_CLOEXEC);
  }
  if (lock_handle < 0) return;  // without /proc: locks fail
  if (file.lock_handle >= 0) file.spares.push_back({file.lock_handle, file.lock_access});
  file.lock_handle = lock_handle;
  file.lock_access = lock_access;
}

void LockedFiles::Adopt(int handle, const struct stat& status, int access) {
  const FileKey key{status.st_dev, status.st_ino};
  LockedFile& file = files_[key];
  const bool can_write_now = access != O_RDONLY && file.lock_access == O_RDONLY;
  if (file.lock_handle < 0 || (can_write_now && file.open_handles == 0)) OpenLockHandle(file, handle, access);
  ++file.open_handles;
  handles_[handle] = {key, access, false};
}

int LockedFiles::Open(const char* path, int flags, int mode) {
  if (!MayBeLocked(path, flags)) return ::open(path, flags, mode);
  const std::lock_guard lock(mutex_);
  const int access = flags & O_ACCMODE;
  struct stat status {};
  const auto look = (flags & O_NOFOLLOW) != 0 ? ::lstat : ::stat;
  if (look(path, &status) == 0 && S_ISREG(status.st_mode)) {
    const auto known = files_.find({status.st_dev, status.st_ino});
    if (known != files_.end()) {
      std::vector<LockedFile::Spare>& spares = known->second.spares;
      for (auto spare = spares.begin(); spare != spares.end(); ++spare) {
        if (spare->access != access) continue;
        const int handle = spare->handle;
        spares.erase(spare);
        Adopt(handle, status, access);
        return handle;
      }
    }
  }
  const int handle = ::open(path, flags, mode);
  if (handle >= 0 && ::fstat(handle, &status) == 0 && S_ISREG(status.st_mode)) Adopt(handle, status, access);
  return handle;
}

void LockedFiles::CloseAll(const FileKey& key) {
  const auto file = files_.find(key);
  for (const LockedFile::Spare& spare : file->second.spares) ::close(spare.handle);
  if (file->second.lock_handle >= 0) ::close(file->second.lock_handle);
  files_.erase(file);
}

int LockedFiles::Close(int handle) {
  const std::lock_guard lock(mutex_);
  const auto found = handles_.find(handle);
  if (found == handles_.end()) return ::close(handle);
  const OpenHandle open = found->second;
  handles_.erase(found);
  if (open.of_parent) return 0;  // what it refers to is the parent's
  LockedFile& file = files_[open.file];
  file.spares.push_back({handle, open.access});
  if (--file.open_handles > 0) return 0;
  // What closing the last handle would drop.
  struct flock everything {};
  everything.l_type = F_UNLCK;
  everything.l_whence = SEEK_SET;
  ::fcntl(file.lock_handle, F_OFD_SETLK, &everything);
  // A file that has lost its name can be opened by nobody any more.
  std::vector<FileKey> gone;
  for (const auto& [key, other] : files_) {
    struct stat status {};
    if (other.open_handles == 0 && ::fstat(other.lock_handle, &status) == 0 && status.st_nlink == 0) {
      gone.push_back(key);
    }
  }
  for (const FileKey& key : gone) CloseAll(key);
  return 0;
}

int LockedFiles::Lock(int handle, int command, struct flock* lock) {
  int lock_handle = -1;
  {
    const std::lock_guard guard(mutex_);
    const auto found = handles_.find(handle);
    if (found == handles_.end()) return ::fcntl(handle, command, lock);
    if (found->second.of_parent) {
      if (command != F_GETLK && lock->l_type == F_UNLCK) return 0;
      errno = ENOLCK;
      return -1;
    }
    lock_handle = files_[found->second.file].lock_handle;
  }
  lock->l_pid = 0;
  const int by_description = command == F_GETLK ? F_OFD_GETLK : command == F_SETLK ? F_OFD_SETLK : F_OFD_SETLKW;
  return ::fcntl(lock_handle, by_description, lock);
}

void LockedFiles::InChild() {
  // All handles stay open: they are the same open file descriptions as the parent's, and numbers that SQLite knows.
  for (auto& [handle, open] : handles_) open.of_parent = true;
  files_.clear();
  ++generation_;
  mutex_.unlock();
}

int OpenFile(const char* path, int flags, int mode) { return Files().Open(path, flags, mode); }

int CloseFile(int handle) { return Files().Close(handle); }

int ControlFile(int handle, int command, ...) {
  va_list arguments;
  va_start(arguments, command);
  void* argument = va_arg(arguments, void*);
  va_end(arguments);
  if (command == F_SETLK || command == F_SETLKW || command == F_GETLK) {
    return Files().Lock(handle, command, static_cast<struct flock*>(argument));
  }
  return ::fcntl(handle, command, argument);
}

// SQLite keeps the locks of a file by its number: those that a child gets with the parent's memory are not its own.
void MakeDistinct(struct stat& status) { status.st_ino ^= Files().generation() << 48U; }

int StatFile(const char* path, struct stat* status) {
  const int failed = ::stat(path, status);
  if (failed == 0) MakeDistinct(*status);
  return failed;
}

int StatHandle(int handle, struct stat* status) {
  const int failed = ::fstat(handle, status);
  if (failed == 0) MakeDistinct(*status);
  return failed;
}

// What SQLite hands extensions: its functions.
const sqlite3_api_routines* own_functions = nullptr;

int KeepFunctions(sqlite3* /*connection*/, char** /*error*/, const sqlite3_api_routines* api) {
  own_functions = api;
  return SQLITE_OK;
}

// The library's own calls of SQLite go by that table, too, as in the extension.
void FindFunctions() {
  const auto keep = reinterpret_cast<void (*)()>(KeepFunctions);
  sqlite3_auto_extension(keep);
  sqlite3* connection = nullptr;
  sqlite3_open_v2(":memory:", &connection, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
  sqlite3_cancel_auto_extension(keep);
  std::string line;
  const bool added = own_functions != nullptr && AddActkinFunctions(connection, line);
  sqlite3_close_v2(connection);
  if (!added) Fail("SQLite {} takes no functions: {}", sqlite3_libversion(), line);
}

}  // namespace

bool AddActkinFunctions(sqlite3* connection, std::string& line) {
  char* error = nullptr;
  const int status = sqlite3_actkin_init(connection, &error, own_functions);
  const std::unique_ptr<char, void (*)(void*)> owned(error, sqlite3_free);
  if (status != SQLITE_OK) line = error == nullptr ? sqlite3_errmsg(connection) : error;
  return status == SQLITE_OK;
}

void PrepareOwnSqlite() {
  if (sqlite3_initialize() != SQLITE_OK) Fail("SQLite does not start");
  sqlite3_vfs* system = sqlite3_vfs_find("unix");
  const auto replace = [&](const char* name, sqlite3_syscall_ptr call) {
    if (system == nullptr || system->xSetSystemCall(system, name, call) != SQLITE_OK) {
      Fail("SQLite {} lets nobody replace its {}()", sqlite3_libversion(), name);
    }
  };
  replace("open", reinterpret_cast<sqlite3_syscall_ptr>(OpenFile));
  replace("close", reinterpret_cast<sqlite3_syscall_ptr>(CloseFile));
  replace("fcntl", reinterpret_cast<sqlite3_syscall_ptr>(ControlFile));
  replace("stat", reinterpret_cast<sqlite3_syscall_ptr>(StatFile));
  replace("fstat", reinterpret_cast<sqlite3_syscall_ptr>(StatHandle));
  FindFunctions();
  ::pthread_atfork([] { Files().BeforeFork(); }, [] { Files().InParent(); }, [] { Files().InChild(); });
}

}  // namespace actkin
