#include "indexer/forward/forward_kernels.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cmath>
#include <random>

#include "indexer/forward/scalar_forward_kernels.h"

namespace actkin {
namespace {

// Dimensions around the widths of vectors: none fits, one fits, four fit, with and without a rest.
constexpr std::size_t kDimensions[] = {1, 3, 4, 7, 8, 15, 16, 17, 31, 48, 63, 64, 65, 130, 384};

class ForwardKernelsTest : public testing::TestWithParam<std::int64_t> {
 protected:
  void SetUp() override { UseForwardKernelTarget(GetParam()); }
  void TearDown() override { UseForwardKernelTarget(ForwardKernelTargets().front()); }

  std::vector<float> Random(std::size_t count, float scale = 1) {
    std::normal_distribution<float> normal;
    std::vector<float> numbers(count);
    for (float& number : numbers) number = scale * normal(generator_);
    return numbers;
  }

  std::mt19937 generator_{7};
};

void ExpectNear(const std::vector<float>& values, const std::vector<float>& expected, const std::string& what,
                double tolerance = 2e-6) {
  ASSERT_EQ(values.size(), expected.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    ASSERT_NEAR(values[i], expected[i], tolerance + tolerance * std::abs(expected[i])) << what << " at " << i;
  }
}

TEST_P(ForwardKernelsTest, LayerNormAgreesWithItsScalarTwin) {
  for (const std::size_t dimension : kDimensions) {
    const std::vector<float> rows = Random(5 * dimension, 3);
    const std::vector<float> weight = Random(dimension);
    const std::vector<float> bias = Random(dimension);
    std::vector<float> out(rows.size());
    std::vector<float> expected(rows.size());
    LayerNormRows(rows.data(), 5, dimension, 1e-5F, weight.data(), bias.data(), out.data());
    scalar::LayerNormRows(rows.data(), 5, dimension, 1e-5F, weight.data(), bias.data(), expected.data());
    // A few nearly equal numbers lose digits in their difference from the mean.
    for (std::size_t i = 0; i < out.size(); ++i) ASSERT_NEAR(out[i], expected[i], 1e-4) << dimension;
    if (dimension >= 7) ExpectNear(out, expected, std::to_string(dimension));
  }
}

TEST_P(ForwardKernelsTest, RmsNormAgreesWithItsScalarTwin) {
  for (const std::size_t dimension : kDimensions) {
    const std::size_t stride = dimension + 3;
    const std::vector<float> rows = Random(5 * stride, 3);
    const std::vector<float> weight = Random(dimension);
    std::vector<float> out = rows;
    std::vector<float> expected = rows;
    RmsNormRows(out.data(), 5, dimension, stride, 1e-6F, weight.data(), out.data());
    scalar::RmsNormRows(expected.data(), 5, dimension, stride, 1e-6F, weight.data(), expected.data());
    ExpectNear(out, expected, std::to_string(dimension));
  }
}

TEST_P(ForwardKernelsTest, BiasAndResidualAgreeWithTheirScalarTwins) {
  for (const std::size_t dimension : kDimensions) {
    const std::size_t stride = dimension + 5;
    const std::vector<float> bias = Random(dimension);
    std::vector<float> out = Random(3 * stride);
    std::vector<float> expected = out;
    AddBias(out.data(), 3, dimension, stride, bias.data());
    scalar::AddBias(expected.data(), 3, dimension, stride, bias.data());
    EXPECT_EQ(out, expected);
    for (const float* added : {bias.data(), static_cast<const float*>(nullptr)}) {
      out = expected = Random(3 * dimension);
      std::vector<float> residual = Random(3 * dimension);
      std::vector<float> expected_residual = residual;
      AddToResidual(out.data(), 3, dimension, added, residual.data());
      scalar::AddToResidual(expected.data(), 3, dimension, added, expected_residual.data());
      EXPECT_EQ(out, expected);
      EXPECT_EQ(residual, expected_residual);
    }
  }
}

TEST_P(ForwardKernelsTest, ActivationsAgreeWithTheirScalarTwins) {
  for (const Activation activation : {Activation::kRelu, Activation::kGelu, Activation::kGeluTanh, Activation::kSilu}) {
    for (const std::size_t dimension : kDimensions) {
      const std::vector<float> bias = Random(2 * dimension);
      for (const float* added : {bias.data(), static_cast<const float*>(nullptr)}) {
        std::vector<float> out = Random(3 * dimension, 4);
        out[0] = 200;
        out[out.size() - 1] = -200;
        std::vector<float> expected = out;
        Activate(out.data(), 3, dimension, activation, added);
        scalar::Activate(expected.data(), 3, dimension, activation, added);
        ExpectNear(out, expected, std::string(Name(activation)), 3e-6);
        out = expected = Random(3 * 2 * dimension, 3);
        ActivateGated(out.data(), 3, dimension, activation, added);
        scalar::ActivateGated(expected.data(), 3, dimension, activation, added);
        ExpectNear(out, expected, std::string(Name(activation)) + ", gated", 1e-5);
      }
    }
  }
}

TEST_P(ForwardKernelsTest, TurningAgreesWithItsScalarTwin) {
  for (const std::size_t head_size : kDimensions) {
    for (const std::size_t pairs : {head_size / 4, head_size / 2}) {
      std::vector<float> cosines;
      std::vector<float> sines;
      for (std::size_t i = 0; i < pairs; ++i) {
        const float angle = Random(1, 3)[0];
        cosines.push_back(std::cos(angle));
        sines.push_back(std::sin(angle));
      }
      const std::size_t stride = 3 * head_size + 2;
      std::vector<float> out = Random(4 * stride);
      std::vector<float> expected = out;
      TurnHeads(out.data(), 4, stride, 3, head_size, pairs, cosines.data(), sines.data());
      scalar::TurnHeads(expected.data(), 4, stride, 3, head_size, pairs, cosines.data(), sines.data());
      ExpectNear(out, expected, std::to_string(head_size));
    }
  }
}

TEST_P(ForwardKernelsTest, AttentionAgreesWithItsScalarTwin) {
  for (const std::size_t head_size : kDimensions) {
    for (const std::size_t positions : {1, 2, 9, 16, 33}) {
      const std::size_t groups = positions % 2 == 0 ? 1 : 3;
      const AttentionShape shape{.heads = 3, .key_value_heads = groups, .head_size = head_size};
      constexpr std::size_t kNodes = 40;
      constexpr std::size_t kRows = 6;
      const std::vector<float> qkv = Random(kNodes * shape.stride(), 1.5F);
      std::vector<std::uint32_t> paths(kRows * positions);
      for (std::uint32_t& node : paths) node = static_cast<std::uint32_t>(generator_() % kNodes);
      std::vector<float> out(kRows * shape.width());
      std::vector<float> expected(out.size());
      AttendPaths(qkv.data(), shape, paths.data(), positions, kRows, out.data());
      scalar::AttendPaths(qkv.data(), shape, paths.data(), positions, kRows, expected.data());
      // Scores reach a few tens, so a weight keeps about five digits.
      for (std::size_t i = 0; i < out.size(); ++i) {
        ASSERT_NEAR(out[i], expected[i], 3e-5) << head_size << " x " << positions << " at " << i;
      }
    }
  }
}

TEST_P(ForwardKernelsTest, AttentionToFarApartScoresTakesTheLargest) {
  const AttentionShape shape{.heads = 1, .key_value_heads = 1, .head_size = 4};
  std::vector<float> qkv(3 * shape.stride(), 0.0F);
  qkv[2 * shape.stride()] = 1;                     // the query of node 2
  qkv[0 * shape.stride() + shape.width()] = -1e6;  // the keys of nodes 0 and 1
  qkv[1 * shape.stride() + shape.width()] = 1e6;
  qkv[1 * shape.stride() + 2 * shape.width() + 3] = 5;  // the value of node 1
  const std::vector<std::uint32_t> path{0, 1, 2};
  std::vector<float> out(shape.width());
  AttendPaths(qkv.data(), shape, path.data(), 3, 1, out.data());
  EXPECT_THAT(out, testing::ElementsAre(0, 0, 0, 5));
}

TEST_P(ForwardKernelsTest, CausalSoftmaxAgreesWithItsScalarTwin) {
  for (const std::size_t columns : {1, 2, 5, 16, 17, 64, 130, 257}) {
    const std::size_t stride = (columns + 15) / 16 * 16;
    for (const std::size_t row_count : {std::size_t{1}, std::min<std::size_t>(columns, 7), columns}) {
      for (const float scale : {0.1F, 30.0F}) {
        std::vector<float> scores = Random(row_count * stride, scale);
        std::vector<float> expected = scores;
        CausalSoftmaxRows(scores.data(), row_count, stride, columns - row_count + 1, columns);
        scalar::CausalSoftmaxRows(expected.data(), row_count, stride, columns - row_count + 1, columns);
        for (std::size_t r = 0; r < row_count; ++r) {
          const auto row = [&](const std::vector<float>& rows) {
            return std::vector<float>(rows.begin() + static_cast<std::ptrdiff_t>(r * stride),
                                      rows.begin() + static_cast<std::ptrdiff_t>(r * stride + columns));
          };
          ExpectNear(row(scores), row(expected), fmt::format("row {} of {} x {}", r, row_count, columns));
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, ForwardKernelsTest, testing::ValuesIn(ForwardKernelTargets()));

}  // namespace
}  // namespace actkin
