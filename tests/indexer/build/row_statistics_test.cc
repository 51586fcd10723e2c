#include "indexer/build/row_statistics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <random>

#include "storage/formats/row_moments.h"
#include "tests/temporary_folder.h"

namespace actkin {
namespace {

using testing::DoubleNear;

constexpr std::size_t kDimension = 24;

double DotOf(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += double{a[i]} * b[i];
  return sum;
}

double LengthOf(std::span<const float> row) { return std::sqrt(DotOf(row, row)); }

double DistanceOf(std::span<const float> a, std::span<const float> b) {
  double square = 0;
  for (std::size_t i = 0; i < a.size(); ++i) square += std::pow(double{a[i]} - b[i], 2);
  return std::sqrt(square);
}

// Rows in a cone, of lengths around 10; every so-manieth is a hundred times as long.
std::vector<float> ConeRows(std::size_t rows, std::size_t every) {
  std::mt19937 generator(3);
  std::normal_distribution<float> normal;
  std::vector<float> values;
  for (std::size_t row = 0; row < rows; ++row) {
    const float scale = row % every == every - 1 ? 100 : 1;
    for (std::size_t i = 0; i < kDimension; ++i) values.push_back(scale * (2 + normal(generator)));
  }
  return values;
}

class RowStatisticsTest : public testing::Test {
 protected:
  RowSource Write(std::span<const float> values, Element element, const std::vector<RowNumber>& splits) {
    std::vector<VectorFile> files;
    RowNumber first = 0;
    std::vector<RowNumber> ends = splits;
    ends.push_back(static_cast<RowNumber>(values.size() / kDimension));
    for (const RowNumber end : ends) {
      const std::filesystem::path path = folder_ / fmt::format("{}-{}.vectors", files.size(), Name(element));
      VectorFileWriter writer(path, element, kDimension, {first, end});
      writer.AddChecksum(writer.WriteRows(first, values.subspan(first * kDimension, (end - first) * kDimension)));
      writer.Finish();
      files.emplace_back(path);
      first = end;
    }
    return RowSource(std::move(files));
  }
  static SiteStatisticsRow Find(const RowSource& rows, int threads) {
    return FindStatistics(rows, FindMoments(rows, 1).mean, threads);
  }
  static double At(const SiteStatisticsRow& statistics, const std::string& pairs, double quantile) {
    for (const SiteDistanceRow& row : statistics.distances) {
      if (row.pairs == pairs && row.quantile == quantile) return row.distance;
    }
    ADD_FAILURE() << pairs << " " << quantile;
    return 0;
  }

  TemporaryFolder folder_;
};

TEST_F(RowStatisticsTest, TheyAreThoseOfThePlainDefinitions) {
  constexpr std::size_t kRows = 900;
  const std::vector<float> values = ConeRows(kRows, 300);
  const auto row = [&](std::size_t number) { return std::span(values).subspan(number * kDimension, kDimension); };
  const SiteStatisticsRow found = Find(Write(values, Element::kFloat32, {100, 101}), 2);

  std::vector<double> lengths;
  for (std::size_t i = 0; i < kRows; ++i) lengths.push_back(LengthOf(row(i)));
  EXPECT_THAT(found.mean_length, DoubleNear(std::accumulate(lengths.begin(), lengths.end(), 0.0) / kRows, 1e-9));
  std::ranges::sort(lengths);
  EXPECT_DOUBLE_EQ(found.median_length, lengths[kRows / 2]);
  EXPECT_DOUBLE_EQ(found.longest, lengths.back());
  EXPECT_DOUBLE_EQ(found.long_share, 3.0 / kRows);

  // Of so few rows all are in the sample.
  const std::vector<double> mean = FindMoments(Write(values, Element::kFloat32, {}), 1).mean;
  double cosines = 0;
  double centered_cosines = 0;
  std::vector<double> nearest;
  for (std::size_t a = 0; a < kRows; ++a) {
    for (std::size_t b = 0; b < kRows; ++b) {
      if (a == b) continue;
      double dot = 0;
      double square_a = 0;
      double square_b = 0;
      for (std::size_t i = 0; i < kDimension; ++i) {
        const double x = row(a)[i] - mean[i];
        const double y = row(b)[i] - mean[i];
        dot += x * y;
        square_a += x * x;
        square_b += y * y;
      }
      centered_cosines += dot / std::sqrt(square_a * square_b);
      cosines += DotOf(row(a), row(b)) / LengthOf(row(a)) / LengthOf(row(b));
    }
  }
  EXPECT_THAT(found.cosine.value(), DoubleNear(cosines / kRows / (kRows - 1), 1e-9));
  EXPECT_THAT(found.centered_cosine.value(), DoubleNear(centered_cosines / kRows / (kRows - 1), 1e-9));
  // So few rows are so long that the mean is theirs, and centering sets all others against them.
  EXPECT_FALSE(IsWorthCentering(found));

  // Half of the distances are on either side of the median, give or take what a sample leaves open.
  std::size_t below = 0;
  for (std::size_t a = 0; a < kRows; ++a) {
    for (std::size_t b = 0; b < a; ++b) below += DistanceOf(row(a), row(b)) < At(found, "random", 0.5) ? 1 : 0;
  }
  EXPECT_THAT(static_cast<double>(below) / (kRows * (kRows - 1) / 2), DoubleNear(0.5, 0.05));
  std::size_t nearer = 0;
  std::size_t nearer_than_tenth = 0;
  for (std::size_t a = 0; a < kRows; ++a) {
    std::vector<double> distances;
    for (std::size_t b = 0; b < kRows; ++b) {
      if (a != b) distances.push_back(DistanceOf(row(a), row(b)));
    }
    std::ranges::sort(distances);
    nearer += distances[0] < At(found, "nearest", 0.5) ? 1 : 0;
    nearer_than_tenth += distances[9] < At(found, "tenth", 0.5) ? 1 : 0;
  }
  EXPECT_THAT(static_cast<double>(nearer) / kRows, DoubleNear(0.5, 0.2));
  EXPECT_THAT(static_cast<double>(nearer_than_tenth) / kRows, DoubleNear(0.5, 0.2));
  for (const char* pairs : {"nearest", "tenth", "random"}) {
    EXPECT_LE(At(found, pairs, 0.01), At(found, pairs, 0.5));
    EXPECT_LE(At(found, pairs, 0.5), At(found, pairs, 0.99));
  }
}

TEST_F(RowStatisticsTest, ThreadsAndFilesDoNotChangeThem) {
  const std::vector<float> values = ConeRows(20'000, 1000);
  const SiteStatisticsRow one = Find(Write(values, Element::kFloat32, {}), 1);
  EXPECT_EQ(Find(Write(values, Element::kFloat32, {5, 9000}), 4), one);
  EXPECT_DOUBLE_EQ(one.long_share, 0.001);
  EXPECT_TRUE(IsWorthCentering(one));
  const SiteStatisticsRow half = Find(Write(values, Element::kFloat16, {}), 3);
  EXPECT_THAT(half.median_length, DoubleNear(one.median_length, 0.01));
  EXPECT_THAT(half.cosine.value(), DoubleNear(*one.cosine, 0.001));
}

TEST_F(RowStatisticsTest, FewRowsHaveWhatThereIs) {
  const std::vector<float> values = ConeRows(5, 100);
  const SiteStatisticsRow one = Find(Write(std::span(values).first(kDimension), Element::kFloat32, {}), 1);
  EXPECT_DOUBLE_EQ(one.longest, one.median_length);
  EXPECT_FALSE(one.cosine);
  EXPECT_TRUE(one.distances.empty());
  EXPECT_FALSE(IsWorthCentering(one));
  const SiteStatisticsRow five = Find(Write(values, Element::kFloat32, {}), 1);
  EXPECT_TRUE(std::ranges::none_of(five.distances, [](const auto& row) { return row.pairs == "tenth"; }));
  EXPECT_GT(At(five, "nearest", 0.5), 0);
  // Rows of zeros, and rows that are alike.
  const SiteStatisticsRow zeros = Find(Write(std::vector<float>(30 * kDimension), Element::kFloat32, {}), 1);
  EXPECT_EQ(zeros.cosine, 0);
  EXPECT_EQ(zeros.longest, 0);
  EXPECT_EQ(zeros.long_share, 0);
  EXPECT_EQ(At(zeros, "nearest", 0.99), 0);
  const SiteStatisticsRow ones = Find(Write(std::vector<float>(30 * kDimension, 1.0F), Element::kFloat32, {}), 1);
  EXPECT_THAT(ones.cosine.value(), DoubleNear(1, 1e-12));
}

TEST_F(RowStatisticsTest, HugeRowsHaveFiniteNumbers) {
  const std::vector<float> values(40 * kDimension, 3e38F);
  const SiteStatisticsRow found = Find(Write(values, Element::kFloat32, {}), 1);
  EXPECT_TRUE(std::isfinite(found.mean_length));
  EXPECT_THAT(found.cosine.value(), DoubleNear(1, 1e-9));
  EXPECT_TRUE(std::ranges::all_of(found.distances, [](const auto& row) { return std::isfinite(row.distance); }));
}

TEST_F(RowStatisticsTest, EmbeddingsHaveThemWithoutTheirNearest) {
  // 3 positions of 4 tokens that are (token + 1, position) long.
  std::vector<TokenId> tokens;
  for (TokenId row = 0; row < 64; ++row) tokens.insert(tokens.end(), {row / 16, row / 4 % 4, row % 4});
  std::array<float, 2> numbers{};
  const std::vector<float> places{0, 0, 0, 1, 0, 2};
  const std::filesystem::path path = folder_ / "embedding.codes";
  WriteCodeFile(path, {.rows = {0, 64},
                       .positions = 3,
                       .embed = 2,
                       .tokens = tokens,
                       .embedding_of =
                           [&](TokenId token) {
                             numbers = {static_cast<float>(token + 1), 0};
                             return std::span<const float>(numbers);
                           },
                       .position_embeddings = places});
  const SiteStatisticsRow found = FindStatistics(CodeFile(path));
  EXPECT_DOUBLE_EQ(found.longest, std::sqrt(16 * 3 + 0 + 1 + 4));
  double sum = 0;
  for (std::size_t row = 0; row < 64; ++row) {
    double square = 5;
    for (std::size_t i = 0; i < 3; ++i) square += std::pow(tokens[3 * row + i] + 1, 2);
    sum += std::sqrt(square);
  }
  EXPECT_THAT(found.mean_length, DoubleNear(sum / 64, 1e-9));
  EXPECT_GT(found.cosine.value(), 0.5);
  // Of all rows of such a cube the directions from its middle add up to nothing.
  EXPECT_THAT(found.centered_cosine.value(), DoubleNear(-1.0 / 63, 1e-9));
  EXPECT_TRUE(std::ranges::all_of(found.distances, [](const auto& row) { return row.pairs == "random"; }));
  EXPECT_FALSE(found.distances.empty());
}

}  // namespace
}  // namespace actkin
