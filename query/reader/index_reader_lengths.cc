// Rows that are not longer than a limit.
#include <algorithm>
#include <thread>
#include <utility>

#include "query/reader/index_reader.h"

namespace actkin {
namespace {

// More than an experiment asks in turn. An entry takes a bit or two a row.
constexpr std::size_t kMostKept = 256;

}  // namespace

std::shared_ptr<const RowSet> IndexReader::RowsThatPass(const Site& site, std::shared_ptr<const RowSet> among,
                                                        std::optional<double> max_length) {
  if (!max_length) return among;
  const auto key = std::pair(site, *max_length);
  auto found = kept_lengths_.find(key);
  if (found == kept_lengths_.end()) {
    const int threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
    KeptLengths kept{std::make_shared<const RowSet>(OpenIndex(site)->RowsUpTo(*max_length, threads)), nullptr, nullptr};
    if (kept_lengths_.size() >= kMostKept) kept_lengths_.clear();
    found = kept_lengths_.emplace(key, std::move(kept)).first;
  }
  KeptLengths& kept = found->second;
  if (!among) return kept.rows;
  if (kept.among != among) {
    kept.both = std::make_shared<const RowSet>(RowSet::Common(*kept.rows, *among));
    kept.among = std::move(among);
  }
  return kept.both;
}

}  // namespace actkin
