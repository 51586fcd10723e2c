#ifndef ACTKIN_QUERY_SQLITE_API_SHIM_H_
#define ACTKIN_QUERY_SQLITE_API_SHIM_H_

#ifdef __cplusplus
extern "C" {
#endif

struct sqlite3_api_routines;

// Inside the extension every sqlite3_* function that its own code and the linked libraries call is a hidden function of
// api_shim.c that forwards to the host's SQLite, so <sqlite3.h> is used as in any program. Must be called before the
// first of them; any thread, any number of times.
void ActkinUseSqliteApi(const struct sqlite3_api_routines* api);

#ifdef __cplusplus
}
#endif

#endif  // ACTKIN_QUERY_SQLITE_API_SHIM_H_
