#include <nanobind/stl/string_view.h>

#include <cstring>
#include <string_view>

#include "actkin/error.h"
#include "tools/python/module/bindings.h"
#include "tools/python/module/sql_connection.h"

namespace nb = nanobind;

namespace actkin {
namespace {

std::string_view Name(ErrorCode code) {
  switch (code) {
    case ErrorCode::kNotFound:
      return "not found";
    case ErrorCode::kInvalidArgument:
      return "invalid argument";
    case ErrorCode::kUnsupported:
      return "unsupported";
    case ErrorCode::kDamaged:
      return "damaged";
    case ErrorCode::kBusy:
      return "busy";
    case ErrorCode::kOutOfSpace:
      return "out of space";
    case ErrorCode::kInterrupted:
      return "interrupted";
    case ErrorCode::kFailed:
      return "failed";
  }
  return "failed";
}

// maker(code, line) -> the exception to raise
template <typename Code>
void Raise(const char* maker, Code code, const char* line) {
  try {
    // A name of a file may hold any byte.
    const nb::object text =
        nb::steal(PyUnicode_DecodeUTF8(line, static_cast<Py_ssize_t>(std::strlen(line)), "backslashreplace"));
    const nb::object error = nb::module_::import_("actkin._errors").attr(maker)(code, text);
    PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(error.ptr())), error.ptr());
  } catch (nb::python_error& failure) {
    failure.restore();
  }
}

}  // namespace

void BindErrors(nb::module_& /*module*/) {
  nb::register_exception_translator([](const std::exception_ptr& exception, void*) {
    try {
      std::rethrow_exception(exception);
    } catch (const Error& error) {
      Raise("make_error", Name(error.code()), error.what());
    } catch (const SqlError& error) {
      Raise("make_sql_error", error.code(), error.what());
    }
  });
}

}  // namespace actkin
