#include "tests/query/exact/made_site.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <random>

#include "indexer/sketches/sketch_encoder.h"
#include "schema/error.h"
#include "storage/formats/section_file.h"
#include "storage/machine/float16.h"
#include "tests/query/exact/plain_row_algebra.h"

namespace actkin {
namespace {

constexpr std::size_t kDimension = 19;

float ToFloat16(float value) {
  std::uint16_t bits = 0;
  EncodeFloat16(&value, 1, &bits);
  DecodeFloat16(&bits, 1, &value);
  return value;
}

// number(row, i) gives the rows; the queries are two rows, one near a row, one far from all, and zero.
MadeRows Make(const std::string& name, std::size_t row_count, bool whole_numbers,
              const std::function<float(std::size_t, std::size_t)>& number) {
  MadeRows rows{name, kDimension, {}, {}, whole_numbers};
  for (std::size_t row = 0; row < row_count; ++row) {
    for (std::size_t i = 0; i < kDimension; ++i) rows.values.push_back(ToFloat16(number(row, i)));
  }
  const auto row_number = [&](std::size_t row, std::size_t i) { return rows.values[row * kDimension + i]; };
  const float step = whole_numbers ? 1.0F : row_number(0, 0) / 64;
  for (std::size_t i = 0; i < kDimension; ++i) rows.queries.push_back(row_number(0, i));
  for (std::size_t i = 0; i < kDimension; ++i) rows.queries.push_back(row_number(row_count / 2, i));
  for (std::size_t i = 0; i < kDimension; ++i)
    rows.queries.push_back(row_number(row_count - 1, i) + (i % 3 == 0 ? step : 0));
  for (std::size_t i = 0; i < kDimension; ++i) rows.queries.push_back(i % 2 == 0 ? 5 : -3);
  rows.queries.resize(5 * kDimension, 0.0F);
  return rows;
}

// mean: taken from both; empty where nothing is.
double BruteDistance(Metric metric, std::span<const float> row, std::span<const float> query,
                     std::span<const double> mean) {
  double dot = 0;
  if (metric == Metric::kDot) {
    for (std::size_t i = 0; i < row.size(); ++i) dot += static_cast<double>(row[i]) * query[i];
    return dot;
  }
  if (metric == Metric::kL2) {
    double squares = 0;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const double difference = static_cast<double>(row[i]) - query[i];
      squares += difference * difference;
    }
    return std::sqrt(squares);
  }
  double row_norm = 0;
  double query_norm = 0;
  for (std::size_t i = 0; i < row.size(); ++i) {
    const double center = mean.empty() ? 0 : mean[i];
    const double x = row[i] - center;
    const double q = query[i] - center;
    dot += x * q;
    row_norm += x * x;
    query_norm += q * q;
  }
  return row_norm == 0 || query_norm == 0 ? 0 : std::clamp(dot / std::sqrt(row_norm * query_norm), -1.0, 1.0);
}

std::vector<double> MeanOf(std::span<const float> values, std::size_t dimension) {
  std::vector<double> mean(dimension);
  for (std::size_t begin = 0; begin < values.size(); begin += dimension) {
    for (std::size_t i = 0; i < dimension; ++i) mean[i] += values[begin + i];
  }
  for (double& number : mean) number /= static_cast<double>(values.size() / dimension);
  return mean;
}

// The rows that the request is about, whatever its k and band, by row.
std::vector<Match> EveryRow(std::span<const float> values, std::span<const StringOrdinal> ordinals,
                            std::span<const float> query, const SearchRequest& request) {
  std::vector<double> mean;
  if (request.metric == Metric::kCenteredCosine) mean = MeanOf(values, query.size());
  const RowRange rows = request.rows.value_or(RowRange{0, ordinals.size()});
  std::vector<Match> matches;
  matches.reserve(rows.size());
  for (std::uint64_t row = rows.begin; row < rows.end; ++row) {
    if (request.among && !request.among->Contains(static_cast<RowNumber>(row))) continue;
    const std::span<const float> numbers = values.subspan(row * query.size(), query.size());
    matches.push_back(
        {static_cast<RowNumber>(row), ordinals[row], BruteDistance(request.metric, numbers, query, mean)});
  }
  return matches;
}

bool InBand(const SearchRequest& request, double distance, double margin) {
  if (!request.within) return true;
  return distance >= request.within->low - margin && distance <= request.within->high + margin;
}

}  // namespace

std::vector<MadeRows> HardRows() {
  std::mt19937 generator(5);
  std::normal_distribution<float> normal;
  std::uniform_int_distribution<int> small(-2, 2);
  std::vector<MadeRows> sets;
  const auto add = [&](const char* name, std::size_t count, bool whole, const auto& number) {
    sets.push_back(Make(name, count, whole, number));
  };
  add("noise", 700, false, [&](std::size_t, std::size_t) { return normal(generator); });
  add("small whole numbers", 900, true, [&](std::size_t, std::size_t) { return static_cast<float>(small(generator)); });
  add("each row eight times", 800, true,
      [](std::size_t row, std::size_t i) { return static_cast<float>((row / 8 * 31 + i * i) % 23) - 11; });
  add("all rows equal", 9000, true, [](std::size_t, std::size_t i) { return static_cast<float>(i) - 4; });
  add("zero rows among others", 600, true,
      [&](std::size_t row, std::size_t) { return row % 3 == 0 ? 0.0F : static_cast<float>(small(generator)); });
  add("all rows zero", 300, true, [](std::size_t, std::size_t) { return 0.0F; });
  add("one huge dimension", 700, false,
      [&](std::size_t, std::size_t i) { return normal(generator) * (i == 11 ? 10000.0F : 0.01F); });
  add("tiny numbers", 500, false, [&](std::size_t, std::size_t) { return normal(generator) * 3e-6F; });
  // Distances to the far query differ by less than float32 sums can tell.
  add("nearly equal rows", 6000, false, [](std::size_t row, std::size_t i) {
    return i == row % kDimension ? 1024.0F + static_cast<float>(row % 2) : 1024.0F;
  });
  add("ever nearer to the first query", 6000, true,
      [](std::size_t row, std::size_t i) { return i == 0 ? static_cast<float>(6000 - row) / 4 : 1.0F; });
  add("one row", 1, true, [](std::size_t, std::size_t i) { return static_cast<float>(i); });
  return sets;
}

std::vector<StringOrdinal> ShuffledOrdinals(std::size_t count, unsigned seed) {
  std::vector<StringOrdinal> ordinals(count);
  std::iota(ordinals.begin(), ordinals.end(), StringOrdinal{0});
  std::ranges::shuffle(ordinals, std::mt19937(seed));
  return ordinals;
}

std::shared_ptr<const RowOrderFile> MakeRowOrder(const TemporaryFolder& folder,
                                                 std::span<const StringOrdinal> ordinals) {
  WriteRowOrderFile(folder / "order", 4, ordinals);
  return std::make_shared<const RowOrderFile>(folder / "order");
}

std::filesystem::path WriteRows(const TemporaryFolder& folder, Element element, std::size_t dimension, RowNumber first,
                                std::span<const float> values) {
  const std::uint64_t end = first + values.size() / dimension;
  const std::filesystem::path path = folder / fmt::format("{}-{}-{}", Name(element), first, end);
  VectorFileWriter writer(path, element, dimension, {first, end});
  writer.AddChecksum(writer.WriteRows(first, values));
  writer.Finish();
  return path;
}

std::filesystem::path WriteAnyRows(const TemporaryFolder& folder, std::size_t dimension,
                                   std::span<const float> values) {
  const std::filesystem::path path = folder / "any";
  WriteSectionFile(path, FileKind::kVectors,
                   {static_cast<std::uint64_t>(Element::kFloat32), dimension, 0, values.size() / dimension, 0, 0, 0, 0},
                   {{}, std::as_bytes(values)});
  return path;
}

std::vector<float> AsStored(Element element, std::size_t dimension, std::span<const float> values) {
  const TemporaryFolder folder;
  const VectorFile file(WriteRows(folder, element, dimension, 0, values));
  std::vector<float> stored(values.size());
  file.ReadRows(file.rows(), stored);
  return stored;
}

std::unique_ptr<ExactIndex> MakeExactIndex(const TemporaryFolder& folder, Element element, std::size_t dimension,
                                           std::span<const float> values, std::span<const StringOrdinal> ordinals,
                                           const std::vector<RowNumber>& splits, Made made) {
  std::vector<VectorFile> files;
  RowNumber first = 0;
  const auto write_to = [&](RowNumber end) {
    files.emplace_back(
        WriteRows(folder, element, dimension, first, values.subspan(first * dimension, (end - first) * dimension)));
    first = end;
  };
  for (const RowNumber split : splits) write_to(split);
  write_to(static_cast<RowNumber>(values.size() / dimension));
  RowSource rows(std::move(files));
  std::optional<SketchFile> sketches;
  if (made == Made::kWithSketches) {
    WriteSketches(folder / "sketches", rows, PlainRowAlgebra(), 2, [](std::uint64_t) {});
    sketches.emplace(folder / "sketches");
    sketches->Verify();
  }
  return std::make_unique<ExactIndex>(std::move(rows), std::move(sketches), MakeRowOrder(folder, ordinals));
}

std::vector<Match> BruteForce(std::span<const float> values, std::span<const StringOrdinal> ordinals,
                              std::span<const float> query, const SearchRequest& request) {
  std::vector<Match> matches = EveryRow(values, ordinals, query, request);
  std::erase_if(matches, [&](const Match& match) { return !InBand(request, match.distance, 0); });
  const bool smaller_first = (request.metric == Metric::kL2) == (request.order == Order::kNearest);
  const auto end = matches.begin() + static_cast<std::ptrdiff_t>(
                                         std::min<std::size_t>(request.k.value_or(matches.size()), matches.size()));
  std::ranges::partial_sort(matches, end, [=](const Match& a, const Match& b) {
    if (a.distance != b.distance) return smaller_first ? a.distance < b.distance : a.distance > b.distance;
    return a.number < b.number;
  });
  matches.erase(end, matches.end());
  return matches;
}

bool ExpectRightAnswer(const std::vector<Match>& found, std::span<const float> values,
                       std::span<const StringOrdinal> ordinals, std::span<const float> query,
                       const SearchRequest& request, double tolerance, const std::string& what) {
  if (tolerance == 0 && request.metric == Metric::kCenteredCosine) tolerance = 1e-12;
  std::string wrong;
  // line: made where it is needed, which is most of what this would take.
  const auto check = [&](bool right, const auto& line) {
    if (!right && wrong.empty()) wrong = line();
  };
  const bool smaller_first = (request.metric == Metric::kL2) == (request.order == Order::kNearest);
  if (tolerance == 0) {
    const std::vector<Match> expected = BruteForce(values, ordinals, query, request);
    check(found.size() == expected.size(),
          [&] { return fmt::format("{} rows, expected {}", found.size(), expected.size()); });
    for (std::size_t i = 0; i < std::min(found.size(), expected.size()); ++i) {
      check(found[i].row == expected[i].row && found[i].number == expected[i].number &&
                found[i].distance == expected[i].distance,
            [&] {
              return fmt::format("rank {}: row {} at {}, expected row {} at {}", i, found[i].row, found[i].distance,
                                 expected[i].row, expected[i].distance);
            });
    }
  } else {
    // Every row by brute force, without k and band: what was found and what was left out must both fit.
    const std::vector<Match> by_row = EveryRow(values, ordinals, query, request);
    std::vector<bool> seen(by_row.size());
    double largest_product = 0;
    for (std::size_t row = 0; request.metric == Metric::kDot && row < ordinals.size(); ++row) {
      const std::span<const float> numbers = values.subspan(row * query.size(), query.size());
      largest_product = std::max(largest_product, BruteDistance(Metric::kDot, numbers, numbers, {}));
    }
    largest_product = std::sqrt(largest_product * BruteDistance(Metric::kDot, query, query, {}));
    const auto margin = [&](double distance) {
      if (request.metric == Metric::kDot) return tolerance * largest_product;
      return request.metric == Metric::kL2 ? tolerance * std::abs(distance) : tolerance;
    };
    for (std::size_t i = 0; i < found.size(); ++i) {
      const auto place = std::ranges::lower_bound(by_row, found[i].row, {}, &Match::row);
      const bool known = place != by_row.end() && place->row == found[i].row;
      check(known, [&] { return fmt::format("rank {}: row {} was not asked for", i, found[i].row); });
      if (!known) break;
      const Match& match = *place;
      const auto number = static_cast<std::size_t>(place - by_row.begin());
      check(!seen[number], [&] { return fmt::format("rank {}: row {} comes twice", i, found[i].row); });
      seen[number] = true;
      check(found[i].number == match.number, [&] { return fmt::format("rank {}: wrong number", i); });
      check(std::abs(found[i].distance - match.distance) <= margin(match.distance),
            [&] { return fmt::format("row {} at {}, expected {}", match.row, found[i].distance, match.distance); });
      check(InBand(request, found[i].distance, 0),
            [&] { return fmt::format("row {} lies outside the band", match.row); });
      if (i > 0) {
        const Match& before = found[i - 1];
        check(before.distance == found[i].distance ? before.number < found[i].number
                                                   : (before.distance < found[i].distance) == smaller_first,
              [&] { return fmt::format("ranks {} and {} are in the wrong order", i - 1, i); });
      }
    }
    const bool full = request.k && found.size() == *request.k;
    check(!request.k || found.size() <= *request.k,
          [&] { return fmt::format("{} rows are more than k", found.size()); });
    for (std::size_t i = 0; i < by_row.size() && wrong.empty(); ++i) {
      if (seen[i] || !InBand(request, by_row[i].distance, -margin(by_row[i].distance))) continue;
      check(full, [&] { return fmt::format("row {} at {} is missing", by_row[i].row, by_row[i].distance); });
      if (!full || found.empty()) continue;
      const double better_by = (found.back().distance - by_row[i].distance) * (smaller_first ? 1 : -1);
      check(better_by <= margin(by_row[i].distance), [&] {
        return fmt::format("row {} at {} is better than the last, at {}", by_row[i].row, by_row[i].distance,
                           found.back().distance);
      });
    }
  }
  if (!wrong.empty()) ADD_FAILURE() << what << ": " << wrong;
  return wrong.empty();
}

}  // namespace actkin
