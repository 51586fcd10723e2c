#ifndef ACTKIN_INDEXER_TORCH_PICKLE_PICKLE_STATE_DICT_H_
#define ACTKIN_INDEXER_TORCH_PICKLE_PICKLE_STATE_DICT_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "indexer/torch/pickle/pickle_values.h"

namespace actkin {

struct PickledStateDict {
  std::map<std::string, PickledTensor> tensors;  // names of a nested state dict after its key and a dot
  // The whole numbers and truth values of the dictionary `model_args` beside a nested state dict, as nanoGPT saves it.
  std::map<std::string, std::int64_t> model_arguments;
  std::size_t bytes = 0;  // length of the pickle; what follows it was not looked at
};

// Reads the pickle that torch.save(model.state_dict()) writes, a dictionary of names to tensors, or one that holds such
// a dictionary under a key that IsStateDictKey, beside anything. What is no tensor is an Error where one is expected.
// `bytes` is untrusted (pickle_machine.h). Throws Error, one line that begins with `file`. Any thread.
PickledStateDict ParsePickle(std::span<const std::byte> bytes, const std::string& file);

// Reads the pickle that nanoGPT's prepare.py leaves as meta.pkl: a dictionary whose `itos` maps every token id from 0
// to its text. Likewise.
std::vector<std::string> ParseVocabularyPickle(std::span<const std::byte> bytes, const std::string& file);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_TORCH_PICKLE_PICKLE_STATE_DICT_H_
