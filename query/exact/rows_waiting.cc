#include "query/exact/rows_waiting.h"

#include <algorithm>
#include <bit>
#include <functional>

namespace actkin {
namespace {

// Into ascending order; many sooner as bits of all rows.
void PutInOrder(std::uint64_t row_count, std::vector<RowNumber>& rows) {
  if (rows.size() < row_count / 64) {
    std::ranges::sort(rows);
    return;
  }
  std::vector<std::uint64_t> words(row_count / 64 + 1);
  for (const RowNumber row : rows) words[row / 64] |= std::uint64_t{1} << row % 64;
  rows.clear();
  for (std::size_t word = 0; word < words.size(); ++word) {
    for (std::uint64_t bits = words[word]; bits != 0; bits &= bits - 1) {
      rows.push_back(static_cast<RowNumber>(word * 64 + static_cast<std::size_t>(std::countr_zero(bits))));
    }
  }
}

}  // namespace

void RowsWaiting::Take(RowsWaiting& other) {
  rows_.insert(rows_.end(), other.rows_.begin(), other.rows_.end());
  other.rows_.clear();
}

void RowsWaiting::LeaveOut(float limit) {
  std::erase_if(rows_, [limit](const WaitingRow& row) { return row.key > limit; });
}

void RowsWaiting::TakeBest(std::size_t count, std::uint64_t row_count, std::vector<RowNumber>& rows) {
  count = std::min(count, rows_.size());
  const auto first = rows_.end() - static_cast<std::ptrdiff_t>(count);
  if (count < rows_.size()) std::ranges::nth_element(rows_, first, std::greater(), &WaitingRow::key);
  rows.resize(count);
  std::transform(first, rows_.end(), rows.begin(), [](const WaitingRow& row) { return row.row; });
  rows_.erase(first, rows_.end());
  PutInOrder(row_count, rows);
}

}  // namespace actkin
