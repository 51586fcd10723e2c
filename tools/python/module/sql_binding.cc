#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "tools/python/module/bindings.h"
#include "tools/python/module/interruptible.h"
#include "tools/python/module/sql_connection.h"

namespace nb = nanobind;

namespace actkin {
namespace {

std::string BytesOf(const nb::bytes& bytes) { return {bytes.c_str(), bytes.size()}; }

// A Python float is no integer here, whatever its value.
SqlValue ValueFrom(nb::handle value) {
  if (value.is_none()) return std::monostate();
  if (PyLong_Check(value.ptr())) return nb::cast<std::int64_t>(value);
  if (PyFloat_Check(value.ptr())) return nb::cast<double>(value);
  if (PyUnicode_Check(value.ptr())) return nb::cast<std::string>(value);
  return SqlBlob{BytesOf(nb::cast<nb::bytes>(value))};
}

nb::object ObjectOf(const SqlValue& value) {
  struct Convert {
    nb::object operator()(std::monostate) const { return nb::none(); }
    nb::object operator()(std::int64_t number) const { return nb::int_(number); }
    nb::object operator()(double number) const { return nb::float_(number); }
    nb::object operator()(const std::string& text) const {
      // What is no UTF-8 in a user's own table is shown, not refused.
      return nb::steal(PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "backslashreplace"));
    }
    nb::object operator()(const SqlBlob& blob) const { return nb::bytes(blob.bytes.data(), blob.bytes.size()); }
  };
  return std::visit(Convert(), value);
}

nb::object TupleOf(const std::vector<SqlValue>& row) {
  nb::list values;
  for (const SqlValue& value : row) values.append(ObjectOf(value));
  return nb::tuple(values);
}

}  // namespace

void BindSql(nb::module_& module) {
  nb::class_<SqlConnection>(module, "SqlConnection")
      .def_prop_ro("closed", &SqlConnection::closed)
      .def("close", &SqlConnection::Close, nb::call_guard<nb::gil_scoped_release>())
      .def("interrupt", &SqlConnection::Interrupt)
      .def_prop_ro("in_transaction", &SqlConnection::InTransaction, nb::call_guard<nb::gil_scoped_release>())
      .def_prop_ro("total_changes", &SqlConnection::TotalChanges, nb::call_guard<nb::gil_scoped_release>())
      .def_prop_ro("last_insert_rowid", &SqlConnection::LastInsertRowid, nb::call_guard<nb::gil_scoped_release>())
      .def(
          "prepare",
          [](const std::shared_ptr<SqlConnection>& self, const std::string& sql) {
            const nb::gil_scoped_release release;
            std::string rest;
            auto statement = std::make_shared<SqlStatement>(self, sql, &rest);
            return std::pair(std::move(statement), std::move(rest));
          },
          nb::arg("sql"));
  nb::class_<SqlStatement>(module, "SqlStatement")
      .def_prop_ro("empty", &SqlStatement::empty)
      .def_prop_ro("ended", &SqlStatement::ended)
      .def_prop_ro("reads_only", &SqlStatement::reads_only, nb::call_guard<nb::gil_scoped_release>())
      .def_prop_ro("parameters", &SqlStatement::Parameters, nb::call_guard<nb::gil_scoped_release>())
      .def_prop_ro("columns", &SqlStatement::Columns, nb::call_guard<nb::gil_scoped_release>())
      .def("finish", &SqlStatement::Finish, nb::call_guard<nb::gil_scoped_release>())
      .def(
          "bind",
          [](SqlStatement& self, const nb::list& values) {
            std::vector<SqlValue> bound;
            for (const nb::handle value : values) bound.push_back(ValueFrom(value));
            const nb::gil_scoped_release release;
            self.Bind(bound);
          },
          nb::arg("values"))
      .def(
          "step",
          [](SqlStatement& self, std::size_t most) {
            const auto rows = RunInterruptibly([&] { return self.Step(most); }, [&] { self.Interrupt(); });
            nb::list list;
            for (const std::vector<SqlValue>& row : rows) list.append(TupleOf(row));
            return list;
          },
          nb::arg("most"));
  module.def(
      "open_sql",
      [](const nb::bytes& catalog, bool write) {
        const std::string path = BytesOf(catalog);
        const nb::gil_scoped_release release;
        return std::make_shared<SqlConnection>(path, write);
      },
      nb::arg("catalog"), nb::arg("write"));
}

}  // namespace actkin
