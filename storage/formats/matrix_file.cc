#include "storage/formats/matrix_file.h"

#include <utility>
#include <vector>

#include "schema/error.h"
#include "schema/text.h"
#include "storage/formats/vector_file.h"

namespace actkin {
namespace {

constexpr const char* TypeCode(MatrixFile::Type type) {
  switch (type) {
    case MatrixFile::Type::kFloat16:
      return "F16";
    case MatrixFile::Type::kBfloat16:
      return "BF16";
    default:
      return "F32";
  }
}

std::size_t TypeBytes(MatrixFile::Type type) { return type == MatrixFile::Type::kFloat32 ? 4 : 2; }

}  // namespace

MatrixFile::MatrixFile(NpyFile file) : file_(std::move(file)) {
  const NpyFile& npy = std::get<NpyFile>(file_);
  where_ = npy.path().string();
  bytes_ = npy.bytes();
  if (npy.type() == NpyFile::Type::kFloat16) {
    type_ = Type::kFloat16;
  } else if (npy.type() != NpyFile::Type::kFloat32) {
    Fail("{}: numbers of {}: expected float32 or float16", where_, npy.type_name());
  }
  SetShape(npy.shape());
}

MatrixFile::MatrixFile(SafetensorsFile file, const std::string& tensor) : file_(std::move(file)) {
  const SafetensorsFile& safetensors = std::get<SafetensorsFile>(file_);
  where_ = safetensors.path().string();
  if (!safetensors.Has(tensor)) Fail(ErrorCode::kNotFound, "{}: has no tensor {}", where_, Quote(tensor));
  where_ += fmt::format(": tensor {}", QuoteIfEscaped(tensor));
  const SafetensorsFile::Bytes raw = safetensors.Raw(tensor);
  bytes_ = raw.bytes;
  if (raw.type == TypeCode(Type::kFloat16)) {
    type_ = Type::kFloat16;
  } else if (raw.type == TypeCode(Type::kBfloat16)) {
    type_ = Type::kBfloat16;
  } else if (raw.type != TypeCode(Type::kFloat32)) {
    Fail("{}: numbers of {}: expected F32, F16 or BF16", where_, raw.type);
  }
  SetShape(std::vector<std::uint64_t>(raw.shape.begin(), raw.shape.end()));
}

MatrixFile MatrixFile::Open(const std::filesystem::path& path, const std::optional<std::string>& tensor) {
  const std::filesystem::path extension = path.extension();
  if (extension == ".npy") {
    if (tensor) Fail("{}: has one array, and a tensor of it is named, {}", path.string(), Quote(*tensor));
    return MatrixFile(NpyFile(path));
  }
  if (extension != ".safetensors") Fail("{}: expected a file NAME.npy or NAME.safetensors", path.string());
  if (!tensor) Fail("{}: may have several tensors: expected \"tensor\", the name of one", path.string());
  return MatrixFile(SafetensorsFile(path), *tensor);
}

void MatrixFile::SetShape(std::span<const std::uint64_t> shape) {
  if (shape.size() != 2 || shape[1] == 0 || shape[1] > kMaximumDimension) {
    Fail("{}: its shape is ({}): expected rows x columns, of 1 to {} columns", where_, fmt::join(shape, ", "),
         kMaximumDimension);
  }
  rows_ = shape[0];
  columns_ = shape[1];
}

std::string_view MatrixFile::type_name() const {
  switch (type_) {
    case Type::kFloat16:
      return "float16";
    case Type::kBfloat16:
      return "bfloat16";
    default:
      return "float32";
  }
}

void MatrixFile::ReadRows(RowRange range, std::span<float> out) const {
  const std::byte* first = bytes_.data() + range.begin * columns_ * TypeBytes(type_);
  ConvertToFloat(TypeCode(type_), first, range.size() * columns_, out.data(), where_);
}

void MatrixFile::Advise(RowRange range, MappedFile::Use use) const {
  const auto* npy = std::get_if<NpyFile>(&file_);
  const MappedFile& mapping = npy != nullptr ? npy->file() : std::get<SafetensorsFile>(file_).file();
  const std::uint64_t row_bytes = columns_ * TypeBytes(type_);
  const auto begin = static_cast<std::uint64_t>(bytes_.data() - mapping.bytes().data()) + range.begin * row_bytes;
  mapping.Advise(begin, range.size() * row_bytes, use);
}

}  // namespace actkin
