#ifndef ACTKIN_QUERY_READER_CORPUS_SUFFIXES_H_
#define ACTKIN_QUERY_READER_CORPUS_SUFFIXES_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "schema/site.h"
#include "storage/catalog/catalog.h"
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

  // REQUIRES, of every prefix: its tokens are below the corpus's vocabulary size. The prefix of no tokens occurs before
  // every token and at the end of every document.
  std::uint64_t Occurrences(std::span<const TokenId> prefix) const;
  // How often each token follows the prefix, by token id; they add up to the occurrences, less the documents that end
  // with it. For each of them a search among as many suffixes as it has occurrences.
  std::vector<NextTokenCount> NextTokens(std::span<const TokenId> prefix) const;

  // Suffixes looked at so far.
  std::uint64_t steps() const { return steps_.load(std::memory_order_relaxed); }

 private:
  // Places in the order: of the suffixes that begin with a prefix.
  RowRange Find(std::span<const TokenId> prefix) const;
  // prefix: its bytes. Below 0: the suffix comes before all that begin with it; 0: it is one of them.
  int Compare(std::uint64_t place, std::string_view prefix) const;
  // The token that stands so far behind the beginning of a suffix; none: a document ends there.
  std::optional<TokenId> TokenAt(std::uint64_t place, std::uint64_t offset) const;
  // The end of the places, from `place` on, whose suffixes have its token at `offset`.
  std::uint64_t EndOfToken(std::uint64_t place, std::uint64_t end, std::uint64_t offset, TokenId token) const;
  void CountStep() const { steps_.fetch_add(1, std::memory_order_relaxed); }

  std::shared_ptr<const CorpusTokensFile> tokens_;
  SuffixOrderFile order_;
  mutable std::atomic<std::uint64_t> steps_ = 0;
};

}  // namespace actkin

#endif  // ACTKIN_QUERY_READER_CORPUS_SUFFIXES_H_
