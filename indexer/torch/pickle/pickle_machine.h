#ifndef ACTKIN_INDEXER_TORCH_PICKLE_PICKLE_MACHINE_H_
#define ACTKIN_INDEXER_TORCH_PICKLE_PICKLE_MACHINE_H_

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "indexer/torch/pickle/pickle_values.h"

namespace actkin::pickle {

// Interprets a pickle (protocols 2 to 5). Nothing is ever executed or imported: what a class or function that is not
// known would make is an object that nobody looks into. `bytes` is untrusted: time and memory are linear in it, nothing
// recurses. Throws Error, one line that begins with `file` and says that the pickle is not `expected`. Any thread.
PickleGraph RunPickle(std::span<const std::byte> bytes, const std::string& file, std::string_view expected);

// Text of the input as part of a one-line message.
std::string PrintablePickle(std::string_view text);
// Whether a text may name a tensor or a record of an archive.
bool IsPlainPickleName(std::string_view name);

}  // namespace actkin::pickle

#endif  // ACTKIN_INDEXER_TORCH_PICKLE_PICKLE_MACHINE_H_
