#ifndef ACTKIN_INDEXER_ACTIVATIONS_RECORDED_CORPUS_H_
#define ACTKIN_INDEXER_ACTIVATIONS_RECORDED_CORPUS_H_

#include <cstdint>
#include <filesystem>

#include "indexer/text/corpus.h"
#include "indexer/text/tokenizer_choice.h"
#include "storage/exchange/activations_file.h"

namespace actkin {

// The tokens that activations were recorded over, as a build has those of a text.
struct RecordedCorpus {
  Corpus corpus;                 // without its source; the SHA-256 is of the ids and the documents' lengths
  std::uint64_t text_bytes = 0;  // that its tokens stand for
  std::size_t longest_document = 0;
  CorpusTokens tokens;
  ChosenTokenizer tokenizer;
};

// Reads ids, documents and tokenizer of a folder of activations. Throws Error naming the file and the entry that is no
// token of the tokenizer, or the numbers that do not fit together. (Texts are not cut again: what was recorded in
// pieces may be cut otherwise as a whole.)
RecordedCorpus ReadRecordedCorpus(const std::filesystem::path& folder, const ActivationsFile& file);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_ACTIVATIONS_RECORDED_CORPUS_H_
