#include "indexer/torch/pickle/pt_reader.h"

#include <cstring>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "indexer/torch/pickle/pickle_state_dict.h"
#include "indexer/torch/pickle/pt_archive.h"
#include "schema/error.h"
#include "storage/exchange/safetensors.h"
#include "storage/formats/model_tensors.h"
#include "storage/machine/file.h"

namespace actkin {
namespace {

// The type's name as .safetensors files have it, and the bytes of one number.
struct NumberType {
  std::string name;
  std::uint64_t bytes = 0;
};

NumberType TypeOf(const PickledTensor& tensor, const std::string& where) {
  if (tensor.storage_type == "FloatStorage") return {"F32", 4};
  if (tensor.storage_type == "DoubleStorage") return {"F64", 8};
  if (tensor.storage_type == "HalfStorage") return {"F16", 2};
  if (tensor.storage_type == "BFloat16Storage") return {"BF16", 2};
  Fail("{}: lies in a {}, expected floating point numbers", where, tensor.storage_type);
}

bool IsContiguous(const PickledTensor& tensor) {
  if (tensor.Count() == 0) return true;
  std::int64_t expected = 1;
  for (std::size_t i = tensor.shape.size(); i-- > 0;) {
    if (tensor.shape[i] != 1 && tensor.strides[i] != expected) return false;
    expected *= tensor.shape[i];
  }
  return true;
}

// Copies the tensor's elements, of `size` bytes, in row-major order; storage is what its indices count in.
std::vector<std::byte> Gather(const PickledTensor& tensor, const std::byte* storage, std::size_t size) {
  std::vector<std::byte> bytes(tensor.Count() * size);
  std::vector<std::int64_t> position(tensor.shape.size(), 0);
  std::uint64_t index = tensor.offset;
  for (std::size_t to = 0; to < bytes.size(); to += size) {
    std::memcpy(bytes.data() + to, storage + index * size, size);
    for (std::size_t i = position.size(); i-- > 0;) {
      index += static_cast<std::uint64_t>(tensor.strides[i]);
      if (++position[i] < tensor.shape[i]) break;
      index -= static_cast<std::uint64_t>(tensor.strides[i]) * static_cast<std::uint64_t>(tensor.shape[i]);
      position[i] = 0;
    }
  }
  return bytes;
}

class PtReader {
 public:
  explicit PtReader(const std::filesystem::path& path) : file_(path.string()), archive_(path) {}

  PtCheckpoint Read(const std::function<bool(const std::string&)>& is_ignored) {
    CheckByteOrder();
    PickledStateDict pickled = ParsePickle(archive_.From("data.pkl"), file_);
    archive_.Read("data.pkl", pickled.bytes);
    std::erase_if(pickled.tensors, [&](const auto& item) { return is_ignored(item.first); });
    FindStorages(pickled);
    PtCheckpoint checkpoint;
    checkpoint.model_arguments = std::move(pickled.model_arguments);
    for (const auto& [name, tensor] : pickled.tensors) {
      checkpoint.tensors[name] = Load(name, tensor);
    }
    return checkpoint;
  }

 private:
  std::string Where(const std::string& name) const { return fmt::format("{}: tensor {}", file_, name); }

  void CheckByteOrder() const {
    if (!archive_.Has("byteorder")) return;
    constexpr std::string_view kLittle = "little";
    const std::span<const std::byte> from = archive_.From("byteorder");
    if (from.size() < kLittle.size() ||
        std::string_view(reinterpret_cast<const char*>(from.data()), kLittle.size()) != kLittle) {
      Fail("{}: was not saved on a little-endian machine: load it and save it again on one", file_);
    }
  }

  // Every storage once, before anything is allocated for the numbers.
  void FindStorages(const PickledStateDict& pickled) {
    std::uint64_t in_storages = 0;
    std::uint64_t in_tensors = 0;
    for (const auto& [name, tensor] : pickled.tensors) {
      const NumberType type = TypeOf(tensor, Where(name));
      if (tensor.Count() > tensor.storage_count) {
        Fail("{}: is expanded: a stride of 0 repeats its {} numbers: save its .contiguous()", Where(name),
             tensor.storage_count);
      }
      std::uint64_t bytes = 0;
      if (__builtin_mul_overflow(tensor.storage_count, type.bytes, &bytes)) {
        Fail("{}: its storage would have {} numbers", Where(name), tensor.storage_count);
      }
      const auto found = storages_.find(tensor.storage_key);
      if (found == storages_.end()) {
        storages_[tensor.storage_key] = archive_.Read("data/" + tensor.storage_key, bytes);
        in_storages += tensor.storage_count;
      } else if (found->second.size() != bytes) {
        Fail("{}: its storage {} has two sizes", Where(name), tensor.storage_key);
      }
      in_tensors += tensor.Count();
    }
    // Tied weights share a storage, a few times; a small file must not ask for a large memory that way.
    constexpr std::uint64_t kMostSharing = 4;
    if (in_tensors / kMostSharing > in_storages) {
      Fail("{}: its tensors have {} numbers, its storages {}", file_, in_tensors, in_storages);
    }
  }

  LoadedTensor Load(const std::string& name, const PickledTensor& tensor) const {
    const NumberType type = TypeOf(tensor, Where(name));
    const std::byte* storage = storages_.at(tensor.storage_key).data();
    LoadedTensor loaded{type.name, tensor.shape, {}};
    if (IsContiguous(tensor)) {
      const std::byte* begin = storage + tensor.offset * type.bytes;
      loaded.bytes.assign(begin, begin + tensor.Count() * type.bytes);
    } else {
      loaded.bytes = Gather(tensor, storage, type.bytes);
    }
    if (PrecisionOf(type.name)) return loaded;
    // No model is kept in double precision.
    std::vector<float> rounded(tensor.Count());
    ConvertToFloat(type.name, loaded.bytes.data(), rounded.size(), rounded.data(), Where(name));
    const std::span<const std::byte> bytes = std::as_bytes(std::span(rounded));
    return {std::string(SafetensorsType(Precision::kFloat32)), tensor.shape, {bytes.begin(), bytes.end()}};
  }

  const std::string file_;
  const PtArchive archive_;
  std::map<std::string, std::span<const std::byte>> storages_;
};

}  // namespace

PtCheckpoint ReadPtFile(const std::filesystem::path& path, const std::function<bool(const std::string&)>& is_ignored) {
  return PtReader(path).Read(is_ignored);
}

std::vector<std::string> ReadVocabularyPickleFile(const std::filesystem::path& path) {
  const MappedFile file(path);
  return ParseVocabularyPickle(file.bytes(), path.string());
}

}  // namespace actkin
