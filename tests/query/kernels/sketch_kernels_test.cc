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

constexpr std::array kSides{Side::kNear, Side::kFar};
// Of every width that a vector, two or a part of one holds.
constexpr std::array<std::size_t, 7> kCounts{16, 32, 48, 64, 80, 112, 128};

LevelQuery DrawQuery(Side side, std::size_t count, std::mt19937& generator) {
  LevelQuery query{.side = side, .count = count};
  const int limit = QueryCodeLimit(side, count);
  std::uniform_int_distribution<int> code(-limit, limit);
  for (std::size_t i = 0; i < query.count; ++i) query.codes[i] = static_cast<std::int16_t>(code(generator));
  std::uint32_t exponent = kMaximumExponent;
  for (std::uint32_t& drawn : query.exponents) {
    if (exponent > 0 && generator() % 3 == 0) --exponent;
    drawn = exponent;
  }
  query.Prepare();
  return query;
}

// Half of its coordinates lie beyond their codes, so far at times that no more is counted.
LevelQuery DrawWideQuery(std::size_t count, std::mt19937& generator) {
  LevelQuery query = DrawQuery(Side::kNear, count, generator);
  query.wide = true;
  for (std::size_t i = 0; i + 1 < count; ++i) {
    if (generator() % 2 == 0) continue;
    query.codes[i] = generator() % 2 == 0 ? kCodeLimit : -kCodeLimit;
    query.beyond[i] = static_cast<std::uint8_t>(generator() % (kFarthestWide - kFarthestNear + 1));
  }
  query.Prepare();
  return query;
}

std::vector<std::int8_t> DrawCodes(std::size_t count, std::mt19937& generator) {
  std::uniform_int_distribution<int> code(-kCodeLimit, kCodeLimit);
  std::vector<std::int8_t> codes(count);
  for (std::int8_t& number : codes) number = static_cast<std::int8_t>(code(generator));
  return codes;
}

// The largest sums that codes in range can have.
LevelQuery WidestQuery(Side side, std::size_t count) {
  LevelQuery query{.side = side, .count = count};
  std::fill_n(query.codes.begin(), count, static_cast<std::int16_t>(QueryCodeLimit(side, count)));
  query.exponents.fill(kMaximumExponent);
  query.Prepare();
  return query;
}

using Block = std::array<std::int32_t, kBlockRows>;

class SketchKernelsTest : public testing::TestWithParam<std::int64_t> {
 protected:
  void SetUp() override { UseKernelTarget(GetParam()); }
  void TearDown() override { UseKernelTarget(0); }

  static void ExpectBlocksAsScalar(const std::vector<std::int8_t>& codes, const std::vector<std::int8_t>& others,
                                   const LevelQuery& query) {
    // A block may have fewer rows, behind which nothing may be read.
    for (const std::size_t rows : {64, 63, 33, 16, 5, 1}) {
      const std::vector<std::int8_t> part(codes.begin(),
                                          codes.begin() + static_cast<std::ptrdiff_t>(rows * kCoarseCodes));
      Block sums{};
      Block rests{};
      Block right_sums{};
      Block right_rests{};
      CoarseDistances(part.data(), rows, query, sums.data(), rests.data());
      scalar::CoarseDistances(part.data(), rows, query, right_sums.data(), right_rests.data());
      EXPECT_EQ(sums, right_sums) << rows;
      EXPECT_EQ(rests, right_rests) << rows;
    }
    std::vector<std::int8_t> low(kBlockBytes);
    std::vector<std::int8_t> high(kBlockBytes);
    for (std::size_t i = 0; i < kBlockBytes; ++i) {
      low[i] = std::min(codes[i], others[i]);
      high[i] = std::max(codes[i], others[i]);
    }
    Block sums{};
    Block rests{};
    Block right_sums{};
    Block right_rests{};
    BoxDistances(low.data(), high.data(), query, sums.data(), rests.data());
    scalar::BoxDistances(low.data(), high.data(), query, right_sums.data(), right_rests.data());
    EXPECT_EQ(sums, right_sums);
    EXPECT_EQ(rests, right_rests);
  }
};

TEST_P(SketchKernelsTest, CoarseCodesAndBoxesAreAsFarAsTheScalarOnesSay) {
  std::mt19937 generator(1);
  for (const Side side : kSides) {
    for (int i = 0; i < 20; ++i) {
      const LevelQuery query = DrawQuery(side, kCoarseCodes, generator);
      ExpectBlocksAsScalar(DrawCodes(kBlockBytes, generator), DrawCodes(kBlockBytes, generator), query);
      const LevelQuery wide = DrawWideQuery(kCoarseCodes, generator);
      ExpectBlocksAsScalar(DrawCodes(kBlockBytes, generator), DrawCodes(kBlockBytes, generator), wide);
    }
    const std::vector<std::int8_t> farthest(kBlockBytes, -kCodeLimit);
    const LevelQuery widest = WidestQuery(side, kCoarseCodes);
    ExpectBlocksAsScalar(farthest, farthest, widest);
    Block sums{};
    Block rests{};
    CoarseDistances(farthest.data(), kBlockRows, widest, sums.data(), rests.data());
    const std::int32_t apart = side == Side::kNear ? kFarthestNear : 596 + 127;
    EXPECT_EQ(sums[63], 15 * 64 * apart * apart);
    EXPECT_EQ(rests[63], apart);
  }
}

TEST_P(SketchKernelsTest, WideQueriesCountWhatLiesBeyondTheirCodes) {
  LevelQuery query = WidestQuery(Side::kNear, kCoarseCodes);
  query.wide = true;
  query.beyond[0] = 10;
  query.beyond[1] = 128;
  std::vector<std::int8_t> codes(kBlockBytes, 100);
  codes[kCoarseCodes] = kCodeLimit;  // a row whose coordinate may lie beyond as well
  std::fill_n(codes.begin() + 2 * kCoarseCodes, kCoarseCodes, static_cast<std::int8_t>(-kCodeLimit));
  Block sums{};
  Block rests{};
  CoarseDistances(codes.data(), kBlockRows, query, sums.data(), rests.data());
  EXPECT_EQ(sums[0], 64 * (37 * 37 + 155 * 155 + 13 * 27 * 27));
  EXPECT_EQ(sums[1], 64 * (155 * 155 + 13 * 27 * 27));
  EXPECT_EQ(sums[2], 64 * (2 * 255 * 255 + 13 * 254 * 254));
  EXPECT_EQ(rests[0], 27);
  EXPECT_EQ(rests[2], 254);
}

TEST_P(SketchKernelsTest, RowsAreAsFarAsTheScalarOnesSay) {
  std::mt19937 generator(2);
  std::vector<std::uint32_t> places{3, 0, 7, 7, 100};
  for (std::uint32_t i = 0; i < 40; ++i) places.push_back(i * 7 % 101);
  const auto expect_as_scalar = [&](const std::vector<std::int8_t>& codes, const LevelQuery& query) {
    for (const std::size_t count : {1, 4, 5, 16, 45}) {
      std::vector<std::int32_t> sums(count);
      std::vector<std::int32_t> rests(count);
      std::vector<std::int32_t> right_sums(count);
      std::vector<std::int32_t> right_rests(count);
      RowDistances(codes.data(), places.data(), count, query, sums.data(), rests.data());
      scalar::RowDistances(codes.data(), places.data(), count, query, right_sums.data(), right_rests.data());
      EXPECT_EQ(sums, right_sums);
      EXPECT_EQ(rests, right_rests);
      EXPECT_GE(*std::ranges::min_element(sums), 0);
    }
  };
  for (const Side side : kSides) {
    for (const std::size_t codes : kCounts) {
      for (int i = 0; i < 5; ++i) {
        const LevelQuery query = DrawQuery(side, codes, generator);
        expect_as_scalar(DrawCodes(101 * codes, generator), query);
        expect_as_scalar(DrawCodes(101 * codes, generator), DrawWideQuery(codes, generator));
      }
      expect_as_scalar(std::vector<std::int8_t>(101 * codes, -kCodeLimit), WidestQuery(side, codes));
    }
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
      rests[i] = static_cast<std::int32_t>(generator() % 3 == 0 ? 0 : generator() % 700);
      along[i] = static_cast<float>(generator() % 1000) / 7;
    }
    std::vector<float> right_along = along;
    std::vector<float> bounds(count);
    std::vector<float> right_bounds(count);
    for (const LevelTerms& terms :
         {LevelTerms{0.01F, 30, 0.7F, 99, 0, 0.99F}, LevelTerms{0.01F, 30, 0.7F, 9, 12, 0.99F},
          LevelTerms{0.3F, -5, 0.01F, -2, 0, 1.01F}}) {
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

// To the last bit.
TEST_P(SketchKernelsTest, KeysAreTheScalarOnes) {
  std::mt19937 generator(4);
  std::vector<float> bounds(37);
  std::vector<float> lengths(37);
  for (float& bound : bounds) bound = static_cast<float>(generator() % 10'000) / 7;
  for (float& length : lengths) length = static_cast<float>(generator() % 300) / 3;
  for (const NearKey kind : {NearKey::kBound, NearKey::kDot, NearKey::kCosine}) {
    std::vector<float> right(37);
    scalar::NearKeys(kind, bounds.data(), lengths.data(), 37, 123.25F, right.data());
    std::vector<float> keys = bounds;
    NearKeys(kind, keys.data(), lengths.data(), 37, 123.25F, keys.data());
    EXPECT_EQ(keys, right);
  }
}

// Numbers of rows, with room behind them.
struct Rows {
  explicit Rows(std::size_t count)
      : places(count + kKeepRoom), along(places.size()), keys(places.size()), lengths(places.size()) {}
  RowNumbers numbers(bool with_lengths) {
    return {places.data(), along.data(), keys.data(), with_lengths ? lengths.data() : nullptr};
  }
  bool StartsAs(const Rows& other, std::size_t count, bool with_lengths) const {
    return std::equal(places.begin(), places.begin() + static_cast<std::ptrdiff_t>(count), other.places.begin()) &&
           std::equal(along.begin(), along.begin() + static_cast<std::ptrdiff_t>(count), other.along.begin()) &&
           std::equal(keys.begin(), keys.begin() + static_cast<std::ptrdiff_t>(count), other.keys.begin()) &&
           (!with_lengths ||
            std::equal(lengths.begin(), lengths.begin() + static_cast<std::ptrdiff_t>(count), other.lengths.begin()));
  }

  std::vector<std::uint32_t> places;
  std::vector<float> along;
  std::vector<float> keys;
  std::vector<float> lengths;
};

TEST_P(SketchKernelsTest, TheSameRowsAreKept) {
  std::mt19937 generator(6);
  std::vector<float> along(kBlockRows);
  std::vector<float> keys(kBlockRows);
  std::vector<float> lengths(kBlockRows);
  for (std::size_t row = 0; row < kBlockRows; ++row) {
    along[row] = static_cast<float>(generator() % 1000);
    keys[row] = static_cast<float>(generator() % 100);
    lengths[row] = static_cast<float>(generator() % 10);
  }
  const std::uint64_t some = std::uint64_t{generator()} << 32 | generator();
  for (const bool with_lengths : {false, true}) {
    for (const std::uint64_t bits : {std::uint64_t{0}, ~std::uint64_t{0}, std::uint64_t{1} << 63, some}) {
      Rows kept(kBlockRows);
      Rows right(kBlockRows);
      const float* given = with_lengths ? lengths.data() : nullptr;
      const std::size_t count = KeepOfBlock(bits, 640, along.data(), keys.data(), given, kept.numbers(with_lengths));
      EXPECT_EQ(count, scalar::KeepOfBlock(bits, 640, along.data(), keys.data(), given, right.numbers(with_lengths)));
      EXPECT_TRUE(kept.StartsAs(right, count, with_lengths));
      for (const float limit : {-1.0F, 50.0F, 1000.0F}) {
        Rows fewer = kept;
        Rows right_fewer = right;
        const std::size_t left = KeepNotAbove(fewer.numbers(with_lengths), count, limit);
        EXPECT_EQ(left, scalar::KeepNotAbove(right_fewer.numbers(with_lengths), count, limit));
        EXPECT_TRUE(fewer.StartsAs(right_fewer, left, with_lengths));
      }
    }
  }
}

// To the last bit.
TEST_P(SketchKernelsTest, TheSameRowsOfABlockAreKept) {
  std::mt19937 generator(8);
  std::vector<float> lengths(kBlockRows);
  for (float& length : lengths) length = static_cast<float>(generator() % 300) / 3;
  const LevelTerms terms{0.01F, 0.3F, 0.02F, 0.1F, 0.4F, 0.99F};
  for (const bool wide : {false, true}) {
    const LevelQuery query =
        wide ? DrawWideQuery(kCoarseCodes, generator) : DrawQuery(Side::kNear, kCoarseCodes, generator);
    const std::vector<std::int8_t> codes = DrawCodes(kBlockBytes, generator);
    for (const NearKey kind : {NearKey::kBound, NearKey::kDot, NearKey::kCosine}) {
      const bool with_lengths = kind != NearKey::kBound;
      const CoarseBlock block{codes.data(), 640, 2.5F, with_lengths ? lengths.data() : nullptr};
      Rows all(kBlockRows);
      ASSERT_EQ(scalar::KeepOfCoarseBlock(block, query, terms, {kind, 50}, std::numeric_limits<float>::infinity(),
                                          all.numbers(with_lengths)),
                kBlockRows);
      for (const float limit : {all.keys[3], *std::min_element(all.keys.begin(), all.keys.begin() + kBlockRows) - 1,
                                std::numeric_limits<float>::infinity()}) {
        Rows kept(kBlockRows);
        Rows right(kBlockRows);
        const std::size_t count = KeepOfCoarseBlock(block, query, terms, {kind, 50}, limit, kept.numbers(with_lengths));
        EXPECT_EQ(count,
                  scalar::KeepOfCoarseBlock(block, query, terms, {kind, 50}, limit, right.numbers(with_lengths)));
        EXPECT_TRUE(kept.StartsAs(right, count, with_lengths));
      }
    }
  }
}

TEST_P(SketchKernelsTest, ProductsWithAxesAreTheScalarOnes) {
  std::mt19937 generator(7);
  std::normal_distribution<float> normal;
  for (const std::size_t dimension : {1, 7, 19, 64}) {
    std::vector<float> axes(9 * dimension);
    for (float& number : axes) number = normal(generator);
    std::vector<double> vector(dimension);
    for (double& number : vector) number = normal(generator);
    std::vector<double> products(9);
    std::vector<double> right(9);
    AxisProducts(axes.data(), 9, dimension, vector.data(), products.data());
    scalar::AxisProducts(axes.data(), 9, dimension, vector.data(), right.data());
    for (std::size_t axis = 0; axis < 9; ++axis) EXPECT_NEAR(products[axis], right[axis], 1e-12);
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, SketchKernelsTest, testing::ValuesIn(KernelTargets()));

}  // namespace
}  // namespace actkin
