// Exact search over rows that are kept nowhere: sketches of what a build saw, and rows that come out a little otherwise
// when they are computed again.
#include <gmock/gmock.h>

#include <cmath>
#include <mutex>
#include <random>
#include <set>
#include <vector>

#include "indexer/sketches/sketch_encoder.h"
#include "query/exact/recomputed_row.h"
#include "query/exact/vector_scan.h"
#include "tests/error_matchers.h"
#include "tests/query/exact/made_site.h"
#include "tests/query/exact/plain_row_algebra.h"

namespace actkin {
namespace {

constexpr std::size_t kDimension = 96;
constexpr std::size_t kRows = 5000;

// Rows, and those that the sketches are made of: each as far from it as it may be, in opposite directions by turns, so
// that their mean is the same.
class ComputedRowsTest : public testing::Test {
 protected:
  void SetUp() override {
    std::mt19937 generator(9);
    std::normal_distribution<float> normal;
    for (std::size_t i = 0; i < kRows * kDimension; ++i) {
      values_.push_back(3 + normal(generator) * std::pow(0.9F, static_cast<float>(i % kDimension)));
    }
    // A few are longer than the ball that sketches tell apart.
    for (std::size_t i = 0; i < 4 * kDimension; ++i) values_[i] *= 40;
    std::vector<float> seen = values_;
    for (std::size_t row = 0; row + 1 < kRows; row += 2) {
      double length = 0;
      for (std::size_t i = 0; i < kDimension; ++i) {
        length +=
            std::min(std::pow(values_[row * kDimension + i], 2), std::pow(values_[(row + 1) * kDimension + i], 2));
      }
      std::vector<double> direction(kDimension);
      double norm = 0;
      for (double& number : direction) {
        number = normal(generator);
        norm += number * number;
      }
      for (std::size_t i = 0; i < kDimension; ++i) {
        const auto moved = static_cast<float>(direction[i] * std::sqrt(length / norm) * 0.98 * kComputedTolerance);
        seen[row * kDimension + i] += moved;
        seen[(row + 1) * kDimension + i] -= moved;
      }
    }
    for (const std::size_t row : {77U, 3U}) {
      queries_.insert(queries_.end(), values_.begin() + static_cast<std::ptrdiff_t>(row * kDimension),
                      values_.begin() + static_cast<std::ptrdiff_t>((row + 1) * kDimension));
    }
    for (std::size_t i = 0; i < kDimension; ++i) queries_.push_back(3 + normal(generator));
    std::vector<VectorFile> files;
    files.emplace_back(WriteRows(folder_, Element::kFloat32, kDimension, 0, seen));
    WriteSketches(folder_ / "sketches", RowSource(std::move(files)), PlainRowAlgebra(), 2, [](std::uint64_t) {});
    const auto compute = [this](std::span<const RowNumber> rows, std::span<float> out) {
      for (std::size_t i = 0; i < rows.size(); ++i) {
        std::copy_n(values_.begin() + static_cast<std::ptrdiff_t>(rows[i] * kDimension), kDimension,
                    out.begin() + static_cast<std::ptrdiff_t>(i * kDimension));
      }
      const std::lock_guard lock(mutex_);
      computed_.insert(rows.begin(), rows.end());
    };
    index_ = std::make_unique<ExactIndex>(RowSource(kRows, kDimension, "rows of a test", compute),
                                          SketchFile(folder_ / "sketches"), MakeRowOrder(folder_, ordinals_));
  }

  TemporaryFolder folder_;
  std::vector<float> values_;
  std::vector<float> queries_;
  std::vector<StringOrdinal> ordinals_ = ShuffledOrdinals(kRows);
  std::mutex mutex_;
  std::set<RowNumber> computed_;
  std::unique_ptr<ExactIndex> index_;
};

TEST_F(ComputedRowsTest, AnswersAreBruteForceOverTheComputedRows) {
  for (const Metric metric : kMetrics) {
    Band band{0.95, 0.994};
    if (metric == Metric::kL2) band = {2, 3.2};
    if (metric == Metric::kDot) band = {840, 900};
    if (metric == Metric::kCenteredCosine) band = {0.1, 0.4};
    for (const Order order : {Order::kNearest, Order::kFarthest}) {
      for (const std::optional<std::uint64_t> k : {std::optional<std::uint64_t>(1), std::optional<std::uint64_t>(10),
                                                   std::optional<std::uint64_t>(300), std::optional<std::uint64_t>()}) {
        for (const int part : {0, 1, 2, 3}) {
          SearchRequest request{.metric = metric, .order = order, .k = k, .threads = 1 + part % 3};
          if (part == 1) request.within = band;
          if (part == 2) request.rows = RowRange{700, 4100};
          if (part == 3) {
            request.among = std::make_shared<const RowSet>(RowSet::OfRanges(kRows, {{0, 50}, {60, 400}, {2000, 4999}}));
          }
          const auto answers = index_->Search(queries_, request);
          for (std::size_t query = 0; query < answers.size(); ++query) {
            ASSERT_TRUE(ExpectRightAnswer(
                answers[query], values_, ordinals_, std::span(queries_).subspan(query * kDimension, kDimension),
                request, metric == Metric::kCenteredCosine ? 1e-6 : 1e-12,
                fmt::format("{} {} k {} part {} query {}", Name(metric), Name(order), k.value_or(0), part, query)));
          }
        }
      }
    }
  }
}

TEST_F(ComputedRowsTest, FewRowsAreComputed) {
  SearchCost cost;
  SearchRequest request{.k = 10, .cost = &cost};
  index_->Search(std::span(queries_).first(kDimension), request);
  EXPECT_LT(computed_.size(), 200U);
  EXPECT_GE(cost.rows_read, computed_.size());
}

TEST_F(ComputedRowsTest, ARowIsWhatIsComputed) {
  EXPECT_THAT(index_->Vector(77), testing::ElementsAreArray(queries_.begin(), queries_.begin() + kDimension));
}

// Lengths alone do not tell it: a row that is turned around the mean's direction keeps them.
TEST_F(ComputedRowsTest, ARowThatComesOutOtherwiseIsFound) {
  const SketchFile file(folder_ / "sketches");
  const auto refused = [&](RowNumber row, const std::vector<float>& numbers) {
    return ErrorOf([&] { RequireRowOfSketches(file, row, numbers, kComputedTolerance, "rows of a test"); });
  };
  double mean_square = 0;
  for (const double number : file.mean()) mean_square += number * number;
  for (RowNumber row = 0; row < kRows; ++row) {
    const auto begin = values_.begin() + static_cast<std::ptrdiff_t>(row * kDimension);
    const std::vector<float> numbers(begin, begin + kDimension);
    ASSERT_NO_THROW(RequireRowOfSketches(file, row, numbers, kComputedTolerance, "rows of a test")) << row;
    if (row % 100 != 7) continue;
    std::vector<float> longer = numbers;
    for (float& number : longer) number *= 1.001F;
    EXPECT_THAT(refused(row, longer), OneLineWith("rows of a test", fmt::format("row {} ", row)));
    double along = 0;
    for (std::size_t i = 0; i < kDimension; ++i) along += numbers[i] * file.mean()[i];
    std::vector<float> turned = numbers;
    for (std::size_t i = 0; i < kDimension; ++i) {
      turned[i] = static_cast<float>(2 * along / mean_square * file.mean()[i] - numbers[i]);
    }
    EXPECT_THAT(refused(row, turned), OneLineWith("rows of a test", fmt::format("row {} ", row)));
  }
}

TEST_F(ComputedRowsTest, APassOverAllRowsIsRefused) {
  EXPECT_THAT(ErrorOf([&] { index_->NewScan(queries_, Metric::kL2, 1); }), OneLineWith("rows of a test", "not kept"));
}

}  // namespace
}  // namespace actkin
