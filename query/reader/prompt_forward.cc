#include "query/reader/prompt_forward.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "query/kernels/row_kernels.h"
#include "schema/error.h"

namespace actkin {
namespace {

std::size_t Size(std::int64_t size) { return static_cast<std::size_t>(size); }

void AddTo(std::span<float> sum, std::span<const float> numbers) {
  std::ranges::transform(sum, numbers, sum.begin(), [](float a, float b) { return a + b; });
}

// Weights of the scores that are not masked, in place.
void Softmax(std::span<float> scores) {
  const float largest = *std::ranges::max_element(scores);
  double sum = 0;
  for (float& score : scores) {
    score = std::exp(score - largest);
    sum += score;
  }
  for (float& score : scores) score = static_cast<float>(score / sum);
}

}  // namespace

PromptForward::PromptForward(const std::filesystem::path& path)
    : path_(path), file_(path), shape_(InferModelShape(file_.Shapes(), path.string())) {
  tokens_ = Weights("token_embedding_table.weight");
  positions_ = Weights("position_embedding_table.weight");
  for (std::int64_t number = 0; number < shape_.blocks; ++number) {
    Block& block = blocks_.emplace_back();
    block.ln1 = FindLayer(BlockTensor(number, "ln1"));
    block.ln2 = FindLayer(BlockTensor(number, "ln2"));
    block.proj = FindLayer(BlockTensor(number, "sa.proj"));
    block.ffwd_in = FindLayer(BlockTensor(number, "ffwd.net.0"));
    block.ffwd_out = FindLayer(BlockTensor(number, "ffwd.net.2"));
    for (std::int64_t head = 0; head < shape_.heads; ++head) {
      block.heads.push_back({Weights(HeadTensor(number, head, "key")), Weights(HeadTensor(number, head, "query")),
                             Weights(HeadTensor(number, head, "value"))});
    }
  }
  final_norm_ = FindLayer("ln_f");
  head_ = FindLayer("lm_head");
}

const float* PromptForward::Weights(const std::string& name) const { return file_.Values(name).data(); }

PromptForward::Layer PromptForward::FindLayer(const std::string& prefix) const {
  return {Weights(prefix + ".weight"), Weights(prefix + ".bias")};
}

void PromptForward::CheckTokens(std::span<const TokenId> tokens) const {
  if (tokens.empty()) FailUsage("the prompt is empty: give at least one token");
  if (tokens.size() > Size(shape_.context)) {
    FailUsage("the prompt has {} tokens: {} takes at most {}", tokens.size(), path_.string(), shape_.context);
  }
  for (const TokenId token : tokens) {
    if (token >= Size(shape_.vocabulary_size)) {
      FailUsage("token {}: {} has tokens 0 to {}", token, path_.string(), shape_.vocabulary_size - 1);
    }
  }
}

std::vector<float> PromptForward::Embedding(std::span<const TokenId> tokens) const {
  CheckTokens(tokens);
  const std::size_t embed = Size(shape_.embed);
  std::vector<float> embedding(tokens.size() * embed);
  for (std::size_t position = 0; position < tokens.size(); ++position) {
    const float* token = tokens_ + tokens[position] * embed;
    const float* place = positions_ + position * embed;
    for (std::size_t i = 0; i < embed; ++i) embedding[position * embed + i] = token[i] + place[i];
  }
  return embedding;
}

PromptForward::Activations PromptForward::Run(std::span<const TokenId> tokens) const {
  Activations activations;
  activations.embedding = Embedding(tokens);
  std::vector<float> residual = activations.embedding;
  RunBlocks(residual, &activations);
  return activations;
}

std::vector<float> PromptForward::NextTokenProbabilities(std::span<const TokenId> tokens) const {
  std::vector<float> residual = Embedding(tokens);
  RunBlocks(residual, nullptr);
  const std::size_t embed = Size(shape_.embed);
  const std::vector<float> last = Normalize(final_norm_, std::span<const float>(residual).last(embed));
  std::vector<float> probabilities(Size(shape_.vocabulary_size));
  Linear(head_.weight, probabilities.size(), embed, head_.bias, last.data(), 1, probabilities.data(),
         probabilities.size());
  Softmax(probabilities);
  return probabilities;
}

void PromptForward::RunBlocks(std::vector<float>& residual, Activations* activations) const {
  const std::size_t embed = Size(shape_.embed);
  const std::size_t hidden = Size(shape_.hidden);
  const std::size_t positions = residual.size() / embed;
  std::vector<float> output(residual.size());
  std::vector<float> wide(positions * hidden);
  for (const Block& block : blocks_) {
    const std::vector<float> attended = Attend(block, Normalize(block.ln1, residual), positions);
    Linear(block.proj.weight, embed, attended.size() / positions, block.proj.bias, attended.data(), positions,
           output.data(), embed);
    AddTo(residual, output);
    if (activations != nullptr) activations->proj.push_back(output);

    const std::vector<float> normed = Normalize(block.ln2, residual);
    Linear(block.ffwd_in.weight, hidden, embed, block.ffwd_in.bias, normed.data(), positions, wide.data(), hidden);
    std::ranges::transform(wide, wide.begin(), [](float number) { return number < 0 ? 0.0F : number; });
    Linear(block.ffwd_out.weight, embed, hidden, block.ffwd_out.bias, wide.data(), positions, output.data(), embed);
    AddTo(residual, output);
    if (activations != nullptr) activations->ffwd.push_back(output);
  }
}

// positions x heads * head_size: the heads' outputs side by side.
std::vector<float> PromptForward::Attend(const Block& block, std::span<const float> normed,
                                         std::size_t positions) const {
  const std::size_t embed = Size(shape_.embed);
  const std::size_t size = Size(shape_.head_size);
  const std::size_t width = block.heads.size() * size;
  const float scale = 1 / std::sqrt(static_cast<float>(size));
  std::vector<float> attended(positions * width);
  std::vector<float> keys(positions * size);
  std::vector<float> queries(positions * size);
  std::vector<float> values(positions * size);
  std::vector<float> weights(positions);
  for (std::size_t number = 0; number < block.heads.size(); ++number) {
    const Head& head = block.heads[number];
    Linear(head.key, size, embed, nullptr, normed.data(), positions, keys.data(), size);
    Linear(head.query, size, embed, nullptr, normed.data(), positions, queries.data(), size);
    Linear(head.value, size, embed, nullptr, normed.data(), positions, values.data(), size);
    for (std::size_t position = 0; position < positions; ++position) {
      const std::span<float> seen = std::span(weights).first(position + 1);
      DotProducts(keys.data(), seen.size(), size, queries.data() + position * size, 1, seen.data());
      std::ranges::transform(seen, seen.begin(), [scale](float score) { return score * scale; });
      Softmax(seen);
      float* out = attended.data() + position * width + number * size;
      for (std::size_t earlier = 0; earlier < seen.size(); ++earlier) {
        const float* value = values.data() + earlier * size;
        for (std::size_t i = 0; i < size; ++i) out[i] += seen[earlier] * value[i];
      }
    }
  }
  return attended;
}

// LayerNorm of each row of embed numbers.
std::vector<float> PromptForward::Normalize(const Layer& norm, std::span<const float> rows) const {
  const std::size_t embed = Size(shape_.embed);
  std::vector<float> normed(rows.size());
  for (std::size_t begin = 0; begin < rows.size(); begin += embed) {
    double mean = 0;
    for (std::size_t i = 0; i < embed; ++i) mean += rows[begin + i];
    mean /= static_cast<double>(embed);
    double variance = 0;
    for (std::size_t i = 0; i < embed; ++i) variance += (rows[begin + i] - mean) * (rows[begin + i] - mean);
    variance /= static_cast<double>(embed);
    const double scale = 1 / std::sqrt(variance + kLayerNormEpsilon);
    for (std::size_t i = 0; i < embed; ++i) {
      normed[begin + i] = static_cast<float>((rows[begin + i] - mean) * scale) * norm.weight[i] + norm.bias[i];
    }
  }
  return normed;
}

}  // namespace actkin
