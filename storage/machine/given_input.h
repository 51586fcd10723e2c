#ifndef ACTKIN_STORAGE_MACHINE_GIVEN_INPUT_H_
#define ACTKIN_STORAGE_MACHINE_GIVEN_INPUT_H_

#include <filesystem>
#include <string>

namespace actkin {

// Files that a user names to be read whole: a corpus, prompts, a scheme. "-" is standard input.
bool IsStandardInput(const std::filesystem::path& path);

// For messages: the path, or "standard input".
std::string InputName(const std::filesystem::path& path);

// Standard input is read to its end once and kept: whoever asks again is given the same. Throws Error naming the input
// that cannot be read.
std::string ReadInput(const std::filesystem::path& path);

}  // namespace actkin

#endif  // ACTKIN_STORAGE_MACHINE_GIVEN_INPUT_H_
