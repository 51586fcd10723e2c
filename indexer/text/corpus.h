#ifndef ACTKIN_INDEXER_TEXT_CORPUS_H_
#define ACTKIN_INDEXER_TEXT_CORPUS_H_

#include <filesystem>
#include <string>

namespace actkin {

// The text that an index directory is made from.
struct Corpus {
  std::string name;    // of its file, without folders, as the catalog holds it (ValidUtf8); or "standard input"
  std::string sha256;  // of the file's bytes
  std::u32string text;
};

// path: "-" is standard input (storage/machine/given_input.h). Throws Error naming `path` when it is not UTF-8, holds a
// NUL (no text does), or has fewer than `string_length` characters.
Corpus ReadCorpus(const std::filesystem::path& path, int string_length);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_TEXT_CORPUS_H_
