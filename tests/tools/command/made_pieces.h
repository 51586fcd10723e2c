#ifndef ACTKIN_TESTS_TOOLS_COMMAND_MADE_PIECES_H_
#define ACTKIN_TESTS_TOOLS_COMMAND_MADE_PIECES_H_

#include <cstddef>
#include <string>

namespace actkin {

// A tokenizer.json of byte pair encoding: the 256 bytes, by their values, then eleven pieces, such as "abba", " c", two
// of a character's three bytes, and the characters `\xe4`, whose text is that of the byte E4 alone. A text is one word,
// so that pieces may reach over blanks.
std::string MadePiecesTokenizer();

inline constexpr std::size_t kMadePieces = 256 + 11;

// A text of words that these pieces cut, of characters of one to three bytes, and of the characters `\xe4`.
std::string MadePiecesCorpus(std::size_t words);

}  // namespace actkin

#endif  // ACTKIN_TESTS_TOOLS_COMMAND_MADE_PIECES_H_
