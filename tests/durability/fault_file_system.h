#ifndef ACTKIN_TESTS_DURABILITY_FAULT_FILE_SYSTEM_H_
#define ACTKIN_TESTS_DURABILITY_FAULT_FILE_SYSTEM_H_

#include <string_view>

namespace actkin {

// A program that is linked with actkin_faults writes through a file system that breaks on order. Its functions (write,
// pwrite, fsync, fdatasync, ftruncate, rename, statvfs, and sqlite3_exec for commits) stand before those of the C
// library and of SQLite, for the program and for every library in it. The orders are variables of the environment, read
// at each call; without them everything is as ever. Standard streams are left alone.
//
//   ACTKIN_STOP_BEFORE=N         the process kills itself (SIGKILL) before the N-th event: a write (or change of size)
//                                of a file, a flush, a rename, a commit. What SQLite does to its own files is no event
//   ACTKIN_STOP_BEFORE=rename:N  before the N-th rename; or write:N, flush:N, commit:N
//   WRITE_FAULT=enospc:N         the N-th write to a file, SQLite's included, and every one after it, fails as on a
//   full
//                                disk
//   WRITE_FAULT=eio:N            the N-th write, flush, change of size or rename alone fails as on a broken one
//   WRITE_FAULT_MARK=PATH        is made when one has failed: the test then knows that the program came so far
//   WRITE_FAULT_COUNT=PATH       gets the number of what could have failed, at the end
//   FULL_DISK_FREE=N             the disk reports N free bytes
//   FULL_DISK_WRITES=N           the bytes written to files after the first N fail as on a full disk
inline constexpr std::string_view kFaultOrders[] = {"ACTKIN_STOP_BEFORE=", "WRITE_FAULT=", "FULL_DISK_"};

}  // namespace actkin

#endif  // ACTKIN_TESTS_DURABILITY_FAULT_FILE_SYSTEM_H_
