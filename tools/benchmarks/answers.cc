#include "tools/benchmarks/answers.h"

#include <algorithm>
#include <cmath>

#include "schema/error.h"

namespace actkin {
namespace {

constexpr std::uint64_t kComparedNeighbors = 10;

}  // namespace

std::string FindDifference(const Answers& ours, std::span<const float> theirs, std::uint64_t k,
                           std::span<const double> query_norms, double squared_error) {
  for (std::size_t query = 0; query < ours.size(); ++query) {
    for (std::uint64_t i = 0; i < std::min(k, kComparedNeighbors); ++i) {
      const double mine = ours[query][i].distance;
      const double other = theirs[query * k + i];
      const double reach = query_norms[query] + mine;
      const double allowed = 1e-5 * mine * mine + squared_error * reach * reach;
      // So that NaN is a difference.
      if (!(std::abs(mine * mine - other * other) <= allowed)) {
        return fmt::format("the answers differ: query {} of {}, rank {}: the peer's distance is {:.7g}, ours {:.7g}",
                           query + 1, ours.size(), i + 1, other, mine);
      }
    }
  }
  return "";
}

double RecallOf(const Answers& truth, std::span<const std::int64_t> found, std::uint64_t k) {
  std::size_t hits = 0;
  for (std::size_t query = 0; query < truth.size(); ++query) {
    const std::span<const std::int64_t> rows = found.subspan(query * k, k);
    hits += static_cast<std::size_t>(std::ranges::count_if(
        truth[query], [&](const Match& match) { return std::ranges::count(rows, match.row) > 0; }));
  }
  return static_cast<double>(hits) / static_cast<double>(truth.size() * k);
}

}  // namespace actkin
