#ifndef ACTKIN_INDEXER_TEXT_CORPUS_H_
#define ACTKIN_INDEXER_TEXT_CORPUS_H_

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "schema/site.h"
#include "schema/tokenizer/tokenizer.h"
#include "storage/catalog/catalog.h"

namespace actkin {

// The text that an index directory is made from.
struct Corpus {
  std::string name;            // of its file, without folders, as the catalog holds it (ValidUtf8); or "standard input"
  std::string sha256;          // of the file's bytes
  std::string text;            // UTF-8
  std::size_t characters = 0;  // code points
};

// path: "-" is standard input (storage/machine/given_input.h). Throws Error naming `path` when it is empty, is not
// UTF-8, or holds a NUL (no text does).
Corpus ReadCorpus(const std::filesystem::path& path);

// A corpus as its tokens.
struct CorpusTokens {
  std::vector<TokenId> tokens;         // of all documents, one after the other
  std::vector<DocumentRow> documents;  // the file is one
  // False where the tokens stand for another text: a normalizer changed it.
  bool same_text = true;
};

// input: the corpus's name for messages. Throws Error naming it when there are fewer tokens than `string_length`, or
// more than can be numbered, or as Tokenizer::Encode does.
CorpusTokens Tokenize(const Corpus& corpus, const Tokenizer& tokenizer, int string_length, const std::string& input);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_TEXT_CORPUS_H_
