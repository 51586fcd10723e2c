#include "tools/python/module/bindings.h"
#include "tools/python/module/own_sqlite.h"

// A file's name is all that this function and the module have in common.
NB_MODULE(_actkin, module) {
  nanobind::set_leak_warnings(false);  // what lives when the interpreter ends need not be told of
  module.attr("__version__") = ACTKIN_VERSION;
  actkin::BindErrors(module);
  actkin::PrepareOwnSqlite();
  actkin::BindIndex(module);
  actkin::BindSql(module);
  actkin::BindArrowStream(module);
}
