#include "query/experiment/neighbor_totals.h"

#include "schema/error.h"

namespace actkin {
namespace {

void AddBand(const BandTotalsFile& file, std::uint64_t prompt, Kernel kernel, TokenAccumulator& sums) {
  for (const BandTotal& total : file.Of(prompt)) {
    if (total.token >= sums.vocabulary_size()) {
      FailDamaged("{}: damaged: token {} follows prompt {}, there are {} tokens", file.path().string(), total.token,
                  prompt, sums.vocabulary_size());
    }
    sums.Add(total.token, kernel == Kernel::kNone ? total.count : total.by_inverse_distance);
  }
}

}  // namespace

TokenTotals NeighborTotals::Of(std::uint64_t prompt, Room& room) const {
  TokenTotals totals;
  for (std::size_t term = 0; term < sources_.size(); ++term) {
    room.pool.clear();
    for (const Source& source : sources_[term]) {
      if (source.totals) {
        AddBand(*source.totals, prompt, kernel_, room.sums);
        continue;
      }
      for (const SavedNeighbor& neighbor : source.lists->Of(prompt)) {
        room.pool.push_back({source.first_string_id + neighbor.ordinal, neighbor.distance});
      }
    }
    SelectFromPool(request_.metric, request_.merge, request_.CountOf(term), room.pool);
    AddNeighbors(room.pool, kernel_, counts_, room.sums);
    totals.AddTerm(room.sums);
  }
  return totals;
}

}  // namespace actkin
