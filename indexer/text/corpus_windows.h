#ifndef ACTKIN_INDEXER_TEXT_CORPUS_WINDOWS_H_
#define ACTKIN_INDEXER_TEXT_CORPUS_WINDOWS_H_

#include <cstdint>
#include <vector>

#include "schema/site.h"

namespace actkin {

// The windows in which a model sees a corpus: of every document the tokens 0 to window, stride to stride + window, ...,
// until one reaches its end, where the last is cut short. The row of a position is taken from the first window that
// sees it with at least window - stride tokens before it, or all that its document has: so a document's first window
// gives all its rows, each other one its last `stride`. Windows follow each other as the rows that they give.
// Immutable; any thread.
class CorpusWindows {
 public:
  // documents: the positions of each, one after the other; those without any have no window.
  // REQUIRES: 1 <= stride <= window.
  CorpusWindows(const std::vector<RowRange>& documents, std::uint64_t window, std::uint64_t stride);

  struct Window {
    RowRange tokens;     // the positions that the model sees
    RowRange positions;  // the last of them, whose rows are taken from here; at least one
  };

  std::uint64_t count() const { return windows_.back(); }
  // REQUIRES: number < count().
  Window At(std::uint64_t number) const;
  std::uint64_t window() const { return window_; }
  std::uint64_t stride() const { return stride_; }

 private:
  std::uint64_t window_;
  std::uint64_t stride_;
  std::vector<RowRange> documents_;     // that have tokens
  std::vector<std::uint64_t> windows_;  // by document: the number of its first window; then the number of all
};

}  // namespace actkin

#endif  // ACTKIN_INDEXER_TEXT_CORPUS_WINDOWS_H_
