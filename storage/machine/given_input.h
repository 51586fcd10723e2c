#ifndef ACTKIN_STORAGE_MACHINE_GIVEN_INPUT_H_
#define ACTKIN_STORAGE_MACHINE_GIVEN_INPUT_H_

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace actkin {

// Files that a user names to be read to their end: a corpus, prompts, a scheme. "-" is standard input.
bool IsStandardInput(const std::filesystem::path& path);

// For messages: the path, or "standard input".
std::string InputName(const std::filesystem::path& path);

// Standard input, and what is no regular file (a pipe), is read to its end once and kept: whoever asks again is given
// the same. Throws Error naming the input that cannot be read.
std::string ReadInput(const std::filesystem::path& path);
// The same in pieces, one after the other: of a regular file at most a megabyte each, so that memory does not grow with
// it.
void ReadInputInPieces(const std::filesystem::path& path, const std::function<void(std::string_view piece)>& take);

}  // namespace actkin

#endif  // ACTKIN_STORAGE_MACHINE_GIVEN_INPUT_H_
