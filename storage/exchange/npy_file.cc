#include "storage/exchange/npy_file.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstring>
#include <limits>
#include <optional>

#include "schema/error.h"
#include "schema/text.h"

namespace actkin {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::size_t kHeaderAlignment = 64;
// Longer than any header that an array of numbers has.
constexpr std::size_t kLongestHeader = 1U << 16;
constexpr std::size_t kMostDimensions = 32;

struct KnownType {
  std::string_view code;  // of descr, without the order of bytes
  NpyFile::Type type;
  std::string_view name;
  std::size_t bytes;
};

constexpr std::array<KnownType, 11> kTypes{{{"f2", NpyFile::Type::kFloat16, "float16", 2},
                                            {"f4", NpyFile::Type::kFloat32, "float32", 4},
                                            {"f8", NpyFile::Type::kFloat64, "float64", 8},
                                            {"i1", NpyFile::Type::kInt8, "int8", 1},
                                            {"i2", NpyFile::Type::kInt16, "int16", 2},
                                            {"i4", NpyFile::Type::kInt32, "int32", 4},
                                            {"i8", NpyFile::Type::kInt64, "int64", 8},
                                            {"u1", NpyFile::Type::kUint8, "uint8", 1},
                                            {"u2", NpyFile::Type::kUint16, "uint16", 2},
                                            {"u4", NpyFile::Type::kUint32, "uint32", 4},
                                            {"u8", NpyFile::Type::kUint64, "uint64", 8}}};

const KnownType& Known(NpyFile::Type type) { return *std::ranges::find(kTypes, type, &KnownType::type); }

// The header's dictionary: what NumPy writes, and what Python would read as the same.
class HeaderReader {
 public:
  HeaderReader(std::string_view text, const std::string& file) : rest_(text), file_(file) {}

  struct Header {
    std::optional<std::string> descr;
    std::optional<bool> fortran_order;
    std::optional<std::vector<std::uint64_t>> shape;
  };

  Header Read() {
    Header header;
    Expect('{');
    while (!Take('}')) {
      const std::string key = Text();
      Expect(':');
      if (key == "descr" && !header.descr) {
        if (Peek() == '[') {
          Fail(ErrorCode::kUnsupported, "{}: an array of records: expected one of numbers", file_);
        }
        header.descr = Text();
      } else if (key == "fortran_order" && !header.fortran_order) {
        header.fortran_order = Flag();
      } else if (key == "shape" && !header.shape) {
        header.shape = Shape();
      } else {
        FailDamaged("{}: not a .npy file: its header has the key {} twice, or is not to have it", file_, Quote(key));
      }
      if (!Take(',') && Peek() != '}') Refuse();
    }
    if (Peek() != '\0' || !header.descr || !header.fortran_order || !header.shape) Refuse();
    return header;
  }

 private:
  [[noreturn]] void Refuse() const {
    FailDamaged("{}: not a .npy file: expected a header of descr, fortran_order and shape", file_);
  }

  // The next character that is no space; NUL at the end.
  char Peek() {
    while (!rest_.empty() && std::isspace(static_cast<unsigned char>(rest_.front())) != 0) rest_.remove_prefix(1);
    return rest_.empty() ? '\0' : rest_.front();
  }

  bool Take(char expected) {
    if (Peek() != expected) return false;
    rest_.remove_prefix(1);
    return true;
  }

  void Expect(char expected) {
    if (!Take(expected)) Refuse();
  }

  std::string Text() {
    const char quote = Peek();
    if (quote != '\'' && quote != '"') Refuse();
    const std::size_t end = rest_.find(quote, 1);
    if (end == std::string_view::npos) Refuse();
    const std::string text(rest_.substr(1, end - 1));
    rest_.remove_prefix(end + 1);
    return text;
  }

  bool Flag() {
    Peek();
    for (const bool value : {true, false}) {
      const std::string_view word = value ? "True" : "False";
      if (!rest_.starts_with(word)) continue;
      rest_.remove_prefix(word.size());
      return value;
    }
    Refuse();
  }

  std::vector<std::uint64_t> Shape() {
    std::vector<std::uint64_t> shape;
    Expect('(');
    while (!Take(')')) {
      Peek();
      std::uint64_t size = 0;
      const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), size);
      if (error != std::errc() || shape.size() == kMostDimensions) Refuse();
      rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
      Take('L');  // of Python 2
      shape.push_back(size);
      if (!Take(',') && Peek() != ')') Refuse();
    }
    return shape;
  }

  std::string_view rest_;
  const std::string& file_;
};

NpyFile::Type TypeOf(const std::string& descr, const std::string& file) {
  const std::string_view code = std::string_view(descr).substr(std::min<std::size_t>(1, descr.size()));
  const char order = descr.empty() ? '\0' : descr.front();
  if (order == '>' && !code.empty()) {
    Fail(ErrorCode::kUnsupported, "{}: its numbers are big-endian ({}): save them with .astype('<{}')", file,
         QuoteIfEscaped(descr), QuoteIfEscaped(code));
  }
  if (code.starts_with('O')) {
    Fail(ErrorCode::kUnsupported, "{}: an array of objects, which only Python can read: save one of numbers", file);
  }
  const auto known = std::ranges::find(kTypes, code, &KnownType::code);
  if (known == kTypes.end() || (order != '<' && !(order == '|' && known->bytes == 1))) {
    Fail(ErrorCode::kUnsupported, "{}: an array of {}: expected float16, float32, float64 or whole numbers", file,
         Quote(descr));
  }
  return known->type;
}

template <typename Integer>
std::optional<std::uint64_t> ReadWhole(const std::byte* from) {
  Integer value{};
  std::memcpy(&value, from, sizeof(value));
  if (value < Integer{0}) return std::nullopt;
  return static_cast<std::uint64_t>(value);
}

std::optional<std::uint64_t> ReadWhole(NpyFile::Type type, const std::byte* from) {
  switch (type) {
    case NpyFile::Type::kInt8:
      return ReadWhole<std::int8_t>(from);
    case NpyFile::Type::kInt16:
      return ReadWhole<std::int16_t>(from);
    case NpyFile::Type::kInt32:
      return ReadWhole<std::int32_t>(from);
    case NpyFile::Type::kInt64:
      return ReadWhole<std::int64_t>(from);
    case NpyFile::Type::kUint8:
      return ReadWhole<std::uint8_t>(from);
    case NpyFile::Type::kUint16:
      return ReadWhole<std::uint16_t>(from);
    case NpyFile::Type::kUint32:
      return ReadWhole<std::uint32_t>(from);
    default:
      return ReadWhole<std::uint64_t>(from);
  }
}

}  // namespace

NpyFile::NpyFile(const std::filesystem::path& path) : path_(path), file_(path) {
  const std::string file = path.string();
  const std::span<const std::byte> bytes = file_.bytes();
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::size_t version_end = kMagic.size() + 2;
  if (text.size() < version_end || !text.starts_with(kMagic)) FailDamaged("{}: not a .npy file", file);
  const int version = static_cast<unsigned char>(text[kMagic.size()]);
  if (version < 1 || version > 3 || text[kMagic.size() + 1] != 0) {
    Fail(ErrorCode::kUnsupported, "{}: .npy version {}.{}: expected 1.0, 2.0 or 3.0", file, version,
         static_cast<unsigned char>(text[kMagic.size() + 1]));
  }
  const std::size_t length_bytes = version == 1 ? 2 : 4;
  if (text.size() < version_end + length_bytes)
    FailDamaged("{}: {} bytes are too few for a .npy file", file, text.size());
  std::uint32_t header_bytes = 0;
  std::memcpy(&header_bytes, bytes.data() + version_end, length_bytes);
  data_offset_ = version_end + length_bytes + header_bytes;
  if (header_bytes > kLongestHeader || data_offset_ > bytes.size()) {
    FailDamaged("{}: not a .npy file: its header would have {} bytes", file, header_bytes);
  }
  HeaderReader::Header header = HeaderReader(text.substr(version_end + length_bytes, header_bytes), file).Read();
  type_ = TypeOf(*header.descr, file);
  shape_ = std::move(*header.shape);
  if (*header.fortran_order && shape_.size() > 1) {
    Fail(ErrorCode::kUnsupported, "{}: its numbers stand in Fortran order: save numpy.ascontiguousarray(a)", file);
  }
  std::uint64_t expected = Known(type_).bytes;
  for (const std::uint64_t size : shape_) {
    if (__builtin_mul_overflow(expected, size, &expected) || expected > std::numeric_limits<std::int64_t>::max()) {
      FailDamaged("{}: its shape {} is too large", file, shape_text());
    }
  }
  count_ = expected / Known(type_).bytes;
  if (expected != bytes.size() - data_offset_) {
    FailDamaged("{}: {} bytes of numbers, its shape {} of {} takes {}", file, bytes.size() - data_offset_, shape_text(),
                type_name(), expected);
  }
}

std::string_view NpyFile::type_name() const { return Known(type_).name; }

std::string NpyFile::shape_text() const {
  return fmt::format("({}{})", fmt::join(shape_, ", "), shape_.size() == 1 ? "," : "");
}

std::uint64_t NpyFile::Whole(std::uint64_t index) const {
  const std::byte* from = file_.bytes().data() + data_offset_ + index * Known(type_).bytes;
  const std::optional<std::uint64_t> value = ReadWhole(type_, from);
  if (!value) Fail("{}: entry {} is negative", path_.string(), index);
  return *value;
}

std::string NpyHeader(std::string_view descr, std::span<const std::uint64_t> shape) {
  std::string dictionary = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}{}), }}", descr,
                                       fmt::join(shape, ", "), shape.size() == 1 ? "," : "");
  const std::size_t before = kMagic.size() + 4;  // version, header length
  const std::size_t total =
      (before + dictionary.size() + 1 + kHeaderAlignment - 1) / kHeaderAlignment * kHeaderAlignment;
  dictionary.resize(total - before - 1, ' ');
  dictionary += '\n';
  std::string header(kMagic);
  header += std::string("\x01\x00", 2);
  header += static_cast<char>(dictionary.size() & 0xFF);
  header += static_cast<char>(dictionary.size() >> 8);
  return header + dictionary;
}

}  // namespace actkin
