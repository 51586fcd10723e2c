#ifndef ACTKIN_INDEXER_TEXT_TOKENIZER_CHOICE_H_
#define ACTKIN_INDEXER_TEXT_TOKENIZER_CHOICE_H_

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "indexer/text/corpus.h"
#include "schema/tokenizer/tokenizer.h"
#include "schema/vocabulary.h"
#include "storage/catalog/catalog.h"
#include "storage/catalog/index_directory.h"

namespace actkin {

// The model whose tokens they are to be.
struct TokenizedModel {
  std::string file;                      // for messages
  std::uint64_t embedding_rows = 0;      // ids that it knows
  std::optional<Vocabulary> vocabulary;  // of characters, where its file carries one
};

// What decides how a corpus is cut into tokens.
struct TokenizerRequest {
  std::optional<std::filesystem::path> tokenizer;        // a tokenizer.json
  std::optional<std::filesystem::path> vocabulary_from;  // a text, whose characters are the tokens
  std::optional<TokenizedModel> model;
};

struct ChosenTokenizer {
  std::unique_ptr<const Tokenizer> tokenizer;
  std::optional<Vocabulary> characters;  // where tokens are characters
  std::string json;                      // else the bytes of tokenizer.json, as they were given
  bool texts_alone = false;              // or those of a list of the tokens' texts

  TokenizerRow row() const;
};

// A tokenizer.json, where one is named; else that of the directory, where it has one; else characters: the model's own,
// those of vocabulary_from, or the corpus's. Throws Error naming the files that do not go together: a model has at
// least as many rows of embeddings as there are tokens, and exactly as many where tokens are characters.
ChosenTokenizer ChooseTokenizer(const TokenizerRequest& request, const Corpus& corpus, const std::string& corpus_input,
                                const IndexDirectory& directory, const std::optional<TokenizerRow>& existing);

// Throws Error unless it is the tokenizer that the directory was made with: tokens, and its file.
void RequireSameTokenizer(const ChosenTokenizer& chosen, const IndexDirectory& directory, const TokenizerRow& existing,
                          std::span<const TokenRow> existing_tokens);

// Tokens of which the texts alone are known, `json`: characters, where they are single ones in ascending order. Throws
// Error naming `where`.
ChosenTokenizer OfTokenTexts(std::string json, const std::string& where);

// The directory's copy of tokenizer.json, or of the list of texts: written under partial/, flushed, and moved to its
// name.
void MakeTokenizerCopy(const IndexDirectory& directory, const std::string& json,
                       const std::string& name = IndexDirectory::Tokenizer());

}  // namespace actkin

#endif  // ACTKIN_INDEXER_TEXT_TOKENIZER_CHOICE_H_
