#include "storage/exchange/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "schema/error.h"
#include "schema/text.h"
#include "storage/machine/float16.h"

namespace actkin {
namespace {

using nlohmann::json;

constexpr std::uint64_t kMaximumHeaderBytes = 100'000'000;
constexpr std::uint64_t kAlignment = 64;

std::size_t TypeBytes(const std::string& type) {
  if (type == "F64" || type == "I64" || type == "U64") return 8;
  if (type == "F32" || type == "I32" || type == "U32") return 4;
  if (type == "F16" || type == "BF16" || type == "I16" || type == "U16") return 2;
  if (type == "I8" || type == "U8" || type == "BOOL") return 1;
  return 0;
}

// The header as the format has it: JSON that begins with its brace, with spaces after it, where no key stands twice.
json ParseHeader(std::string_view text, const std::string& file) {
  std::vector<std::set<std::string>> keys;  // of the objects that are open
  std::optional<std::string> twice;
  const auto look = [&](int, json::parse_event_t event, json& parsed) {
    if (event == json::parse_event_t::object_start) keys.emplace_back();
    if (event == json::parse_event_t::object_end) keys.pop_back();
    if (event == json::parse_event_t::key && !keys.back().insert(parsed.get<std::string>()).second) {
      twice = parsed.get<std::string>();
    }
    return true;
  };
  // The parser takes a zero byte for the end.
  const bool is_text = text.starts_with('{') && text.find('\0') == std::string_view::npos;
  json header = is_text ? json::parse(text, look, /*allow_exceptions=*/false) : json();
  if (!header.is_object()) FailDamaged("{}: not a .safetensors file: its header is not a JSON object", file);
  if (twice) FailDamaged("{}: its header has the key {} twice", file, Quote(*twice));
  return header;
}

// A whole number that JSON holds, or an Error.
std::uint64_t Whole(const json& value, const std::string& where) {
  if (!value.is_number_unsigned()) {
    FailDamaged("{}: expected a whole number where its header has {}", where, value.dump());
  }
  return value.get<std::uint64_t>();
}

}  // namespace

TensorShapes StateDict::Shapes() const {
  TensorShapes shapes;
  for (const auto& [name, tensor] : tensors) shapes[name] = tensor.shape;
  return shapes;
}

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path) : path_(path), file_(path) {
  const std::string file = path.string();
  const std::span<const std::byte> bytes = file_.bytes();
  std::uint64_t header_bytes = 0;
  if (bytes.size() < sizeof(header_bytes)) {
    FailDamaged("{}: {} bytes are too few for a .safetensors file", file, bytes.size());
  }
  std::memcpy(&header_bytes, bytes.data(), sizeof(header_bytes));
  if (header_bytes > kMaximumHeaderBytes || header_bytes > bytes.size() - sizeof(header_bytes)) {
    FailDamaged("{}: not a .safetensors file: its header would have {} bytes", file, header_bytes);
  }
  const std::uint64_t data_offset = sizeof(header_bytes) + header_bytes;
  const std::uint64_t data_bytes = bytes.size() - data_offset;
  const char* text = reinterpret_cast<const char*>(bytes.data()) + sizeof(header_bytes);
  const json header = ParseHeader({text, header_bytes}, file);

  for (const auto& [name, value] : header.items()) {
    if (name == "__metadata__" && value.is_null()) continue;
    if (!value.is_object()) FailDamaged("{}: its header's entry '{}' is not an object", file, QuoteIfEscaped(name));
    if (name == "__metadata__") {
      for (const auto& [key, metadata] : value.items()) {
        if (!metadata.is_string()) FailDamaged("{}: metadata '{}' is not a string", file, QuoteIfEscaped(key));
        metadata_[key] = metadata.get<std::string>();
      }
      continue;
    }
    const std::string where = fmt::format("{}: tensor {}", file, QuoteIfEscaped(name));
    if (!value.contains("dtype") || !value["dtype"].is_string() || !value.contains("shape") ||
        !value["shape"].is_array() || !value.contains("data_offsets") || !value["data_offsets"].is_array() ||
        value["data_offsets"].size() != 2) {
      FailDamaged("{}: expected dtype, shape and data_offsets", where);
    }
    Entry entry;
    entry.type = value["dtype"].get<std::string>();
    std::uint64_t expected = TypeBytes(entry.type);
    if (expected == 0) Fail(ErrorCode::kUnsupported, "{}: type {} is unknown", where, QuoteIfEscaped(entry.type));
    for (const json& size_value : value["shape"]) {
      const std::uint64_t size = Whole(size_value, where);
      if (size > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) ||
          __builtin_mul_overflow(expected, size, &expected)) {
        FailDamaged("{}: its shape {} is too large", where, value["shape"].dump());
      }
      entry.shape.push_back(static_cast<std::int64_t>(size));
    }
    const std::uint64_t begin = Whole(value["data_offsets"][0], where);
    const std::uint64_t end = Whole(value["data_offsets"][1], where);
    if (begin > end || end > data_bytes || end - begin != expected) {
      FailDamaged("{}: bytes {} to {} of {} do not fit its type and shape ({} bytes)", where, begin, end, data_bytes,
                  expected);
    }
    entry.offset = data_offset + begin;
    entry.bytes = expected;
    entries_[name] = std::move(entry);
  }
  RequireEveryByteOnce(data_offset);
}

void SafetensorsFile::RequireEveryByteOnce(std::uint64_t data_offset) const {
  std::vector<const std::pair<const std::string, Entry>*> ordered;
  for (const auto& entry : entries_) ordered.push_back(&entry);
  std::ranges::sort(ordered, {},
                    [](const auto* entry) { return std::pair(entry->second.offset, entry->second.bytes); });
  std::uint64_t end = data_offset;
  std::string before = "the header";
  for (const auto* entry : ordered) {
    const auto& [name, range] = *entry;
    const std::string quoted = QuoteIfEscaped(name);
    if (range.offset < end) {
      FailDamaged("{}: tensors {} and {} lie on the same bytes: the format gives every byte to one", path_.string(),
                  before, quoted);
    }
    if (range.offset > end) {
      FailDamaged("{}: {} bytes between {} and {} belong to no tensor: the format has no gaps", path_.string(),
                  range.offset - end, before, quoted);
    }
    end += range.bytes;
    before = quoted;
  }
  if (end != file_.size()) {
    FailDamaged("{}: {} bytes after {} belong to no tensor: the format has no rest", path_.string(), file_.size() - end,
                before);
  }
}

const SafetensorsFile::Entry& SafetensorsFile::Find(const std::string& name) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) FailDamaged("{}: tensor {} is missing", path_.string(), QuoteIfEscaped(name));
  return found->second;
}

TensorShapes SafetensorsFile::Shapes() const {
  TensorShapes shapes;
  for (const auto& [name, entry] : entries_) shapes[name] = entry.shape;
  return shapes;
}

std::span<const float> SafetensorsFile::Values(const std::string& name) const {
  const Entry& entry = Find(name);
  const std::byte* bytes = file_.bytes().data() + entry.offset;
  if (entry.type != "F32" || std::bit_cast<std::uintptr_t>(bytes) % alignof(float) != 0) {
    FailDamaged("{}: tensor {} is not aligned float32", path_.string(), QuoteIfEscaped(name));
  }
  return {reinterpret_cast<const float*>(bytes), entry.bytes / sizeof(float)};
}

SafetensorsFile::Bytes SafetensorsFile::Raw(const std::string& name) const {
  const Entry& entry = Find(name);
  return {entry.type, entry.shape, file_.bytes().subspan(entry.offset, entry.bytes)};
}

StateDict SafetensorsFile::Read() const {
  StateDict state;
  state.metadata = metadata_;
  for (const auto& [name, entry] : entries_) {
    Tensor& tensor = state.tensors[name];
    tensor.shape = entry.shape;
    tensor.values.resize(entry.bytes / TypeBytes(entry.type));
    ConvertToFloat(entry.type, file_.bytes().data() + entry.offset, tensor.values.size(), tensor.values.data(),
                   fmt::format("{}: tensor {}", path_.string(), QuoteIfEscaped(name)));
  }
  return state;
}

std::string SafetensorsHeader(std::span<const SafetensorsHeaderEntry> entries,
                              const std::map<std::string, std::string>& metadata) {
  json header = json::object();  // keys in order
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::uint64_t begin = 0;
  for (const SafetensorsHeaderEntry& entry : entries) {
    const std::uint64_t end = begin + entry.bytes;
    header[entry.name] = {{"dtype", entry.type}, {"shape", entry.shape}, {"data_offsets", {begin, end}}};
    begin = end;
  }
  std::string text = header.dump();
  // The format allows spaces after the header: they put the tensors at an aligned offset.
  text.resize((text.size() + 8 + kAlignment - 1) / kAlignment * kAlignment - 8, ' ');
  const std::uint64_t header_bytes = text.size();
  return std::string(reinterpret_cast<const char*>(&header_bytes), sizeof(header_bytes)) + text;
}

std::string SerializeSafetensors(const StateDict& state) {
  std::vector<SafetensorsHeaderEntry> entries;
  std::uint64_t data_bytes = 0;
  for (const auto& [name, tensor] : state.tensors) {
    entries.push_back({name, "F32", tensor.shape, tensor.values.size() * sizeof(float)});
    data_bytes += entries.back().bytes;
  }
  std::string bytes = SafetensorsHeader(entries, state.metadata);
  bytes.reserve(bytes.size() + data_bytes);
  for (const auto& [name, tensor] : state.tensors) {
    bytes.append(reinterpret_cast<const char*>(tensor.values.data()), tensor.values.size() * sizeof(float));
  }
  return bytes;
}

void ConvertToFloat(const std::string& type, const std::byte* bytes, std::size_t count, float* values,
                    const std::string& where) {
  if (type == "F32") {
    if (count > 0) std::memcpy(values, bytes, count * sizeof(float));
  } else if (type == "F64") {
    for (std::size_t i = 0; i < count; ++i) {
      double value = 0;
      std::memcpy(&value, bytes + i * sizeof(value), sizeof(value));
      values[i] = static_cast<float>(value);
    }
  } else if (type == "F16") {
    std::vector<std::uint16_t> encoded(count);
    if (count > 0) std::memcpy(encoded.data(), bytes, count * sizeof(std::uint16_t));
    DecodeFloat16(encoded.data(), count, values);
  } else if (type == "BF16") {
    for (std::size_t i = 0; i < count; ++i) {
      std::uint16_t upper = 0;
      std::memcpy(&upper, bytes + i * sizeof(upper), sizeof(upper));
      values[i] = std::bit_cast<float>(static_cast<std::uint32_t>(upper) << 16);
    }
  } else {
    Fail(ErrorCode::kUnsupported, "{}: type {} cannot be used: expected F64, F32, F16 or BF16", where, type);
  }
}

}  // namespace actkin
