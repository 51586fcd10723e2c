#include "query/exact/exact_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "query/kernels/row_kernels.h"
#include "tests/error_matchers.h"
#include "tests/query/exact/made_site.h"
#include "tests/temporary_folder.h"

namespace actkin {
namespace {

// float32 rows whose squared distances leave float32's range, above and below.
TEST(ExactIndexTest, OverflowAndUnderflowOfTheScanDoNotChangeTheAnswer) {
  for (const float scale : {1e30F, 3e37F, 1e-22F, 1e-38F, 1e-44F}) {
    const TemporaryFolder folder;
    std::mt19937 generator(3);
    std::normal_distribution<float> normal;
    std::vector<float> values(500 * 12);
    for (float& value : values) value = normal(generator) * scale;
    const std::vector<float> query(values.begin() + 120, values.begin() + 132);
    const std::vector<StringOrdinal> ordinals = ShuffledOrdinals(500);
    const auto index = MakeExactIndex(folder, Element::kFloat32, 12, values, ordinals);
    for (const Metric metric : kMetrics) {
      for (const Order order : {Order::kNearest, Order::kFarthest}) {
        const SearchRequest request{.metric = metric, .order = order, .k = 7, .threads = 2};
        ExpectRightAnswer(index->Search(query, request)[0], values, ordinals, query, request, 1e-13,
                          fmt::format("scale {} {} {}", scale, Name(metric), Name(order)));
      }
    }
  }
}

// To the last bit, whatever the instructions and however many threads.
TEST(ExactIndexTest, TheAnswerDoesNotDependOnProcessorOrThreads) {
  const TemporaryFolder folder;
  std::mt19937 generator(4);
  std::normal_distribution<float> normal;
  std::vector<float> values(3000 * 37);
  for (float& value : values) value = normal(generator);
  const std::vector<float> queries(values.begin(), values.begin() + 6 * 37);
  const auto index = MakeExactIndex(folder, Element::kFloat32, 37, values, ShuffledOrdinals(3000));
  for (const Metric metric : kMetrics) {
    SearchRequest request{.metric = metric, .k = 20};
    const auto expected = index->Search(queries, request);
    for (const std::int64_t target : KernelTargets()) {
      UseKernelTarget(target);
      for (request.threads = 1; request.threads <= 3; ++request.threads) {
        const auto answers = index->Search(queries, request);
        for (std::size_t query = 0; query < answers.size(); ++query) {
          ASSERT_EQ(answers[query].size(), expected[query].size());
          for (std::size_t i = 0; i < answers[query].size(); ++i) {
            EXPECT_EQ(answers[query][i].row, expected[query][i].row);
            EXPECT_EQ(answers[query][i].distance, expected[query][i].distance);
          }
        }
      }
      UseKernelTarget(0);
    }
  }
}

TEST(ExactIndexTest, ARowIsAtZeroOrOneFromItself) {
  const TemporaryFolder folder;
  std::mt19937 generator(6);
  std::normal_distribution<float> normal;
  std::vector<float> values(50 * 23);
  for (float& value : values) value = normal(generator);
  const auto index = MakeExactIndex(folder, Element::kFloat32, 23, values, ShuffledOrdinals(50));
  for (RowNumber row = 0; row < 50; ++row) {
    const std::vector<float> query = index->Vector(row);
    EXPECT_EQ(index->Search(query, {.k = 1})[0][0].distance, 0.0);
    EXPECT_EQ(index->Search(query, {.metric = Metric::kCosine, .k = 1})[0][0].distance, 1.0);
    EXPECT_EQ(index->Search(query, {.k = 1})[0][0].row, row);
    EXPECT_EQ(index->Search(query, {.metric = Metric::kCenteredCosine, .k = 1})[0][0].distance, 1.0);
  }
}

// Rows that come with their opposites have a mean of zero: centering changes no bit.
TEST(ExactIndexTest, TheMeanIsThatOfAllRows) {
  const TemporaryFolder folder;
  std::mt19937 generator(8);
  std::normal_distribution<float> normal;
  std::vector<float> values(4100 * 7);
  for (float& value : values) value = normal(generator);
  const std::size_t half = values.size();
  for (std::size_t i = 0; i < half; ++i) values.push_back(-values[i]);
  const std::vector<StringOrdinal> ordinals = ShuffledOrdinals(values.size() / 7);
  const auto index = MakeExactIndex(folder, Element::kFloat32, 7, values, ordinals, {4096}, Made::kWithSketches);
  const auto query = std::span(values).first(7);
  for (const Order order : {Order::kNearest, Order::kFarthest}) {
    const auto plain = index->Search(query, {.metric = Metric::kCosine, .order = order, .k = 50})[0];
    const auto centered = index->Search(query, {.metric = Metric::kCenteredCosine, .order = order, .k = 50})[0];
    for (std::size_t i = 0; i < 50; ++i) {
      EXPECT_EQ(plain[i].row, centered[i].row);
      EXPECT_NEAR(plain[i].distance, centered[i].distance, 1e-14);
    }
  }
  // Moved by whole numbers, rows and query are centered as they were.
  std::vector<float> moved;
  for (std::size_t i = 0; i < values.size(); ++i) moved.push_back(std::round(values[i] * 64) / 64 + 8);
  const TemporaryFolder other;
  const auto away = MakeExactIndex(other, Element::kFloat32, 7, moved, ordinals, {}, Made::kWithoutSketches);
  const SearchRequest request{.metric = Metric::kCenteredCosine, .k = 20};
  ExpectRightAnswer(away->Search(std::span(moved).first(7), request)[0], moved, ordinals, std::span(moved).first(7),
                    request, 1e-12, "moved");
  EXPECT_NEAR(away->Search(std::span(moved).first(7), request)[0][0].distance, 1, 1e-15);
}

TEST(ExactIndexTest, MergedRangesAreTheWholeAnswer) {
  const MadeRows rows = HardRows()[1];
  const TemporaryFolder folder;
  const std::vector<StringOrdinal> ordinals = ShuffledOrdinals(rows.row_count());
  const auto index = MakeExactIndex(folder, Element::kFloat32, rows.dimension, rows.values, ordinals);
  const auto query = std::span(rows.queries).first(rows.dimension);
  SearchRequest request{.k = 12};
  const std::vector<Match> whole = index->Search(query, request)[0];
  std::vector<Match> merged;
  for (std::uint64_t begin = 0; begin < rows.row_count(); begin += 300) {
    request.rows = RowRange{begin, begin + 300};
    const std::vector<Match> part = index->Search(query, request)[0];
    merged.insert(merged.end(), part.begin(), part.end());
  }
  std::ranges::sort(merged, [](const Match& a, const Match& b) {
    return a.distance != b.distance ? a.distance < b.distance : a.number < b.number;
  });
  for (std::size_t i = 0; i < whole.size(); ++i) EXPECT_EQ(whole[i].row, merged[i].row);
}

class BadRequestTest : public testing::Test {
 protected:
  std::string ErrorFor(const SearchRequest& request, std::vector<float> query = {1, 2, 3}) {
    return ErrorOf([&] { index_->Search(query, request); });
  }

  TemporaryFolder folder_;
  std::vector<float> values_ = std::vector<float>(30, 1.0F);
  std::unique_ptr<ExactIndex> index_ = MakeExactIndex(folder_, Element::kFloat32, 3, values_, ShuffledOrdinals(10));
};

TEST_F(BadRequestTest, IsRefusedInOneLineThatNamesTheValue) {
  constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(ErrorFor({.k = 11}), "k 11: the site has 10 rows; ask for at most that many");
  EXPECT_THAT(ErrorFor({.k = 0}), OneLineWith("k 0"));
  EXPECT_THAT(ErrorFor({.k = 4, .rows = RowRange{2, 5}}), OneLineWith("k 4", "2-5", "3 rows"));
  EXPECT_THAT(ErrorFor({.k = 1, .rows = RowRange{2, 11}}), OneLineWith("2-11", "10"));
  EXPECT_THAT(ErrorFor({.k = 1, .rows = RowRange{7, 5}}), OneLineWith("7-5"));
  EXPECT_THAT(ErrorFor({.k = 1, .parameters = "efSearch=64"}), OneLineWith("efSearch=64"));
  EXPECT_THAT(ErrorFor({.k = 1, .threads = 0}), OneLineWith("threads 0"));
  EXPECT_THAT(ErrorFor({.k = 1, .within = Band{3, 2}}), OneLineWith("3", "2", "LOW"));
  EXPECT_THAT(ErrorFor({.k = 1, .within = Band{.low = kNaN}}), OneLineWith("nan"));
  EXPECT_THAT(ErrorFor({.k = 1}, {1, kNaN, 3}), OneLineWith("nan"));
  EXPECT_THAT(ErrorFor({.k = 1}, {1, std::numeric_limits<float>::infinity(), 3}), OneLineWith("inf"));
  EXPECT_THAT(ErrorFor({.k = 1}, {1, 2}), OneLineWith("2 numbers", "3"));
  try {
    index_->Search(std::vector<float>{1, 2, 3}, {.k = 11});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::Kind::kUsage);
  }
}

TEST_F(BadRequestTest, NoQueriesGetNoAnswers) { EXPECT_TRUE(index_->Search({}, {.k = 1}).empty()); }

TEST(ExactIndexTest, FilesMustCoverTheRowsOfOneSite) {
  const TemporaryFolder folder;
  const std::vector<float> values(30, 1.0F);
  const auto order = MakeRowOrder(folder, ShuffledOrdinals(10));
  const auto rows = [&](RowNumber begin, RowNumber end) {
    return VectorFile(WriteRows(folder, Element::kFloat32, 3, begin, std::span(values).first((end - begin) * 3)));
  };
  const auto error = [&](auto... files) {
    return ErrorOf([&] {
      std::vector<VectorFile> all;
      (all.push_back(std::move(files)), ...);
      ExactIndex(RowSource(std::move(all)), std::nullopt, order);
    });
  };
  EXPECT_EQ(error(rows(4, 10), rows(0, 4)), "no error");
  EXPECT_THAT(error(rows(0, 4), rows(5, 10)), OneLineWith("float32-5-10", "row 5", "row 4"));
  EXPECT_THAT(error(rows(0, 6), rows(5, 10)), OneLineWith("float32-5-10", "overlap"));
  EXPECT_THAT(error(rows(0, 9)), OneLineWith("float32-0-9", "10"));
  EXPECT_THAT(error(rows(1, 10)), OneLineWith("float32-1-10"));
  EXPECT_THAT(error(rows(0, 4), VectorFile(WriteRows(folder, Element::kFloat32, 5, 4, values))),
              OneLineWith("float32-4-10", "dimension 5"));
  EXPECT_THAT(error(), OneLineWith("files"));
}

TEST(ExactIndexTest, DamagedRowsAndOrdersAreNamed) {
  const TemporaryFolder folder;
  std::vector<float> values(30, 1.0F);
  values[16] = std::numeric_limits<float>::quiet_NaN();
  const auto order = MakeRowOrder(folder, ShuffledOrdinals(10));
  const auto search = [](const std::filesystem::path& path, const auto& row_order, Metric metric) {
    return ErrorOf([&] {
      std::vector<VectorFile> files;
      files.emplace_back(path);
      ExactIndex(RowSource(std::move(files)), std::nullopt, row_order)
          .Search(std::vector<float>{1, 2, 3}, {.metric = metric, .k = 2});
    });
  };
  const std::filesystem::path damaged = WriteAnyRows(folder, 3, values);
  EXPECT_THAT(search(damaged, order, Metric::kL2), OneLineWith(damaged.string(), "row 5"));
  EXPECT_THAT(search(damaged, order, Metric::kCosine), OneLineWith(damaged.string(), "row 5"));

  values[16] = 1;
  const std::filesystem::path sound = WriteAnyRows(folder, 3, values);
  EXPECT_EQ(search(sound, order, Metric::kL2), "no error");
  std::vector<StringOrdinal> outside(10, 10);
  std::vector<StringOrdinal> inverse(10, 0);
  WriteSectionFile(folder / "bad", FileKind::kRowOrder, {4, 10, 0, 0, 0, 0, 0, 0},
                   {std::as_bytes(std::span(outside)), std::as_bytes(std::span(inverse))});
  EXPECT_THAT(search(sound, std::make_shared<const RowOrderFile>(folder / "bad"), Metric::kL2),
              OneLineWith((folder / "bad").string()));
}

}  // namespace
}  // namespace actkin
