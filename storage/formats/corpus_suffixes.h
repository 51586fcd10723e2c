#ifndef ACTKIN_STORAGE_FORMATS_CORPUS_SUFFIXES_H_
#define ACTKIN_STORAGE_FORMATS_CORPUS_SUFFIXES_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "schema/site.h"
#include "storage/formats/corpus_tokens_file.h"
#include "storage/formats/suffix_order_file.h"

namespace actkin {

// How often prefixes of any length occur in a corpus, and what follows them there, by binary searches among its sorted
// suffixes (U. Manber and G. Myers, "Suffix arrays", 1993). Nothing crosses the end of a document. Immutable; any
// thread. Methods throw Error naming the file where it is damaged.
class CorpusSuffixes {
 public:
  // Throws Error where the order is not that of these tokens.
  CorpusSuffixes(std::shared_ptr<const CorpusTokensFile> tokens, SuffixOrderFile order);

  // The places in the order of the suffixes that begin with a prefix: as many as it has occurrences. The prefix of no
  // tokens occurs before every token and at the end of every document. REQUIRES: the tokens are below the corpus's
  // vocabulary size.
  RowRange Find(std::span<const TokenId> prefix) const;

  using NextToken = TokenPlaces;
  // What follows a prefix of `length` tokens at its places, by token id; none of them at the ends of documents. Of
  // a wide prefix (SuffixOrderFile) they are read; else looks at about log2(places of a token) suffixes for each token,
  // of all tokens at once.
  std::vector<NextToken> NextTokens(RowRange places, std::uint64_t length) const;

  // Where in the corpus the suffix at a place begins. REQUIRES: it begins with a token.
  std::uint64_t Position(std::uint64_t place) const;

  // Suffixes looked at so far.
  std::uint64_t steps() const { return steps_.load(std::memory_order_relaxed); }

 private:
  // prefix: its bytes. Below 0: the suffix comes before all that begin with it; 0: it is one of them.
  int Compare(std::uint64_t place, std::string_view prefix) const;
  void CountSteps(std::uint64_t steps) const { steps_.fetch_add(steps, std::memory_order_relaxed); }

  std::shared_ptr<const CorpusTokensFile> tokens_;
  SuffixOrderFile order_;
  mutable std::atomic<std::uint64_t> steps_ = 0;
};

}  // namespace actkin

#endif  // ACTKIN_STORAGE_FORMATS_CORPUS_SUFFIXES_H_
