#include "query/sqlite/connection/writer_gate.h"

#include <cstddef>
#include <cstring>
#include <map>
#include <mutex>
#include <thread>

namespace actkin {
namespace {

// Nobody calls an extension before a statement takes its lock, so the lock itself waits: the file's methods are changed
// for those below until it is next asked for SHARED. SQLite asks a file for locks under the connection's mutex, and we
// are called under it.
//
// How long at most: a writer of ours needs the file to itself for the length of a commit; another's transaction may
// last.
constexpr std::chrono::milliseconds kLongestWait{250};
constexpr std::chrono::milliseconds kPoll{1};
// From one wait to the next, so that somebody's long transaction costs a reader a fifth of its time at most.
constexpr std::chrono::seconds kRest{1};

// What a file's pMethods points to in between. `methods` comes first: the one address is the other's.
struct WaitingMethods {
  sqlite3_io_methods methods{};
  const sqlite3_io_methods* original = nullptr;
};

bool IsWanted(const sqlite3_io_methods& methods, sqlite3_file* file) {
  int reserved = 0;
  return methods.xCheckReservedLock(file, &reserved) == SQLITE_OK && reserved != 0;
}

int LockAfterWriter(sqlite3_file* file, int level) {
  const sqlite3_io_methods* original = reinterpret_cast<const WaitingMethods*>(file->pMethods)->original;
  if (level == SQLITE_LOCK_SHARED) {
    file->pMethods = original;
    const auto end = std::chrono::steady_clock::now() + kLongestWait;
    while (IsWanted(*original, file) && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(kPoll);
  }
  return original->xLock(file, level);
}

// How much of the structure a file system of this version fills.
std::size_t SizeOf(const sqlite3_io_methods& methods) {
  if (methods.iVersion < 2) return offsetof(sqlite3_io_methods, xShmMap);
  if (methods.iVersion < 3) return offsetof(sqlite3_io_methods, xFetch);
  return sizeof(sqlite3_io_methods);
}

// One for each kind of file, for as long as the extension is loaded, which is longer than any file of its connections.
const sqlite3_io_methods* WaitingFor(const sqlite3_io_methods* original) {
  static std::mutex mutex;
  static std::map<const sqlite3_io_methods*, WaitingMethods> all;
  const std::scoped_lock lock(mutex);
  WaitingMethods& waiting = all[original];
  if (waiting.original == nullptr) {
    std::memcpy(&waiting.methods, original, SizeOf(*original));
    waiting.methods.xLock = LockAfterWriter;
    waiting.original = original;
  }
  return &waiting.methods;
}

}  // namespace

void WriterGate::LookForWriter() {
  const auto now = std::chrono::steady_clock::now();
  if (now < rest_until_) return;
  for (int i = 0; const char* schema = sqlite3_db_name(connection_, i); ++i) {
    sqlite3_file* file = nullptr;
    sqlite3_file_control(connection_, schema, SQLITE_FCNTL_FILE_POINTER, &file);
    // A database in memory has no file, or one without this method.
    if (file == nullptr || file->pMethods == nullptr || file->pMethods->xCheckReservedLock == nullptr) continue;
    if (file->pMethods->xLock == LockAfterWriter || !IsWanted(*file->pMethods, file)) continue;
    file->pMethods = WaitingFor(file->pMethods);
    rest_until_ = now + kRest;
  }
}

}  // namespace actkin
