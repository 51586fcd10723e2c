#include "indexer/text/corpus.h"

#include <cstdint>
#include <limits>

#include "schema/error.h"
#include "schema/text.h"
#include "storage/machine/given_input.h"
#include "storage/machine/sha256.h"

namespace actkin {

Corpus ReadCorpus(const std::filesystem::path& path, int string_length) {
  const std::string bytes = ReadInput(path);
  const std::string input = InputName(path);
  if (bytes.empty()) Fail("{}: the corpus is empty", input);
  const std::size_t nul = bytes.find('\0');
  if (nul != std::string::npos) Fail("{}: byte {} is NUL: a corpus is UTF-8 text", input, nul);
  Corpus corpus{IsStandardInput(path) ? input : ValidUtf8(path.filename().string()), Sha256(bytes),
                CodePoints(bytes, input)};
  if (corpus.text.size() < static_cast<std::size_t>(string_length)) {
    Fail("{}: {} characters are fewer than the string length {}: give a longer corpus, or a smaller --length", input,
         corpus.text.size(), string_length);
  }
  // Positions and strings are numbered with 32 bits.
  if (corpus.text.size() >= std::numeric_limits<std::uint32_t>::max()) {
    Fail("{}: {} characters are too many: at most {}", input, corpus.text.size(),
         std::numeric_limits<std::uint32_t>::max() - 1);
  }
  return corpus;
}

}  // namespace actkin
