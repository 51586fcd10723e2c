#ifndef ACTKIN_INDEXER_TORCH_PICKLE_STATE_DICT_H_
#define ACTKIN_INDEXER_TORCH_PICKLE_STATE_DICT_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace actkin {

// Where the numbers of one tensor of a checkpoint lie: strided, in a storage (a record of the archive). Offset, shape
// and strides count numbers, not bytes; every element they address is below storage_count.
struct PickledTensor {
  std::string storage_key;   // the record's name under data/
  std::string storage_type;  // "FloatStorage", "HalfStorage", ...
  std::uint64_t storage_count = 0;
  std::uint64_t offset = 0;
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> strides;

  // Numbers in the tensor: more than storage_count where a stride of 0 repeats some.
  std::uint64_t Count() const;

  friend bool operator==(const PickledTensor&, const PickledTensor&) = default;
};

struct PickledStateDict {
  std::map<std::string, PickledTensor> tensors;  // names of a nested state dict after its key and a dot
  std::size_t bytes = 0;                         // length of the pickle; what follows it was not looked at
};

// Interprets the pickle that torch.save(model.state_dict()) writes (protocols 2 to 5), a dictionary of names to
// tensors, or one that holds such a dictionary under a key that IsStateDictKey, beside anything. Nothing is ever
// executed or imported: what any other class or function would make is an object that nobody looks into, and an Error
// where a tensor is expected. `bytes` is untrusted: time and memory are linear in it, nothing recurses. Throws Error,
// one line that begins with `file`. Any thread.
PickledStateDict ParsePickle(std::span<const std::byte> bytes, const std::string& file);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_TORCH_PICKLE_STATE_DICT_H_
