#ifndef ACTKIN_INDEXER_TEXT_CORPUS_H_
#define ACTKIN_INDEXER_TEXT_CORPUS_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "schema/site.h"
#include "schema/tokenizer/tokenizer.h"
#include "storage/catalog/catalog.h"

namespace actkin {

// What a corpus is read from, each input's documents after those of the one before.
struct CorpusSource {
  // A text file, which is one document; a folder, whose files NAME.txt are one each, by name; NAME.jsonl, of which each
  // line is a JSON object and a document. "-" is standard input, a text (storage/machine/given_input.h).
  std::vector<std::filesystem::path> inputs;
  bool all_texts = false;                // each is a text, whatever it is called
  std::string field = "text";            // of the objects, which holds the text
  std::optional<std::string> separator;  // stands between the documents of a text; without: a text is one

  // For messages: the first input, and how many more.
  std::string Name() const;
};

// The text that an index directory is made from. It stays where it is: it is read twice, in pieces, by ReadCorpus and
// by Tokenize, and no more of it is in memory than the document that is cut into tokens.
struct Corpus {
  CorpusSource source;
  std::string name;            // of its file, without folders, as the catalog holds it (ValidUtf8); or "standard input"
  std::string sha256;          // of the file's bytes; where it may have several documents, of these with their lengths
  std::uint64_t bytes = 0;     // of the text
  std::size_t characters = 0;  // code points
  std::u32string alphabet;     // the distinct ones, ascending
  std::uint64_t documents = 0;
  std::uint64_t longest_document = 0;  // its bytes
};

// One text, which is one document: "-" is standard input. Throws Error naming `path` when it is empty, is not UTF-8, or
// holds a NUL (no text does).
Corpus ReadCorpus(const std::filesystem::path& path);

// Throws Error naming the input, and the line of it, that cannot be read so; or the first where there is no text at
// all. Documents are named after their file; several of one file also by a number from 1, or by their "id".
Corpus ReadCorpus(const CorpusSource& source);

// A corpus as its tokens.
struct CorpusTokens {
  std::vector<TokenId> tokens;         // of all documents, one after the other
  std::vector<DocumentRow> documents;  // by position; ids from 0
  // False where the tokens stand for another text: a normalizer changed it.
  bool same_text = true;

  // The positions of each document.
  std::vector<RowRange> Positions() const;
};

// Where tokens are characters a text is cut as it is read; else a document at a time. input: the corpus's name for
// messages. Throws Error naming it when no document has `string_length` tokens, or there are more than can be numbered,
// or the text is not the one that ReadCorpus has seen; or as Tokenizer::Encode does.
CorpusTokens Tokenize(const Corpus& corpus, const Tokenizer& tokenizer, int string_length, const std::string& input);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_TEXT_CORPUS_H_
