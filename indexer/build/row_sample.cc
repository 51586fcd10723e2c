#include "indexer/build/row_sample.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

namespace actkin {
namespace {

constexpr std::uint64_t kSampleRows = 2048;
constexpr std::uint64_t kQueries = 100;
constexpr std::uint64_t kNearest = 10;

std::uint64_t StepOf(std::uint64_t row_count) {
  return std::max<std::uint64_t>((row_count + kSampleRows - 1) / kSampleRows, 1);
}

// The k other rows nearest to one of them, by number. rows: count x dimension.
std::vector<std::uint64_t> NearestTo(std::uint64_t row, std::span<const float> rows, std::uint64_t dimension,
                                     std::uint64_t k) {
  std::vector<std::pair<double, std::uint64_t>> others;
  const float* query = rows.data() + row * dimension;
  for (std::uint64_t other = 0; other < rows.size() / dimension; ++other) {
    if (other == row) continue;
    const float* numbers = rows.data() + other * dimension;
    double square = 0;
    for (std::uint64_t i = 0; i < dimension; ++i) {
      const double difference = static_cast<double>(numbers[i]) - query[i];
      square += difference * difference;
    }
    others.emplace_back(square, other);
  }
  std::ranges::nth_element(others, others.begin() + static_cast<std::ptrdiff_t>(k - 1));
  std::vector<std::uint64_t> nearest;
  for (std::uint64_t i = 0; i < k; ++i) nearest.push_back(others[i].second);
  std::ranges::sort(nearest);
  return nearest;
}

}  // namespace

RowSample::RowSample(const std::filesystem::path& path, std::uint64_t dimension, std::uint64_t row_count,
                     bool continued)
    : path_(path),
      dimension_(dimension),
      step_(StepOf(row_count)),
      count_((row_count + step_ - 1) / step_),
      writer_(path, Element::kFloat32, dimension, {0, count_}, continued) {}

std::uint64_t RowSample::Write(RowNumber first, std::span<const float> values) {
  const std::uint64_t end = first + values.size() / dimension_;
  std::uint64_t share = 0;
  for (std::uint64_t number = (first + step_ - 1) / step_; number * step_ < end; ++number) {
    share += writer_.WriteRows(static_cast<RowNumber>(number),
                               values.subspan((number * step_ - first) * dimension_, dimension_));
  }
  return share;
}

std::optional<RoundingRow> RowSample::Compare(std::uint64_t checksum, const VectorFile& rounded) {
  writer_.AddChecksum(checksum);
  writer_.Finish();
  const VectorFile sample(path_);
  sample.Verify();
  if (count_ < 2) return std::nullopt;
  std::vector<float> kept(count_ * dimension_);
  for (std::uint64_t number = 0; number < count_; ++number) {
    const std::uint64_t row = number * step_;
    rounded.ReadRows({row, row + 1}, std::span(kept).subspan(number * dimension_, dimension_));
  }
  RoundingRow of{.sampled_rows = count_, .queries = std::min(kQueries, count_), .k = std::min(kNearest, count_ - 1)};
  std::uint64_t same = 0;
  for (std::uint64_t query = 0; query < of.queries; ++query) {
    const std::uint64_t row = query * count_ / of.queries;
    const std::vector<std::uint64_t> before = NearestTo(row, sample.Float32(), dimension_, of.k);
    const std::vector<std::uint64_t> after = NearestTo(row, kept, dimension_, of.k);
    std::vector<std::uint64_t> both;
    std::ranges::set_intersection(before, after, std::back_inserter(both));
    same += both.size();
  }
  of.recall = static_cast<double>(same) / static_cast<double>(of.queries * of.k);
  return of;
}

}  // namespace actkin
