#ifndef ACTKIN_TOOLS_PYTHON_MODULE_BINDINGS_H_
#define ACTKIN_TOOLS_PYTHON_MODULE_BINDINGS_H_

#include <nanobind/nanobind.h>

namespace actkin {

// What the module has, a unit each. What it takes and gives is written down in actkin/_actkin.pyi.
void BindErrors(nanobind::module_& module);       // C++'s exceptions become those of actkin/_errors.py
void BindIndex(nanobind::module_& module);        // the public face
void BindSql(nanobind::module_& module);          // connections and statements
void BindArrowStream(nanobind::module_& module);  // tables for others, by Arrow's C data interface

}  // namespace actkin

#endif  // ACTKIN_TOOLS_PYTHON_MODULE_BINDINGS_H_
