#include "indexer/corpus.h"

#include <cstdint>
#include <limits>

#include "schema/error.h"
#include "schema/text.h"
#include "storage/file.h"
#include "storage/sha256.h"

namespace actkin {

Corpus ReadCorpus(const std::filesystem::path& path, int string_length) {
  const std::string bytes = ReadFile(path);
  if (bytes.empty()) Fail("{}: the corpus is empty", path.string());
  const std::size_t nul = bytes.find('\0');
  if (nul != std::string::npos) Fail("{}: byte {} is NUL: a corpus is UTF-8 text", path.string(), nul);
  Corpus corpus{path.filename().string(), Sha256(bytes), CodePoints(bytes, path.string())};
  if (corpus.text.size() < static_cast<std::size_t>(string_length)) {
    Fail("{}: {} characters are fewer than the string length {}: give a longer corpus, or a smaller --length",
         path.string(), corpus.text.size(), string_length);
  }
  // Positions and strings are numbered with 32 bits.
  if (corpus.text.size() >= std::numeric_limits<std::uint32_t>::max()) {
    Fail("{}: {} characters are too many: at most {}", path.string(), corpus.text.size(),
         std::numeric_limits<std::uint32_t>::max() - 1);
  }
  return corpus;
}

}  // namespace actkin
