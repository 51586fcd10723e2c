#ifndef ACTKIN_INDEXER_MODEL_SOURCE_TENSORS_H_
#define ACTKIN_INDEXER_MODEL_SOURCE_TENSORS_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "schema/model_description.h"
#include "storage/exchange/safetensors.h"
#include "storage/formats/model_tensors.h"

namespace actkin {

// A tensor that was read into memory.
struct LoadedTensor {
  std::string type;  // "F32", "F16", "BF16"
  std::vector<std::int64_t> shape;
  std::vector<std::byte> bytes;  // its numbers, row-major
};

// A checkpoint's tensors under the names that its files give, where they lie. Immutable; any thread.
class SourceTensors {
 public:
  struct Entry {
    std::string file;  // for messages
    std::string type;  // "F32", "F16", "BF16"; "" for what has no use here
    std::vector<std::int64_t> shape;
    std::span<const std::byte> bytes;  // perhaps unaligned
  };

  SourceTensors() = default;
  SourceTensors(SourceTensors&&) = default;
  SourceTensors& operator=(SourceTensors&&) = default;

  // All tensors of a file, or those named. Throw Error naming `path`: a name that is there already, one that is
  // missing.
  void Add(const std::filesystem::path& path, std::shared_ptr<const SafetensorsFile> file);
  void Add(const std::filesystem::path& path, std::shared_ptr<const SafetensorsFile> file,
           std::span<const std::string> names);
  void Add(const std::filesystem::path& path, std::map<std::string, LoadedTensor> tensors);

  const std::map<std::string, Entry>& entries() const { return entries_; }
  std::vector<std::string> Names() const;
  TensorShapes Shapes() const;
  // The names less `prefix`, and less what torch.compile puts within. Names that do not begin with it stay.
  void Strip(const std::string& prefix);

 private:
  void AddEntry(const std::string& name, Entry entry);

  std::map<std::string, Entry> entries_;
  std::vector<std::shared_ptr<const SafetensorsFile>> files_;
  std::vector<std::shared_ptr<const std::map<std::string, LoadedTensor>>> loaded_;
};

}  // namespace actkin

#endif  // ACTKIN_INDEXER_MODEL_SOURCE_TENSORS_H_
