#include "query/kernels/sketch_kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <limits>
#include <random>
#include <vector>

#include "query/kernels/row_kernels.h"

namespace actkin {
namespace {

LevelQuery DrawQuery(std::size_t level, std::mt19937& generator) {
  LevelQuery query;
  query.count = kLevelCodes[level];
  const int limit = QueryCodeLimit(query.count);
  std::uniform_int_distribution<int> code(-limit, limit);
  for (std::size_t i = 0; i + 1 < query.count; ++i) query.codes[i] = static_cast<std::int16_t>(code(generator));
  query.rest = code(generator);
  std::uint32_t exponent = kMaximumExponent;
  for (std::uint32_t& drawn : query.exponents) {
    if (exponent > 0 && generator() % 3 == 0) --exponent;
    drawn = exponent;
  }
  return query;
}

std::vector<std::int8_t> DrawCodes(std::size_t count, std::mt19937& generator) {
  std::uniform_int_distribution<int> code(-kCodeLimit, kCodeLimit);
  std::vector<std::int8_t> codes(count);
  for (std::int8_t& number : codes) number = static_cast<std::int8_t>(code(generator));
  return codes;
}

// The largest sums that codes in range can have.
LevelQuery WidestQuery(std::size_t level) {
  LevelQuery query;
  query.count = kLevelCodes[level];
  for (std::size_t i = 0; i + 1 < query.count; ++i) {
    query.codes[i] = static_cast<std::int16_t>(QueryCodeLimit(query.count));
  }
  query.rest = QueryCodeLimit(query.count);
  query.exponents.fill(kMaximumExponent);
  return query;
}

using Block = std::array<std::int32_t, kBlockRows>;

class SketchKernelsTest : public testing::TestWithParam<std::int64_t> {
 protected:
  void SetUp() override { UseKernelTarget(GetParam()); }
  void TearDown() override { UseKernelTarget(0); }

  static void ExpectBlocksAsScalar(const std::vector<std::int8_t>& codes, const std::vector<std::int8_t>& others,
                                   const LevelQuery& query) {
    Block sums{};
    Block rests{};
    Block right_sums{};
    Block right_rests{};
    CoarseDistances(codes.data(), query, sums.data(), rests.data());
    scalar::CoarseDistances(codes.data(), query, right_sums.data(), right_rests.data());
    EXPECT_EQ(sums, right_sums);
    EXPECT_EQ(rests, right_rests);
    std::vector<std::int8_t> low(kBlockBytes);
    std::vector<std::int8_t> high(kBlockBytes);
    for (std::size_t i = 0; i < kBlockBytes; ++i) {
      low[i] = std::min(codes[i], others[i]);
      high[i] = std::max(codes[i], others[i]);
    }
    for (const Side side : {Side::kNear, Side::kFar}) {
      BoxDistances(low.data(), high.data(), query, side, sums.data(), rests.data());
      scalar::BoxDistances(low.data(), high.data(), query, side, right_sums.data(), right_rests.data());
      EXPECT_EQ(sums, right_sums);
      EXPECT_EQ(rests, right_rests);
    }
  }
};

TEST_P(SketchKernelsTest, CoarseCodesAndBoxesAreAsFarAsTheScalarOnesSay) {
  std::mt19937 generator(1);
  for (int i = 0; i < 20; ++i) {
    const LevelQuery query = DrawQuery(0, generator);
    ExpectBlocksAsScalar(DrawCodes(kBlockBytes, generator), DrawCodes(kBlockBytes, generator), query);
  }
  const std::vector<std::int8_t> farthest(kBlockBytes, -kCodeLimit);
  ExpectBlocksAsScalar(farthest, farthest, WidestQuery(0));
  Block sums{};
  Block rests{};
  CoarseDistances(farthest.data(), WidestQuery(0), sums.data(), rests.data());
  EXPECT_EQ(sums[63], 15 * 64 * (596 + 127) * (596 + 127));
  EXPECT_EQ(rests[63], 596 + 127);
}

TEST_P(SketchKernelsTest, RowsAreAsFarAsTheScalarOnesSay) {
  std::mt19937 generator(2);
  const std::vector<std::uint32_t> places{3, 0, 7, 7, 100};
  const auto expect_as_scalar = [&](const std::vector<std::int8_t>& codes, const LevelQuery& query) {
    std::vector<std::int32_t> sums(places.size());
    std::vector<std::int32_t> rests(places.size());
    std::vector<std::int32_t> right_sums(places.size());
    std::vector<std::int32_t> right_rests(places.size());
    RowDistances(codes.data(), places.data(), places.size(), query, sums.data(), rests.data());
    scalar::RowDistances(codes.data(), places.data(), places.size(), query, right_sums.data(), right_rests.data());
    EXPECT_EQ(sums, right_sums);
    EXPECT_EQ(rests, right_rests);
    EXPECT_GE(*std::ranges::min_element(sums), 0);
  };
  for (std::size_t level = 0; level < kMostLevels; ++level) {
    for (int i = 0; i < 20; ++i) {
      const LevelQuery query = DrawQuery(level, generator);
      expect_as_scalar(DrawCodes(101 * query.count, generator), query);
    }
    expect_as_scalar(std::vector<std::int8_t>(101 * kLevelCodes[level], -kCodeLimit), WidestQuery(level));
  }
}

// To the last bit.
TEST_P(SketchKernelsTest, BoundsAndChoicesAreTheScalarOnes) {
  std::mt19937 generator(3);
  for (const std::size_t count : {1, 7, 16, 63, 64}) {
    std::vector<std::int32_t> sums(count);
    std::vector<std::int32_t> rests(count);
    std::vector<float> along(count);
    for (std::size_t i = 0; i < count; ++i) {
      sums[i] = static_cast<std::int32_t>(generator() % std::numeric_limits<std::int32_t>::max());
      rests[i] = static_cast<std::int32_t>(generator() % 700);
      along[i] = static_cast<float>(generator() % 1000) / 7;
    }
    std::vector<float> right_along = along;
    std::vector<float> bounds(count);
    std::vector<float> right_bounds(count);
    for (const LevelTerms& terms : {LevelTerms{0.01F, 30, 0.7F, 99, 0.99F}, LevelTerms{0.3F, -5, 0.01F, -2, 1.01F}}) {
      BoundDistances(sums.data(), rests.data(), count, terms, along.data(), bounds.data());
      scalar::BoundDistances(sums.data(), rests.data(), count, terms, right_along.data(), right_bounds.data());
      EXPECT_EQ(along, right_along);
      EXPECT_EQ(bounds, right_bounds);
    }
    for (const float limit : {bounds[count / 2], -1.0F, std::numeric_limits<float>::infinity()}) {
      EXPECT_EQ(NotAbove(bounds.data(), count, limit), scalar::NotAbove(bounds.data(), count, limit));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, SketchKernelsTest, testing::ValuesIn(KernelTargets()));

}  // namespace
}  // namespace actkin
