#include "query/reader/prompt_forward.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <thread>

#include "tests/error_matchers.h"
#include "tests/temporary_folder.h"

namespace actkin {
namespace {

using Matrix = std::vector<std::vector<double>>;  // positions x numbers

StateDict RandomModel(const ModelShape& shape, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  StateDict state;
  for (const auto& [name, sizes] : ExpectedTensors(shape)) {
    Tensor tensor{sizes, {}};
    std::int64_t count = 1;
    for (const std::int64_t size : sizes) count *= size;
    // Weights of the usual size for their width; norms around one; biases small.
    const float scale = sizes.size() == 2 ? 1 / std::sqrt(static_cast<float>(sizes[1])) : 0.1F;
    const bool is_norm = name.find("ln") != std::string::npos && name.ends_with("weight");
    for (std::int64_t i = 0; i < count; ++i)
      tensor.values.push_back((is_norm ? 1.0F : 0.0F) + scale * normal(generator));
    state.tensors[name] = tensor;
  }
  return state;
}

// The model in double precision, straight from its definition.
class PlainForward {
 public:
  PlainForward(const StateDict& state, const ModelShape& shape) : state_(state), shape_(shape) {}

  Matrix embedding;
  std::vector<Matrix> proj;
  std::vector<Matrix> ffwd;
  std::vector<double> probabilities;

  void Run(const std::vector<TokenId>& tokens) {
    Matrix x;
    for (std::size_t t = 0; t < tokens.size(); ++t) {
      std::vector<double> row;
      for (std::size_t i = 0; i < Embed(); ++i) {
        row.push_back(static_cast<double>(Values("token_embedding_table.weight")[tokens[t] * Embed() + i]) +
                      Values("position_embedding_table.weight")[t * Embed() + i]);
      }
      x.push_back(row);
    }
    embedding = x;
    for (std::int64_t block = 0; block < shape_.blocks; ++block) {
      const auto name = [&](const char* rest) { return BlockTensor(block, rest); };
      proj.push_back(Apply(Attention(block, Norm(x, name("ln1"))), name("sa.proj.weight"), name("sa.proj.bias")));
      Add(x, proj.back());
      Matrix hidden = Apply(Norm(x, name("ln2")), name("ffwd.net.0.weight"), name("ffwd.net.0.bias"));
      for (auto& row : hidden) {
        for (double& number : row) number = std::max(number, 0.0);
      }
      ffwd.push_back(Apply(hidden, name("ffwd.net.2.weight"), name("ffwd.net.2.bias")));
      Add(x, ffwd.back());
    }
    const Matrix last{x.back()};
    probabilities = Apply(Norm(last, "ln_f"), "lm_head.weight", "lm_head.bias")[0];
    double sum = 0;
    for (double& number : probabilities) sum += number = std::exp(number);
    for (double& number : probabilities) number /= sum;
  }

 private:
  std::size_t Embed() const { return static_cast<std::size_t>(shape_.embed); }
  const std::vector<float>& Values(const std::string& name) const { return state_.tensors.at(name).values; }

  static void Add(Matrix& sum, const Matrix& other) {
    for (std::size_t t = 0; t < sum.size(); ++t) {
      for (std::size_t i = 0; i < sum[t].size(); ++i) sum[t][i] += other[t][i];
    }
  }

  Matrix Apply(const Matrix& x, const std::string& weight, const std::string& bias = "") const {
    const Tensor& w = state_.tensors.at(weight);
    const auto outputs = static_cast<std::size_t>(w.shape[0]);
    const auto width = static_cast<std::size_t>(w.shape[1]);
    Matrix y(x.size(), std::vector<double>(outputs));
    for (std::size_t t = 0; t < x.size(); ++t) {
      for (std::size_t o = 0; o < outputs; ++o) {
        double sum = bias.empty() ? 0.0 : Values(bias)[o];
        for (std::size_t i = 0; i < width; ++i) sum += w.values[o * width + i] * x[t][i];
        y[t][o] = sum;
      }
    }
    return y;
  }

  Matrix Norm(const Matrix& x, const std::string& name) const {
    Matrix y = x;
    for (auto& row : y) {
      double mean = 0;
      double variance = 0;
      for (const double number : row) mean += number / static_cast<double>(row.size());
      for (const double number : row) variance += (number - mean) * (number - mean) / static_cast<double>(row.size());
      for (std::size_t i = 0; i < row.size(); ++i) {
        row[i] = (row[i] - mean) / std::sqrt(variance + 1e-5) * Values(name + ".weight")[i] + Values(name + ".bias")[i];
      }
    }
    return y;
  }

  Matrix Attention(std::int64_t block, const Matrix& x) const {
    Matrix out(x.size());
    for (std::int64_t head = 0; head < shape_.heads; ++head) {
      const Matrix keys = Apply(x, HeadTensor(block, head, "key"));
      const Matrix queries = Apply(x, HeadTensor(block, head, "query"));
      const Matrix values = Apply(x, HeadTensor(block, head, "value"));
      for (std::size_t t = 0; t < x.size(); ++t) {
        std::vector<double> weights;
        double sum = 0;
        for (std::size_t s = 0; s <= t; ++s) {
          double dot = 0;
          for (std::size_t i = 0; i < keys[s].size(); ++i) dot += queries[t][i] * keys[s][i];
          weights.push_back(std::exp(dot / std::sqrt(static_cast<double>(shape_.head_size))));
          sum += weights.back();
        }
        for (std::size_t i = 0; i < values[0].size(); ++i) {
          double number = 0;
          for (std::size_t s = 0; s <= t; ++s) number += weights[s] / sum * values[s][i];
          out[t].push_back(number);
        }
      }
    }
    return out;
  }

  const StateDict& state_;
  ModelShape shape_;
};

void ExpectNear(const std::vector<float>& found, const Matrix& expected, const std::string& what) {
  std::vector<double> flat;
  for (const auto& row : expected) flat.insert(flat.end(), row.begin(), row.end());
  ASSERT_EQ(found.size(), flat.size()) << what;
  for (std::size_t i = 0; i < flat.size(); ++i) ASSERT_NEAR(found[i], flat[i], 1e-5) << what << ", number " << i;
}

const ModelShape kShapes[] = {
    {.vocabulary_size = 11, .context = 9, .embed = 20, .blocks = 3, .heads = 2, .head_size = 7, .hidden = 33},
    {.vocabulary_size = 5, .context = 12, .embed = 16, .blocks = 1, .heads = 4, .head_size = 4, .hidden = 64},
    {.vocabulary_size = 3, .context = 1, .embed = 1, .blocks = 1, .heads = 1, .head_size = 1, .hidden = 1},
    {.vocabulary_size = 65, .context = 32, .embed = 96, .blocks = 2, .heads = 3, .head_size = 32, .hidden = 384},
};

TEST(PromptForwardTest, AgreesWithTheModelInDoublePrecision) {
  for (const ModelShape& shape : kShapes) {
    const StateDict state = RandomModel(shape, 3);
    const TemporaryFolder folder;
    const PromptForward forward(folder.Write("model.safetensors", SerializeSafetensors(state)));
    ASSERT_EQ(forward.shape(), shape);
    std::mt19937 generator(4);
    for (std::int64_t length = 1; length <= shape.context; ++length) {
      std::vector<TokenId> tokens;
      for (std::int64_t i = 0; i < length; ++i) {
        tokens.push_back(static_cast<TokenId>(generator() % static_cast<unsigned>(shape.vocabulary_size)));
      }
      PlainForward plain(state, shape);
      plain.Run(tokens);
      const PromptForward::Activations found = forward.Run(tokens);
      ExpectNear(found.embedding, plain.embedding, "embedding");
      EXPECT_EQ(forward.Embedding(tokens), found.embedding);
      ASSERT_EQ(found.proj.size(), static_cast<std::size_t>(shape.blocks));
      ASSERT_EQ(found.ffwd.size(), static_cast<std::size_t>(shape.blocks));
      for (std::size_t block = 0; block < found.proj.size(); ++block) {
        ExpectNear(found.proj[block], plain.proj[block], fmt::format("proj of block {}, {} tokens", block, length));
        ExpectNear(found.ffwd[block], plain.ffwd[block], fmt::format("ffwd of block {}, {} tokens", block, length));
      }
      ExpectNear(forward.NextTokenProbabilities(tokens), {plain.probabilities}, "probabilities");
    }
  }
}

// What stands later in a prompt changes nothing that stands before it.
TEST(PromptForwardTest, IsCausal) {
  const TemporaryFolder folder;
  const PromptForward forward(folder.Write("m", SerializeSafetensors(RandomModel(kShapes[0], 5))));
  const auto one = forward.Run(std::vector<TokenId>{1, 2, 3, 4, 5});
  const auto other = forward.Run(std::vector<TokenId>{1, 2, 3, 9, 0});
  for (std::size_t block = 0; block < one.ffwd.size(); ++block) {
    for (std::size_t i = 0; i < 3 * 20; ++i) {
      EXPECT_NEAR(one.proj[block][i], other.proj[block][i], 1e-6);
      EXPECT_NEAR(one.ffwd[block][i], other.ffwd[block][i], 1e-6);
    }
    EXPECT_GT(std::abs(one.ffwd[block][3 * 20] - other.ffwd[block][3 * 20]), 1e-3);
  }
}

TEST(PromptForwardTest, ManyThreadsMayAskAtOnce) {
  const TemporaryFolder folder;
  const PromptForward forward(folder.Write("m", SerializeSafetensors(RandomModel(kShapes[0], 6))));
  const std::vector<TokenId> tokens{1, 2, 3, 4};
  const std::vector<float> expected = forward.NextTokenProbabilities(tokens);
  std::vector<std::vector<float>> found(4);
  {
    std::vector<std::jthread> threads;
    for (auto& probabilities : found) {
      threads.emplace_back([&] {
        for (int i = 0; i < 20; ++i) probabilities = forward.NextTokenProbabilities(tokens);
      });
    }
  }
  for (const auto& probabilities : found) EXPECT_EQ(probabilities, expected);
}

TEST(PromptForwardTest, PromptsThatTheModelCannotTakeAreRefused) {
  const TemporaryFolder folder;
  const PromptForward forward(folder.Write("m", SerializeSafetensors(RandomModel(kShapes[0], 7))));
  const auto error = [&](const std::vector<TokenId>& tokens) {
    const std::string line = ErrorOf([&] { forward.Run(tokens); });
    EXPECT_EQ(line, ErrorOf([&] { forward.NextTokenProbabilities(tokens); }));
    EXPECT_EQ(line, ErrorOf([&] { forward.Embedding(tokens); }));
    return line;
  };
  EXPECT_THAT(error({}), OneLineWith("empty"));
  EXPECT_THAT(error(std::vector<TokenId>(10)), OneLineWith("10 tokens", "at most 9"));
  EXPECT_THAT(error({1, 11}), OneLineWith("token 11", "0 to 10"));
  EXPECT_THAT(error({1, 4000000000}), OneLineWith("token 4000000000"));
}

TEST(PromptForwardTest, FilesThatAreNoModelAreNamed) {
  const TemporaryFolder folder;
  StateDict state = RandomModel(kShapes[0], 8);
  state.tensors.erase("blocks.1.ffwd.net.2.bias");
  const auto missing = folder.Write("missing", SerializeSafetensors(state));
  EXPECT_THAT(ErrorOf([&] { PromptForward{missing}; }), OneLineWith(missing.string(), "blocks.1.ffwd.net.2.bias"));
  const auto garbage = folder.Write("garbage", "not a model");
  EXPECT_THAT(ErrorOf([&] { PromptForward{garbage}; }), OneLineWith(garbage.string()));
  EXPECT_THAT(ErrorOf([&] { PromptForward{folder / "absent"}; }), OneLineWith((folder / "absent").string()));
}

}  // namespace
}  // namespace actkin
