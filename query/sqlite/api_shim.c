/* The host's SQLite, under the names of <sqlite3.h>. SQLite hands a loadable extension a table of its functions;
 * linking libsqlite3 beside it would bring a second SQLite into the process. A call that no function here forwards
 * would be imported from the process instead: tests/sql/symbols_test.py lists the imports. */
#include "query/sqlite/api_shim.h"

#include <sqlite3ext.h>
#include <stdarg.h>

SQLITE_EXTENSION_INIT1

void ActkinUseSqliteApi(const struct sqlite3_api_routines* api) { SQLITE_EXTENSION_INIT2(api) }

/* sqlite3ext.h makes every name a macro for the table's entry. */

#undef sqlite3_bind_double
int sqlite3_bind_double(sqlite3_stmt* a, int b, double c) { return sqlite3_api->bind_double(a, b, c); }

#undef sqlite3_bind_int64
int sqlite3_bind_int64(sqlite3_stmt* a, int b, sqlite3_int64 c) { return sqlite3_api->bind_int64(a, b, c); }

#undef sqlite3_bind_null
int sqlite3_bind_null(sqlite3_stmt* a, int b) { return sqlite3_api->bind_null(a, b); }

#undef sqlite3_bind_text
int sqlite3_bind_text(sqlite3_stmt* a, int b, const char* c, int d, void (*e)(void*)) {
  return sqlite3_api->bind_text(a, b, c, d, e);
}

#undef sqlite3_busy_timeout
int sqlite3_busy_timeout(sqlite3* a, int b) { return sqlite3_api->busy_timeout(a, b); }

#undef sqlite3_close_v2
int sqlite3_close_v2(sqlite3* a) { return sqlite3_api->close_v2(a); }

#undef sqlite3_column_bytes
int sqlite3_column_bytes(sqlite3_stmt* a, int b) { return sqlite3_api->column_bytes(a, b); }

#undef sqlite3_column_double
double sqlite3_column_double(sqlite3_stmt* a, int b) { return sqlite3_api->column_double(a, b); }

#undef sqlite3_column_int64
sqlite3_int64 sqlite3_column_int64(sqlite3_stmt* a, int b) { return sqlite3_api->column_int64(a, b); }

#undef sqlite3_column_text
const unsigned char* sqlite3_column_text(sqlite3_stmt* a, int b) { return sqlite3_api->column_text(a, b); }

#undef sqlite3_column_type
int sqlite3_column_type(sqlite3_stmt* a, int b) { return sqlite3_api->column_type(a, b); }

#undef sqlite3_create_function_v2
int sqlite3_create_function_v2(sqlite3* a, const char* b, int c, int d, void* e,
                               void (*f)(sqlite3_context*, int, sqlite3_value**),
                               void (*g)(sqlite3_context*, int, sqlite3_value**), void (*h)(sqlite3_context*),
                               void (*i)(void*)) {
  return sqlite3_api->create_function_v2(a, b, c, d, e, f, g, h, i);
}

#undef sqlite3_create_module_v2
int sqlite3_create_module_v2(sqlite3* a, const char* b, const sqlite3_module* c, void* d, void (*e)(void*)) {
  return sqlite3_api->create_module_v2(a, b, c, d, e);
}

#undef sqlite3_db_filename
const char* sqlite3_db_filename(sqlite3* a, const char* b) { return sqlite3_api->db_filename(a, b); }

#undef sqlite3_db_name
const char* sqlite3_db_name(sqlite3* a, int b) { return sqlite3_api->db_name(a, b); }

#undef sqlite3_declare_vtab
int sqlite3_declare_vtab(sqlite3* a, const char* b) { return sqlite3_api->declare_vtab(a, b); }

#undef sqlite3_errcode
int sqlite3_errcode(sqlite3* a) { return sqlite3_api->errcode(a); }

#undef sqlite3_errmsg
const char* sqlite3_errmsg(sqlite3* a) { return sqlite3_api->errmsg(a); }

#undef sqlite3_exec
int sqlite3_exec(sqlite3* a, const char* b, int (*c)(void*, int, char**, char**), void* d, char** e) {
  return sqlite3_api->exec(a, b, c, d, e);
}

#undef sqlite3_file_control
int sqlite3_file_control(sqlite3* a, const char* b, int c, void* d) { return sqlite3_api->file_control(a, b, c, d); }

#undef sqlite3_finalize
int sqlite3_finalize(sqlite3_stmt* a) { return sqlite3_api->finalize(a); }

#undef sqlite3_free
void sqlite3_free(void* a) { sqlite3_api->free(a); }

#undef sqlite3_last_insert_rowid
sqlite3_int64 sqlite3_last_insert_rowid(sqlite3* a) { return sqlite3_api->last_insert_rowid(a); }

#undef sqlite3_libversion
const char* sqlite3_libversion(void) { return sqlite3_api->libversion(); }

#undef sqlite3_libversion_number
int sqlite3_libversion_number(void) { return sqlite3_api->libversion_number(); }

#undef sqlite3_open_v2
int sqlite3_open_v2(const char* a, sqlite3** b, int c, const char* d) { return sqlite3_api->open_v2(a, b, c, d); }

#undef sqlite3_prepare_v3
int sqlite3_prepare_v3(sqlite3* a, const char* b, int c, unsigned int d, sqlite3_stmt** e, const char** f) {
  return sqlite3_api->prepare_v3(a, b, c, d, e, f);
}

#undef sqlite3_reset
int sqlite3_reset(sqlite3_stmt* a) { return sqlite3_api->reset(a); }

#undef sqlite3_result_blob64
void sqlite3_result_blob64(sqlite3_context* a, const void* b, sqlite3_uint64 c, void (*d)(void*)) {
  sqlite3_api->result_blob64(a, b, c, d);
}

#undef sqlite3_result_double
void sqlite3_result_double(sqlite3_context* a, double b) { sqlite3_api->result_double(a, b); }

#undef sqlite3_result_error
void sqlite3_result_error(sqlite3_context* a, const char* b, int c) { sqlite3_api->result_error(a, b, c); }

#undef sqlite3_result_error_nomem
void sqlite3_result_error_nomem(sqlite3_context* a) { sqlite3_api->result_error_nomem(a); }

#undef sqlite3_result_int
void sqlite3_result_int(sqlite3_context* a, int b) { sqlite3_api->result_int(a, b); }

#undef sqlite3_result_int64
void sqlite3_result_int64(sqlite3_context* a, sqlite3_int64 b) { sqlite3_api->result_int64(a, b); }

#undef sqlite3_result_null
void sqlite3_result_null(sqlite3_context* a) { sqlite3_api->result_null(a); }

#undef sqlite3_result_text64
void sqlite3_result_text64(sqlite3_context* a, const char* b, sqlite3_uint64 c, void (*d)(void*), unsigned char e) {
  sqlite3_api->result_text64(a, b, c, d, e);
}

#undef sqlite3_step
int sqlite3_step(sqlite3_stmt* a) { return sqlite3_api->step(a); }

#undef sqlite3_system_errno
int sqlite3_system_errno(sqlite3* a) { return sqlite3_api->system_errno(a); }

#undef sqlite3_user_data
void* sqlite3_user_data(sqlite3_context* a) { return sqlite3_api->user_data(a); }

#undef sqlite3_value_blob
const void* sqlite3_value_blob(sqlite3_value* a) { return sqlite3_api->value_blob(a); }

#undef sqlite3_value_bytes
int sqlite3_value_bytes(sqlite3_value* a) { return sqlite3_api->value_bytes(a); }

#undef sqlite3_value_double
double sqlite3_value_double(sqlite3_value* a) { return sqlite3_api->value_double(a); }

#undef sqlite3_value_int64
sqlite3_int64 sqlite3_value_int64(sqlite3_value* a) { return sqlite3_api->value_int64(a); }

#undef sqlite3_value_numeric_type
int sqlite3_value_numeric_type(sqlite3_value* a) { return sqlite3_api->value_numeric_type(a); }

#undef sqlite3_value_text
const unsigned char* sqlite3_value_text(sqlite3_value* a) { return sqlite3_api->value_text(a); }

#undef sqlite3_value_type
int sqlite3_value_type(sqlite3_value* a) { return sqlite3_api->value_type(a); }

#undef sqlite3_vtab_collation
const char* sqlite3_vtab_collation(sqlite3_index_info* a, int b) { return sqlite3_api->vtab_collation(a, b); }

/* Of the options only those without a value are used. */
#undef sqlite3_vtab_config
int sqlite3_vtab_config(sqlite3* a, int b, ...) { return sqlite3_api->vtab_config(a, b); }

#undef sqlite3_vtab_rhs_value
int sqlite3_vtab_rhs_value(sqlite3_index_info* a, int b, sqlite3_value** c) {
  return sqlite3_api->vtab_rhs_value(a, b, c);
}

#undef sqlite3_mprintf
char* sqlite3_mprintf(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  char* text = sqlite3_api->vmprintf(format, arguments);
  va_end(arguments);
  return text;
}
