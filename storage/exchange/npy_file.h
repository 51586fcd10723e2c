#ifndef ACTKIN_STORAGE_EXCHANGE_NPY_FILE_H_
#define ACTKIN_STORAGE_EXCHANGE_NPY_FILE_H_

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/machine/file.h"

namespace actkin {

// A mapped NumPy array: magic, version, a header that is a literal of Python (descr, fortran_order, shape), then the
// numbers (numpy.lib.format, versions 1.0 to 3.0). Immutable, so any thread may read it.
class NpyFile {
 public:
  // Throws Error naming `path` where the header is not what the format allows, or the file has more or fewer bytes than
  // its shape says; and, by name, where its numbers are of another kind than Type, big-endian, or in Fortran order.
  explicit NpyFile(const std::filesystem::path& path);

  enum class Type { kFloat16, kFloat32, kFloat64, kInt8, kInt16, kInt32, kInt64, kUint8, kUint16, kUint32, kUint64 };

  Type type() const { return type_; }
  // As NumPy calls it: "float32".
  std::string_view type_name() const;
  bool is_integer() const { return type_ >= Type::kInt8; }
  const std::vector<std::uint64_t>& shape() const { return shape_; }
  // "(3, 4)", for messages
  std::string shape_text() const;
  // How many numbers there are; their bytes fit into 63 bits.
  std::uint64_t count() const { return count_; }
  // All numbers, little-endian, the last index running fastest; perhaps unaligned.
  std::span<const std::byte> bytes() const { return file_.bytes().subspan(data_offset_); }
  // Number `index` of all, as they lie there. REQUIRES: is_integer(), index < count(). Throws Error naming the file and
  // the index where it is negative.
  std::uint64_t Whole(std::uint64_t index) const;

  const std::filesystem::path& path() const { return path_; }
  // The mapping, and where in it the numbers begin.
  const MappedFile& file() const { return file_; }
  std::uint64_t data_offset() const { return data_offset_; }

 private:
  std::filesystem::path path_;
  MappedFile file_;
  Type type_ = Type::kFloat32;
  std::vector<std::uint64_t> shape_;
  std::uint64_t count_ = 1;
  std::uint64_t data_offset_ = 0;
};

// What stands before the numbers of an array in C order, version 1.0; they begin at a multiple of 64. descr: "<f4".
std::string NpyHeader(std::string_view descr, std::span<const std::uint64_t> shape);

}  // namespace actkin

#endif  // ACTKIN_STORAGE_EXCHANGE_NPY_FILE_H_
