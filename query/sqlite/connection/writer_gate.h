#ifndef ACTKIN_QUERY_SQLITE_CONNECTION_WRITER_GATE_H_
#define ACTKIN_QUERY_SQLITE_CONNECTION_WRITER_GATE_H_

#include <sqlite3.h>

#include <chrono>

namespace actkin {

// Lets a writer in between the statements of a connection.
//
// SQLite's file locks are POSIX locks, and those belong to a process: as long as any of its connections reads, another
// of them gets SHARED without a look at the writer that waits (unixLock in SQLite's os_unix.c). A process whose threads
// ask without a pause therefore keeps a writer of another process out for ever, outside WAL mode, and with it every
// other reader, who must wait for the writer. Each connection of such a process makes way by itself here: where a
// writer wants the file, the next statement begins once it is through.
//
// A catalog that stayed in WAL mode would need none of this. But where its folder cannot be written (a read-only
// medium, somebody else's directory) SQLite opens no database in WAL mode, unless who opens it says immutable=1, which
// the sqlite3 shell and Python do not by themselves. So a directory is in DELETE mode whenever nobody writes, and each
// writer has to enter WAL mode past those who read.
//
// For the thread that uses the connection.
class WriterGate {
 public:
  // The connection outlives this object.
  explicit WriterGate(sqlite3* connection) : connection_(connection) {}

  // To be called while a statement runs, which is not held up. One fcntl for each database of the connection.
  void LookForWriter();

 private:
  sqlite3* connection_;
  std::chrono::steady_clock::time_point rest_until_{};
};

}  // namespace actkin

#endif  // ACTKIN_QUERY_SQLITE_CONNECTION_WRITER_GATE_H_
