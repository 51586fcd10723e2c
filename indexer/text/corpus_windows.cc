#include "indexer/text/corpus_windows.h"

#include <algorithm>

namespace actkin {

CorpusWindows::CorpusWindows(const std::vector<RowRange>& documents, std::uint64_t window, std::uint64_t stride)
    : window_(window), stride_(stride), windows_{0} {
  for (const RowRange& document : documents) {
    if (document.size() == 0) continue;
    documents_.push_back(document);
    const std::uint64_t behind_first = document.size() - std::min(document.size(), window);
    windows_.push_back(windows_.back() + 1 + (behind_first + stride - 1) / stride);
  }
}

CorpusWindows::Window CorpusWindows::At(std::uint64_t number) const {
  const auto next = std::ranges::upper_bound(windows_, number);
  const auto place = static_cast<std::size_t>(next - windows_.begin()) - 1;
  const RowRange& document = documents_[place];
  const std::uint64_t begin = document.begin + (number - windows_[place]) * stride_;
  const RowRange tokens{begin, std::min(begin + window_, document.end)};
  return {tokens, {begin == document.begin ? begin : begin + window_ - stride_, tokens.end}};
}

}  // namespace actkin
