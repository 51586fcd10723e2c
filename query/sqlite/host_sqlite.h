#ifndef ACTKIN_QUERY_SQLITE_HOST_SQLITE_H_
#define ACTKIN_QUERY_SQLITE_HOST_SQLITE_H_

// What the extension's units include first, by the build: every name of <sqlite3.h> stands for an entry of the table of
// functions that the host's SQLite hands a loadable extension. Linking libsqlite3 beside it would bring a second SQLite
// into the process.
#include <sqlite3ext.h>
SQLITE_EXTENSION_INIT3

#endif  // ACTKIN_QUERY_SQLITE_HOST_SQLITE_H_
