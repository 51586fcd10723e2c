#ifndef ACTKIN_TOOLS_PYTHON_MODULE_OWN_SQLITE_H_
#define ACTKIN_TOOLS_PYTHON_MODULE_OWN_SQLITE_H_

#include <sqlite3.h>

#include <string>

namespace actkin {

// The module has an SQLite of its own, and Python's sqlite3 another one. Their locks are POSIX locks, which belong to a
// process and not to a library: neither would keep the other out, and whoever closes any handle of a file drops the
// locks that the other holds on it (sqlite.org/howtocorrupt.html, 2.2). So this one
//
// - locks by open file descriptions (F_OFD_SETLK, fcntl(2)), which conflict with POSIX locks of the same process and
//   are dropped by no close of others, all locks of a file by one handle that is used for nothing else;
// - never closes a handle of a file that may be locked as long as the file has a name, but uses it again;
// - knows, in a child after fork(), the files of its parent's connections as other files, whose locks it leaves alone.
//
// To be called once, before any connection is opened. Thread-safe afterwards. Throws Error where SQLite refuses.
void PrepareOwnSqlite();

// Gives a connection actkin's functions and tables; false, and why, where SQLite refuses. The extension's units are
// linked into the module: loaded from a file, they would be one with what Python's sqlite3 may load from it, and call
// its SQLite. REQUIRES: PrepareOwnSqlite was called.
bool AddActkinFunctions(sqlite3* connection, std::string& line);

}  // namespace actkin

#endif  // ACTKIN_TOOLS_PYTHON_MODULE_OWN_SQLITE_H_
