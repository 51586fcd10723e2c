#ifndef ACTKIN_STORAGE_EXCHANGE_SAFETENSORS_H_
#define ACTKIN_STORAGE_EXCHANGE_SAFETENSORS_H_

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "schema/model_description.h"
#include "storage/machine/file.h"

namespace actkin {

struct Tensor {
  std::vector<std::int64_t> shape;
  std::vector<float> values;  // row-major
};

// A state dict in memory, whatever file it came from.
struct StateDict {
  std::map<std::string, Tensor> tensors;
  std::map<std::string, std::string> metadata;

  TensorShapes Shapes() const;
};

// A mapped .safetensors file: eight bytes of header length, a JSON header that maps names to type, shape and byte
// range, then the bytes (https://github.com/huggingface/safetensors, "Format"). Immutable, so any thread may read it.
class SafetensorsFile {
 public:
  // Throws Error naming `path` when the header or a byte range is not what the format allows: tensors follow each other
  // without a gap from the first byte after the header to the file's last, and no key stands twice.
  explicit SafetensorsFile(const std::filesystem::path& path);

  TensorShapes Shapes() const;
  bool Has(const std::string& name) const { return entries_.contains(name); }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

  // The values of a float32 tensor, where they lie in the mapping. REQUIRES: `name` is among Shapes(). Throws Error
  // when the tensor is of another type, or lies unaligned.
  std::span<const float> Values(const std::string& name) const;

  // A tensor where it lies, perhaps unaligned. `name` must be among Shapes(): an Error otherwise.
  struct Bytes {
    std::string type;  // "F32", "F16", "I64", ...
    std::vector<std::int64_t> shape;
    std::span<const std::byte> bytes;
  };
  Bytes Raw(const std::string& name) const;
  // All of the file.
  const MappedFile& file() const { return file_; }
  const std::filesystem::path& path() const { return path_; }

  // All tensors as float32 (from F64, F32, F16 or BF16).
  StateDict Read() const;

 private:
  struct Entry {
    std::string type;
    std::vector<std::int64_t> shape;
    std::uint64_t offset = 0;  // from the start of the file
    std::uint64_t bytes = 0;
  };
  const Entry& Find(const std::string& name) const;
  void RequireEveryByteOnce(std::uint64_t data_offset) const;

  std::filesystem::path path_;
  MappedFile file_;
  std::map<std::string, Entry> entries_;
  std::map<std::string, std::string> metadata_;
};

// What stands before the tensors' bytes, its length included; they follow each other in this order, from an offset that
// is a multiple of 64.
struct SafetensorsHeaderEntry {
  std::string name;
  std::string type;
  std::vector<std::int64_t> shape;
  std::uint64_t bytes = 0;
};
std::string SafetensorsHeader(std::span<const SafetensorsHeaderEntry> entries,
                              const std::map<std::string, std::string>& metadata);

// The same state dict always gives the same bytes: tensors in the order of their names, float32, aligned to 64 bytes.
std::string SerializeSafetensors(const StateDict& state);

// Numbers of the types that checkpoints use, converted to float32: type is "F64", "F32", "F16" or "BF16"; `bytes` holds
// count numbers, little-endian, unaligned. Throws Error naming `where` on any other type.
void ConvertToFloat(const std::string& type, const std::byte* bytes, std::size_t count, float* values,
                    const std::string& where);

}  // namespace actkin

#endif  // ACTKIN_STORAGE_EXCHANGE_SAFETENSORS_H_
