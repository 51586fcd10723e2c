#include "indexer/build/row_statistics.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <mutex>
#include <utility>
#include <vector>

#include "indexer/sketches/vector_lengths.h"
#include "schema/error.h"
#include "schema/random.h"
#include "storage/machine/row_distance.h"
#include "storage/machine/row_workers.h"

namespace actkin {
namespace {

constexpr std::uint64_t kSampleRows = 4096;
// Of wide rows fewer are held, though never fewer than these.
constexpr std::uint64_t kSampleNumbers = std::uint64_t{1} << 22;
constexpr std::uint64_t kFewestSampleRows = 64;
// A row of the sample is paired with so many others.
constexpr std::size_t kPartners = 8;
constexpr std::size_t kAsked = 64;    // rows whose nearest are looked for
constexpr std::size_t kNearest = 10;  // and how many
constexpr std::array kQuantiles{0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99};
// Bytes of rows that all asked rows are compared with in turn: they stay in the second-level cache.
constexpr std::uint64_t kPieceBytes = std::uint64_t{1} << 18;
// With a row so many bytes around it are brought into memory; rows that are far apart are forgotten by so many bytes.
constexpr std::size_t kBroughtInAround = std::size_t{1} << 18;
constexpr std::size_t kForgottenBytes = std::size_t{1} << 21;

double Distance(std::span<const float> a, std::span<const float> b) {
  return std::sqrt(SumOf(a.size(), [&](std::size_t i) {
    const double difference = static_cast<double>(a[i]) - b[i];
    return difference * difference;
  }));
}

// In an order that looks random.
std::vector<RowNumber> SampleOf(std::uint64_t row_count, std::uint64_t dimension) {
  const std::uint64_t count =
      std::min({row_count, kSampleRows, std::max(kSampleNumbers / dimension, kFewestSampleRows)});
  std::vector<RowNumber> sample;
  for (std::uint64_t part = 0; part < count; ++part) {
    const std::uint64_t begin = part * row_count / count;
    const std::uint64_t end = (part + 1) * row_count / count;
    sample.push_back(static_cast<RowNumber>(begin + MixedBits(part) % (end - begin)));
  }
  std::ranges::sort(sample, {}, [](RowNumber row) { return std::pair(MixedBits(~std::uint64_t{row}), row); });
  return sample;
}

void AddQuantiles(const char* pairs, std::vector<double> distances, SiteStatisticsRow& statistics) {
  if (distances.empty()) return;
  std::ranges::sort(distances);
  for (const double quantile : kQuantiles) {
    const auto place = static_cast<std::size_t>(quantile * static_cast<double>(distances.size() - 1));
    statistics.distances.push_back({pairs, quantile, distances[place]});
  }
}

// The mean over all pairs of rows of the cosine of the two, rows less `origin`: that of the sum of the rows at unit
// length with itself, less that of each with itself. A row of zeros is similar to none.
double MeanCosine(std::span<const float> rows, std::size_t dimension, std::span<const double> origin) {
  std::vector<double> sum(dimension);
  std::vector<double> row(dimension);
  const std::size_t count = rows.size() / dimension;
  double not_zero = 0;
  for (std::size_t number = 0; number < count; ++number) {
    double square = 0;
    for (std::size_t i = 0; i < dimension; ++i) {
      row[i] = rows[number * dimension + i] - (origin.empty() ? 0 : origin[i]);
      square += row[i] * row[i];
    }
    if (square == 0) continue;
    ++not_zero;
    const double scale = 1 / std::sqrt(square);
    for (std::size_t i = 0; i < dimension; ++i) sum[i] += row[i] * scale;
  }
  const double square = std::inner_product(sum.begin(), sum.end(), sum.begin(), 0.0);
  const auto rows_of_all = static_cast<double>(count);
  return std::clamp((square - not_zero) / (rows_of_all * (rows_of_all - 1)), -1.0, 1.0);
}

// sample: rows in an order that looks random.
void DescribePairs(std::span<const float> sample, std::size_t dimension, std::span<const double> mean,
                   SiteStatisticsRow& statistics) {
  const std::size_t count = sample.size() / dimension;
  if (count < 2) return;
  statistics.cosine = MeanCosine(sample, dimension, {});
  statistics.centered_cosine = MeanCosine(sample, dimension, mean);
  std::vector<double> distances;
  for (std::size_t row = 0; row < count; ++row) {
    for (std::size_t step = 1; step <= std::min(kPartners, count - 1); ++step) {
      distances.push_back(Distance(sample.subspan(row * dimension, dimension),
                                   sample.subspan((row + step) % count * dimension, dimension)));
    }
  }
  AddQuantiles(kRandomPairs, std::move(distances), statistics);
}

void DescribeLengths(std::vector<double> lengths, SiteStatisticsRow& statistics) {
  const auto count = static_cast<double>(lengths.size());
  // Of rows of any length the sum has room.
  for (const double length : lengths) statistics.mean_length += length / count;
  statistics.longest = std::ranges::max(lengths);
  const auto middle = lengths.begin() + static_cast<std::ptrdiff_t>(lengths.size() / 2);
  std::ranges::nth_element(lengths, middle);
  statistics.median_length = *middle;
  const double limit = kLongRow * statistics.median_length;
  statistics.long_share =
      static_cast<double>(std::ranges::count_if(lengths, [limit](double length) { return length > limit; })) / count;
}

// The rows nearest to some asked ones, found piece by piece. One thread at a time.
class NearestRows {
 public:
  // asked: rows of the site, numbers: theirs.
  NearestRows(std::span<const RowNumber> asked, std::span<const float> numbers, std::size_t dimension)
      : asked_(asked), numbers_(numbers), dimension_(dimension), nearest_(asked.size()) {}

  void LookAt(RowRange range, std::span<const float> rows) {
    pointers_.clear();
    for (std::size_t row = 0; row < range.size(); ++row) {
      pointers_.push_back(reinterpret_cast<const std::byte*>(rows.data() + row * dimension_));
    }
    squares_.resize(range.size());
    for (std::size_t query = 0; query < asked_.size(); ++query) {
      SquaredDistancesTo(pointers_, Element::kFloat32, dimension_, numbers_.data() + query * dimension_,
                         squares_.data());
      for (std::size_t row = 0; row < range.size(); ++row) {
        Add(query, {squares_[row], static_cast<RowNumber>(range.begin + row)});
      }
    }
  }

  void Include(const NearestRows& other) {
    for (std::size_t query = 0; query < asked_.size(); ++query) {
      for (const Found& found : other.nearest_[query]) Add(query, found);
    }
  }

  // Nearest first.
  std::vector<RowNumber> Of(std::size_t query) const {
    std::vector<Found> found = nearest_[query];
    std::ranges::sort(found);
    std::vector<RowNumber> rows;
    for (const auto& [square, row] : found) rows.push_back(row);
    return rows;
  }

 private:
  using Found = std::pair<float, RowNumber>;

  void Add(std::size_t query, const Found& found) {
    std::vector<Found>& nearest = nearest_[query];  // a heap
    if (nearest.size() == kNearest && !(found < nearest.front())) return;
    if (found.second == asked_[query] || std::isnan(found.first)) return;
    if (nearest.size() == kNearest) {
      std::ranges::pop_heap(nearest);
      nearest.pop_back();
    }
    nearest.push_back(found);
    std::ranges::push_heap(nearest);
  }

  std::span<const RowNumber> asked_;
  std::span<const float> numbers_;
  std::size_t dimension_;
  std::vector<std::vector<Found>> nearest_;  // a query each
  std::vector<const std::byte*> pointers_;
  std::vector<float> squares_;
};

template <typename Code>
class CodedRowsStatistics {
 public:
  explicit CodedRowsStatistics(const CodeFile& file)
      : file_(file), codes_(file.Codes<Code>()), positions_(file.positions()), tokens_(file.token_count()) {}

  SiteStatisticsRow Find() const {
    SiteStatisticsRow statistics;
    DescribeLengths(Lengths(), statistics);
    const std::uint64_t dimension = positions_ * file_.embed();
    const std::vector<RowNumber> rows = SampleOf(file_.rows().size(), dimension);
    std::vector<float> sample(rows.size() * dimension);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      for (std::uint64_t position = 0; position < positions_; ++position) {
        FillPart(position, CodeAt(rows[i], position),
                 std::span(sample).subspan(i * dimension + position * file_.embed(), file_.embed()));
      }
    }
    DescribePairs(sample, dimension, Mean(), statistics);
    return statistics;
  }

 private:
  std::size_t CodeAt(std::uint64_t row, std::uint64_t position) const {
    const std::size_t code = codes_[row * positions_ + position];
    if (code >= tokens_) FailDamaged("{}: damaged: row {} has a code that is no token's", file_.path().string(), row);
    return code;
  }

  void FillPart(std::uint64_t position, std::size_t code, std::span<float> part) const {
    const std::uint64_t embed = file_.embed();
    const auto token = file_.token_embeddings().subspan(code * embed, embed);
    for (std::uint64_t i = 0; i < embed; ++i) {
      part[i] =
          file_.position_embeddings().empty() ? token[i] : token[i] + file_.position_embeddings()[position * embed + i];
    }
  }

  std::vector<double> Lengths() const {
    std::vector<double> squares(positions_ * tokens_);
    std::vector<float> part(file_.embed());
    for (std::uint64_t position = 0; position < positions_; ++position) {
      for (std::size_t code = 0; code < tokens_; ++code) {
        FillPart(position, code, part);
        squares[position * tokens_ + code] = std::pow(NormOf(part), 2);
      }
    }
    std::vector<double> lengths;
    for (std::uint64_t row = 0; row < file_.rows().size(); ++row) {
      double square = 0;
      for (std::uint64_t position = 0; position < positions_; ++position) {
        square += squares[position * tokens_ + CodeAt(row, position)];
      }
      lengths.push_back(std::sqrt(square));
    }
    return lengths;
  }

  std::vector<double> Mean() const {
    std::vector<std::uint64_t> counts(positions_ * tokens_);
    for (std::uint64_t row = 0; row < file_.rows().size(); ++row) {
      for (std::uint64_t position = 0; position < positions_; ++position) {
        ++counts[position * tokens_ + CodeAt(row, position)];
      }
    }
    const std::uint64_t embed = file_.embed();
    const auto rows = static_cast<double>(file_.rows().size());
    std::vector<double> mean(positions_ * embed);
    std::vector<float> part(embed);
    for (std::uint64_t position = 0; position < positions_; ++position) {
      for (std::size_t code = 0; code < tokens_; ++code) {
        const auto count = static_cast<double>(counts[position * tokens_ + code]);
        if (count == 0) continue;
        FillPart(position, code, part);
        for (std::uint64_t i = 0; i < embed; ++i) mean[position * embed + i] += count / rows * part[i];
      }
    }
    return mean;
  }

  const CodeFile& file_;
  std::span<const Code> codes_;
  std::uint64_t positions_;
  std::size_t tokens_;
};

}  // namespace

SiteStatisticsRow FindStatistics(const RowSource& source, std::span<const double> mean, int threads,
                                 const std::function<void(std::uint64_t)>& done) {
  const std::uint64_t dimension = source.dimension();
  const RowRange rows{0, source.row_count()};
  SiteStatisticsRow statistics;
  const std::vector<RowNumber> sampled = SampleOf(rows.size(), dimension);
  std::vector<float> sample(sampled.size() * dimension);
  const std::size_t together = std::max<std::size_t>(kForgottenBytes / (source.row_bytes() + kBroughtInAround), 1);
  for (std::size_t i = 0; i < sampled.size(); ++i) {
    source.Read(sampled[i], std::span(sample).subspan(i * dimension, dimension));
    if (i % together == 0) source.Forget(rows);
  }
  source.Forget(rows);
  DescribePairs(sample, dimension, mean, statistics);

  const std::size_t asked = std::min(kAsked, sampled.size());
  const std::uint64_t piece = std::max<std::uint64_t>(kPieceBytes / (dimension * sizeof(float)), 4);
  const int workers = UsefulThreads(rows, piece, threads);
  std::vector<NearestRows> nearest(static_cast<std::size_t>(workers),
                                   NearestRows(std::span(sampled).first(asked), sample, dimension));
  std::vector<double> lengths(rows.size());
  std::mutex mutex;
  ForEachPiece(rows, piece, workers, [&](int worker, RowRange range) {
    std::vector<float> numbers(range.size() * dimension);
    source.Read(range, numbers);
    for (std::uint64_t row = 0; row < range.size(); ++row) {
      lengths[range.begin + row] = NormOf(std::span(numbers).subspan(row * dimension, dimension));
    }
    nearest[static_cast<std::size_t>(worker)].LookAt(range, numbers);
    source.Forget(range);
    if (!done) return;
    const std::lock_guard lock(mutex);
    done(range.size());
  });
  DescribeLengths(std::move(lengths), statistics);

  for (std::size_t worker = 1; worker < nearest.size(); ++worker) nearest[0].Include(nearest[worker]);
  std::vector<double> first;
  std::vector<double> tenth;
  std::vector<float> row(dimension);
  for (std::size_t query = 0; query < asked; ++query) {
    // They were found in float32.
    std::vector<double> distances;
    for (const RowNumber number : nearest[0].Of(query)) {
      source.Read(number, row);
      distances.push_back(Distance(row, std::span(sample).subspan(query * dimension, dimension)));
    }
    std::ranges::sort(distances);
    if (!distances.empty()) first.push_back(distances.front());
    if (distances.size() == kNearest) tenth.push_back(distances.back());
  }
  source.Forget(rows);
  AddQuantiles(kNearestPairs, std::move(first), statistics);
  AddQuantiles(kTenthPairs, std::move(tenth), statistics);
  std::ranges::sort(statistics.distances, {},
                    [](const SiteDistanceRow& found) { return std::pair(found.pairs, found.quantile); });
  return statistics;
}

SiteStatisticsRow FindStatistics(const CodeFile& file) {
  if (file.code_bytes() == 1) return CodedRowsStatistics<std::uint8_t>(file).Find();
  if (file.code_bytes() == 2) return CodedRowsStatistics<std::uint16_t>(file).Find();
  return CodedRowsStatistics<std::uint32_t>(file).Find();
}

}  // namespace actkin
