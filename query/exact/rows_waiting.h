#ifndef ACTKIN_QUERY_EXACT_ROWS_WAITING_H_
#define ACTKIN_QUERY_EXACT_ROWS_WAITING_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "schema/site.h"

namespace actkin {

// Rows that no level of a sketch leaves out, with their keys, which wait for better ones to be read. One thread at a
// time.
class RowsWaiting {
 public:
  std::size_t size() const { return rows_.size(); }
  void Add(float key, RowNumber row) { rows_.push_back({key, row}); }
  // All that wait there.
  void Take(RowsWaiting& other);
  // Those with keys above the limit.
  void LeaveOut(float limit);
  // Moves the `count` with the smallest keys, or all that there are, to `rows`, in order: so they are read quicker. Of
  // a site of `row_count` rows.
  void TakeBest(std::size_t count, std::uint64_t row_count, std::vector<RowNumber>& rows);

 private:
  struct WaitingRow {
    float key = 0;
    RowNumber row = 0;
  };
  std::vector<WaitingRow> rows_;
};

}  // namespace actkin

#endif  // ACTKIN_QUERY_EXACT_ROWS_WAITING_H_
