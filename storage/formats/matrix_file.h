#ifndef ACTKIN_STORAGE_FORMATS_MATRIX_FILE_H_
#define ACTKIN_STORAGE_FORMATS_MATRIX_FILE_H_

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "schema/site.h"
#include "storage/exchange/npy_file.h"
#include "storage/exchange/safetensors.h"

namespace actkin {

// A matrix of numbers that somebody wrote: NAME.npy, or a tensor of NAME.safetensors. Mapped, row-major. Immutable; any
// thread.
class MatrixFile {
 public:
  enum class Type { kFloat16, kBfloat16, kFloat32 };

  // Throws Error naming the file, and the tensor, where it is not there, not two-dimensional, has no columns or more
  // than a site may have, or is of another type.
  explicit MatrixFile(NpyFile file);
  MatrixFile(SafetensorsFile file, const std::string& tensor);
  // By the file's ending. tensor: where it is a .safetensors file, and only there.
  static MatrixFile Open(const std::filesystem::path& path, const std::optional<std::string>& tensor);

  Type type() const { return type_; }
  // "float16", "bfloat16", "float32"
  std::string_view type_name() const;
  // That holds every number as it is: float16 for float16, else float32.
  Element element() const { return type_ == Type::kFloat16 ? Element::kFloat16 : Element::kFloat32; }
  std::uint64_t rows() const { return rows_; }
  std::uint64_t columns() const { return columns_; }
  // "a.npy", or "a.safetensors: tensor x", for messages
  const std::string& where() const { return where_; }

  // out: range.size() x columns(), as float32. REQUIRES: the range lies in 0..rows().
  void ReadRows(RowRange range, std::span<float> out) const;
  // These rows will be read soon, or not again soon: the system may read ahead, or use their memory for something else.
  void Expect(RowRange range) const { Advise(range, MappedFile::Use::kSoon); }
  void Forget(RowRange range) const { Advise(range, MappedFile::Use::kNotSoon); }

 private:
  void SetShape(std::span<const std::uint64_t> shape);
  void Advise(RowRange range, MappedFile::Use use) const;

  std::variant<NpyFile, SafetensorsFile> file_;
  std::string where_;
  Type type_ = Type::kFloat32;
  std::uint64_t rows_ = 0;
  std::uint64_t columns_ = 0;
  std::span<const std::byte> bytes_;
};

}  // namespace actkin

#endif  // ACTKIN_STORAGE_FORMATS_MATRIX_FILE_H_
