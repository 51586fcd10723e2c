#include "query/sqlite/connection/recent_rankings.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace actkin {
namespace {

constexpr std::size_t kMostRankings = 32;
constexpr std::uint64_t kMostBytes = 64 << 20;

}  // namespace

std::shared_ptr<Ranking> RecentRankings::Find(const std::string& key) {
  const auto found =
      std::ranges::find(rankings_, key, [](const auto& entry) -> const std::string& { return entry.first; });
  if (found == rankings_.end()) return nullptr;
  rankings_.splice(rankings_.begin(), rankings_, found);
  Trim();
  return rankings_.front().second;
}

void RecentRankings::Add(std::string key, std::shared_ptr<Ranking> ranking) {
  rankings_.emplace_front(std::move(key), std::move(ranking));
  Trim();
}

void RecentRankings::Trim() {
  // They grow while they are here.
  std::uint64_t bytes = 0;
  std::size_t kept = 0;
  for (auto entry = rankings_.begin(); entry != rankings_.end(); ++kept) {
    bytes += kept == 0 ? 0 : entry->second->memory_bytes();
    entry = kept > 0 && (kept >= kMostRankings || bytes > kMostBytes) ? rankings_.erase(entry) : std::next(entry);
  }
}

}  // namespace actkin
