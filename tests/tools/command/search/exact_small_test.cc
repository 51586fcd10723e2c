// golden/small: a thousand real prompts on every site, against a scan in double precision.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>

#include "query/reader/index_reader.h"
#include "storage/machine/row_workers.h"
#include "tests/shared_data.h"
#include "tests/temporary_folder.h"
#include "tests/tools/command/golden_index.h"

namespace actkin {
namespace {

constexpr std::size_t kPrompts = 1000;
constexpr std::uint64_t kNeighbors = 10;

// A site's rows column after column, so that the sums over rows go side by side.
struct Columns {
  std::vector<double> numbers;  // dimension x rows
  std::vector<double> norms;    // rows
  std::uint64_t rows = 0;
};

Columns ReadColumns(const SiteIndex& index) {
  Columns columns{std::vector<double>(index.dimension() * index.row_count()), std::vector<double>(index.row_count()),
                  index.row_count()};
  for (std::uint64_t row = 0; row < columns.rows; ++row) {
    const std::vector<float> vector = index.Vector(static_cast<RowNumber>(row));
    double square = 0;
    for (std::size_t i = 0; i < vector.size(); ++i) {
      columns.numbers[i * columns.rows + row] = vector[i];
      square += static_cast<double>(vector[i]) * vector[i];
    }
    columns.norms[row] = std::sqrt(square);
  }
  return columns;
}

// The best distances of some queries, best first: queries x kNeighbors. Sums go over the columns block by block, so
// that what a block holds is read from memory once for all queries.
std::vector<double> BestDistances(const Columns& columns, Metric metric, std::span<const float> queries) {
  const std::size_t dimension = columns.numbers.size() / columns.rows;
  const std::size_t count = queries.size() / dimension;
  std::vector<double> all_sums(count * columns.rows);
  constexpr std::uint64_t kBlock = 1024;
  for (std::uint64_t begin = 0; begin < columns.rows; begin += kBlock) {
    const std::uint64_t end = std::min(begin + kBlock, columns.rows);
    for (std::size_t i = 0; i < dimension; ++i) {
      const double* column = columns.numbers.data() + i * columns.rows;
      for (std::size_t query = 0; query < count; ++query) {
        double* sums = all_sums.data() + query * columns.rows;
        const double q = queries[query * dimension + i];
        if (metric == Metric::kL2) {
          for (std::uint64_t row = begin; row < end; ++row) sums[row] += (column[row] - q) * (column[row] - q);
        } else {
          for (std::uint64_t row = begin; row < end; ++row) sums[row] -= column[row] * q;
        }
      }
    }
  }
  std::vector<double> best;
  for (std::size_t query = 0; query < count; ++query) {
    const std::span<double> sums = std::span(all_sums).subspan(query * columns.rows, columns.rows);
    double norm = 0;
    for (const float q : queries.subspan(query * dimension, dimension)) norm += static_cast<double>(q) * q;
    for (std::uint64_t row = 0; row < columns.rows; ++row) {
      sums[row] = metric == Metric::kL2 ? std::sqrt(sums[row]) : sums[row] / (columns.norms[row] * std::sqrt(norm));
    }
    std::ranges::partial_sort(sums, sums.begin() + kNeighbors);
    for (const double distance : sums.first(kNeighbors)) best.push_back(metric == Metric::kL2 ? distance : -distance);
  }
  return best;
}

void ExpectScanAnswers(const SiteIndex& index, const std::string& what) {
  const std::size_t dimension = index.dimension();
  const Columns columns = ReadColumns(index);
  std::mt19937 generator(4);
  std::vector<float> queries;
  for (std::size_t i = 0; i < kPrompts; ++i) {
    const std::vector<float> vector = index.Vector(static_cast<RowNumber>(generator() % index.row_count()));
    queries.insert(queries.end(), vector.begin(), vector.end());
  }
  for (const Metric metric : {Metric::kL2, Metric::kCosine}) {
    // Half of the prompts by each metric.
    const std::size_t first = metric == Metric::kL2 ? 0 : kPrompts / 2;
    const auto asked = std::span(queries).subspan(first * dimension, kPrompts / 2 * dimension);
    SearchRequest request;
    request.metric = metric;
    request.k = kNeighbors;
    request.threads = 2;
    const auto answers = index.Search(asked, request);
    ForEachPiece({0, kPrompts / 2}, 10, 2, [&](int, RowRange piece) {
      const std::vector<double> expected =
          BestDistances(columns, metric, asked.subspan(piece.begin * dimension, piece.size() * dimension));
      for (std::uint64_t prompt = piece.begin; prompt < piece.end; ++prompt) {
        for (std::uint64_t rank = 0; rank < kNeighbors; ++rank) {
          EXPECT_NEAR(answers[prompt][rank].distance, expected[(prompt - piece.begin) * kNeighbors + rank], 1e-9)
              << what << " " << Name(metric);
        }
      }
    });
  }
}

TEST(ExactSmallTest, AThousandPromptsOnEverySiteGetTheScansAnswer) {
  ACTKIN_NEEDS_SHARED_DATA("golden/small");
  const TemporaryFolder folder;
  CopyGoldenIndex(folder / "small.actkin");
  IndexReader reader{IndexDirectory(folder / "small.actkin")};
  int sites = 0;
  for (const SiteRow& row : reader.catalog().Sites()) {
    if (row.site.t_i != 9) continue;
    ExpectScanAnswers(*reader.OpenIndex(row.site), Describe(row.site));
    ++sites;
  }
  EXPECT_EQ(sites, 7);
}

}  // namespace
}  // namespace actkin
