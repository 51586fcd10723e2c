#ifndef ACTKIN_SCHEMA_WRAPPED_NAMES_H_
#define ACTKIN_SCHEMA_WRAPPED_NAMES_H_

#include <string>
#include <vector>

namespace actkin {

// The keys under which training scripts save a state dict beside other things.
bool IsStateDictKey(const std::string& name);

// What wrappers of a model put before the name of every tensor: "_orig_mod." (torch.compile), "module."
// (DataParallel), "model." (Lightning), or a key of the above with a dot; several may follow each other. Empty where
// not all names begin with one.
std::string WrapperPrefix(const std::vector<std::string>& names);

// Whatever every name begins with, to its last dot; empty where there is nothing of the kind.
std::string CommonPrefix(const std::vector<std::string>& names);

}  // namespace actkin

#endif  // ACTKIN_SCHEMA_WRAPPED_NAMES_H_
