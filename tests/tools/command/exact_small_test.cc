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
#include "tests/tools/command/run_command.h"

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

// The best distances, best first.
std::vector<double> BestDistances(const Columns& columns, Metric metric, std::span<const float> query) {
  std::vector<double> sums(columns.rows);
  constexpr std::uint64_t kBlock = 4096;
  for (std::uint64_t begin = 0; begin < columns.rows; begin += kBlock) {
    const std::uint64_t end = std::min(begin + kBlock, columns.rows);
    for (std::size_t i = 0; i < query.size(); ++i) {
      const double* column = columns.numbers.data() + i * columns.rows;
      const double q = query[i];
      if (metric == Metric::kL2) {
        for (std::uint64_t row = begin; row < end; ++row) sums[row] += (column[row] - q) * (column[row] - q);
      } else {
        for (std::uint64_t row = begin; row < end; ++row) sums[row] -= column[row] * q;
      }
    }
  }
  double norm = 0;
  for (const float q : query) norm += static_cast<double>(q) * q;
  for (std::uint64_t row = 0; row < columns.rows; ++row) {
    sums[row] = metric == Metric::kL2 ? std::sqrt(sums[row]) : sums[row] / (columns.norms[row] * std::sqrt(norm));
  }
  std::partial_sort(sums.begin(), sums.begin() + kNeighbors, sums.end());
  sums.resize(kNeighbors);
  if (metric == Metric::kCosine) std::ranges::transform(sums, sums.begin(), std::negate());
  return sums;
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
    ForEachPiece({0, kPrompts / 2}, 1, 2, [&](int, RowRange piece) {
      const std::vector<double> expected =
          BestDistances(columns, metric, asked.subspan(piece.begin * dimension, dimension));
      for (std::uint64_t rank = 0; rank < kNeighbors; ++rank) {
        EXPECT_NEAR(answers[piece.begin][rank].distance, expected[rank], 1e-9) << what << " " << Name(metric);
      }
    });
  }
}

TEST(ExactSmallTest, AThousandPromptsOnEverySiteGetTheScansAnswer) {
  ACTKIN_NEEDS_SHARED_DATA("golden/small");
  const TemporaryFolder folder;
  const CommandResult built = RunCommand({"build", SharedData("golden/small/corpus.txt"), "--model",
                                          SharedData("golden/small/model.pt"), "--out", folder / "small.actkin"});
  ASSERT_EQ(built.status, 0) << built.err;
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
