// Arrow's C data and stream interfaces (arrow.apache.org/docs/format/CDataInterface.html, CStreamInterface.html): a
// table of one batch, whose buffers are Python's.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "tools/python/module/bindings.h"

namespace nb = nanobind;

namespace {

// The names of the interface.
extern "C" {

struct ArrowSchema {
  const char* format;
  const char* name;
  const char* metadata;
  std::int64_t flags;
  std::int64_t n_children;
  ArrowSchema** children;
  ArrowSchema* dictionary;
  void (*release)(ArrowSchema*);
  void* private_data;
};

struct ArrowArray {
  std::int64_t length;
  std::int64_t null_count;
  std::int64_t offset;
  std::int64_t n_buffers;
  std::int64_t n_children;
  const void** buffers;
  ArrowArray** children;
  ArrowArray* dictionary;
  void (*release)(ArrowArray*);
  void* private_data;
};

struct ArrowArrayStream {
  int (*get_schema)(ArrowArrayStream*, ArrowSchema*);
  int (*get_next)(ArrowArrayStream*, ArrowArray*);
  const char* (*get_last_error)(ArrowArrayStream*);
  void (*release)(ArrowArrayStream*);
  void* private_data;
};

}  // extern "C"

constexpr std::int64_t kNullable = 2;

// One column, as Python describes it: (format, name, length, null_count, buffers, children). Buffers are bytes, or None
// where there is none.
struct Column {
  std::string format;
  std::string name;
  std::int64_t length = 0;
  std::int64_t null_count = 0;
  std::vector<PyObject*> buffers;  // owned, null where there is none
  std::vector<std::shared_ptr<const Column>> children;

  Column() = default;
  Column(const Column&) = delete;
  Column& operator=(const Column&) = delete;
  // On any thread; what is left when the interpreter ends stays.
  ~Column() {
    if (!nb::is_alive()) return;
    const nb::gil_scoped_acquire lock;
    for (PyObject* buffer : buffers) Py_XDECREF(buffer);
  }
};
using ColumnPointer = std::shared_ptr<const Column>;

ColumnPointer ReadColumn(const nb::tuple& description) {
  auto column = std::make_shared<Column>();
  column->format = nb::cast<std::string>(description[0]);
  column->name = nb::cast<std::string>(description[1]);
  column->length = nb::cast<std::int64_t>(description[2]);
  column->null_count = nb::cast<std::int64_t>(description[3]);
  for (const nb::handle buffer : nb::cast<nb::list>(description[4])) {
    column->buffers.push_back(buffer.is_none() ? nullptr : nb::cast<nb::bytes>(buffer).release().ptr());
  }
  for (const nb::handle child : nb::cast<nb::list>(description[5])) {
    column->children.push_back(ReadColumn(nb::cast<nb::tuple>(child)));
  }
  return column;
}

// What a structure points to, for as long as it is not released.
template <typename Structure>
struct Kept {
  ColumnPointer column;
  std::vector<const void*> buffers;
  std::vector<std::unique_ptr<Structure>> owned_children;
  std::vector<Structure*> children;
};

template <typename Structure>
void Release(Structure* structure) {
  auto* kept = static_cast<Kept<Structure>*>(structure->private_data);
  for (Structure* child : kept->children) {
    if (child->release != nullptr) child->release(child);
  }
  delete kept;
  structure->release = nullptr;
}

template <typename Structure, typename Fill>
Kept<Structure>* Keep(const ColumnPointer& column, Structure* out, const Fill& fill) {
  std::memset(out, 0, sizeof(Structure));
  auto* kept = new Kept<Structure>{column, {}, {}, {}};
  for (const ColumnPointer& child : column->children) {
    kept->owned_children.push_back(std::make_unique<Structure>());
    fill(child, kept->owned_children.back().get());
    kept->children.push_back(kept->owned_children.back().get());
  }
  out->n_children = static_cast<std::int64_t>(kept->children.size());
  out->children = kept->children.data();
  out->release = Release<Structure>;
  out->private_data = kept;
  return kept;
}

void FillSchema(const ColumnPointer& column, ArrowSchema* out) {
  Keep(column, out, FillSchema);
  out->format = column->format.c_str();
  out->name = column->name.c_str();
  out->flags = kNullable;
}

void FillArray(const ColumnPointer& column, ArrowArray* out) {
  auto* kept = Keep(column, out, FillArray);
  // PyBytes_AsString is not told of the interpreter's lock: it reads a pointer of an object that is owned.
  for (PyObject* buffer : column->buffers)
    kept->buffers.push_back(buffer == nullptr ? nullptr : PyBytes_AsString(buffer));
  out->length = column->length;
  out->null_count = column->null_count;
  out->n_buffers = static_cast<std::int64_t>(kept->buffers.size());
  out->buffers = kept->buffers.data();
}

struct Stream {
  ColumnPointer table;
  bool given = false;
};

int GetSchema(ArrowArrayStream* stream, ArrowSchema* out) {
  FillSchema(static_cast<Stream*>(stream->private_data)->table, out);
  return 0;
}

int GetNext(ArrowArrayStream* stream, ArrowArray* out) {
  auto* state = static_cast<Stream*>(stream->private_data);
  if (state->given) {
    std::memset(out, 0, sizeof(ArrowArray));  // the end: a structure that is released already
  } else {
    FillArray(state->table, out);
    state->given = true;
  }
  return 0;
}

const char* GetLastError(ArrowArrayStream*) { return nullptr; }

void ReleaseStream(ArrowArrayStream* stream) {
  delete static_cast<Stream*>(stream->private_data);
  stream->release = nullptr;
}

constexpr char kCapsule[] = "arrow_array_stream";

nb::object MakeStream(const nb::tuple& table) {
  auto stream = std::make_unique<ArrowArrayStream>();
  *stream = {GetSchema, GetNext, GetLastError, ReleaseStream, new Stream{ReadColumn(table)}};
  PyObject* capsule = PyCapsule_New(stream.get(), kCapsule, [](PyObject* object) {
    auto* owned = static_cast<ArrowArrayStream*>(PyCapsule_GetPointer(object, kCapsule));
    if (owned->release != nullptr) owned->release(owned);
    delete owned;
  });
  if (capsule == nullptr) {
    stream->release(stream.get());
    throw nb::python_error();
  }
  stream.release();
  return nb::steal(capsule);
}

}  // namespace

namespace actkin {

void BindArrowStream(nb::module_& module) { module.def("arrow_stream", MakeStream, nb::arg("table")); }

}  // namespace actkin
