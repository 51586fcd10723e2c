#include "query/reader/prompt_forward.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>

#include "query/kernels/row_kernels.h"
#include "schema/error.h"

namespace actkin {
namespace {

// Of the unembedding's weights, a quarter of a megabyte.
constexpr std::size_t kUnembeddingFloats = std::size_t{1} << 16;

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

// `count` numbers of a tensor, from `first` on.
void Widen(const WeightView& tensor, std::size_t first, std::size_t count, float* out) {
  const std::byte* from = tensor.numbers + first * PrecisionBytes(tensor.precision);
  switch (tensor.precision) {
    case Precision::kFloat32:
      std::copy_n(reinterpret_cast<const float*>(from), count, out);
      return;
    case Precision::kFloat16:
      return WidenFloat16(reinterpret_cast<const std::uint16_t*>(from), count, out);
    case Precision::kBfloat16:
      return WidenBfloat16(reinterpret_cast<const std::uint16_t*>(from), count, out);
  }
}

// out: rows x outputs = inputs (rows x width) weight^T + bias, which may be null.
void Apply(const WeightView& weight, const float* start, std::size_t outputs, std::span<const float> inputs,
           std::size_t width, float* out) {
  const std::size_t rows = inputs.size() / width;
  const auto* halves = reinterpret_cast<const std::uint16_t*>(weight.numbers);
  switch (weight.precision) {
    case Precision::kFloat32:
      return Linear(reinterpret_cast<const float*>(weight.numbers), outputs, width, start, inputs.data(), rows, out,
                    outputs);
    case Precision::kFloat16:
      return LinearFloat16(halves, outputs, width, start, inputs.data(), rows, out, outputs);
    case Precision::kBfloat16:
      return LinearBfloat16(halves, outputs, width, start, inputs.data(), rows, out, outputs);
  }
}

void Apply(const WeightView& weight, const std::vector<float>& bias, std::size_t outputs, std::span<const float> inputs,
           std::size_t width, float* out) {
  Apply(weight, bias.empty() ? nullptr : bias.data(), outputs, inputs, width, out);
}

float Activated(float x, Activation activation) {
  switch (activation) {
    case Activation::kRelu:
      return x < 0 ? 0.0F : x;
    case Activation::kGelu:
      return 0.5F * x * (1 + std::erf(x * static_cast<float>(1 / std::numbers::sqrt2)));
    case Activation::kGeluTanh: {
      constexpr float kScale = 0.79788456080286536F;  // sqrt(2 / pi)
      return 0.5F * x * (1 + std::tanh(kScale * (x + 0.044715F * x * x * x)));
    }
    case Activation::kSilu:
      break;
  }
  return x / (1 + std::exp(-x));
}

}  // namespace

const std::vector<std::vector<float>>& PromptForward::Activations::Of(Stream stream) const {
  if (stream == Stream::kResidual) return residual;
  return stream == Stream::kProj ? proj : ffwd;
}

PromptForward::PromptForward(const std::filesystem::path& path, std::optional<TokenId> beginning)
    : path_(path),
      file_(path),
      model_(file_.description()),
      beginning_(beginning),
      frequencies_(RotaryFrequencies(model_.rotary)),
      tokens_(file_.View("token_embedding.weight")),
      positions_(file_.View("position_embedding.weight")) {
  if (beginning_ && *beginning_ >= Size(model_.shape.vocabulary_size)) {
    FailDamaged("{}: has no token {} to begin prompts with", path.string(), *beginning_);
  }
  for (std::int64_t number = 0; number < model_.shape.blocks; ++number) {
    blocks_.push_back({.attention_norm = FindNorm(BlockTensor("attention_norm", number), model_.norm),
                       .qkv = FindLayer(BlockTensor("qkv", number)),
                       .query_norm = FindNorm(BlockTensor("query_norm", number), Norm::kRms),
                       .key_norm = FindNorm(BlockTensor("key_norm", number), Norm::kRms),
                       .proj = FindLayer(BlockTensor("proj", number)),
                       .ffwd_norm = FindNorm(BlockTensor("ffwd_norm", number), model_.norm),
                       .ffwd_in = FindLayer(BlockTensor("ffwd_in", number)),
                       .ffwd_out = FindLayer(BlockTensor("ffwd_out", number))});
  }
  final_norm_ = FindNorm("final_norm", model_.norm);
  unembedding_ = FindLayer("unembedding");
  if (unembedding_.weight.numbers == nullptr) unembedding_.weight = tokens_;
}

// Biases and norms are few numbers: they are widened here.
PromptForward::Layer PromptForward::FindLayer(const std::string& name) const {
  Layer layer{file_.View(name + ".weight"), {}};
  if (file_.Has(name + ".bias")) layer.bias = file_.ReadFloats(name + ".bias");
  return layer;
}

PromptForward::NormLayer PromptForward::FindNorm(const std::string& name, Norm kind) const {
  NormLayer norm{kind, {}, {}};
  if (file_.Has(name + ".weight")) norm.weight = file_.ReadFloats(name + ".weight");
  if (file_.Has(name + ".bias")) norm.bias = file_.ReadFloats(name + ".bias");
  return norm;
}

void PromptForward::CheckTokens(std::span<const TokenId> tokens) const {
  if (tokens.empty()) FailUsage("the prompt is empty: give at least one token");
  if (tokens.size() > Size(longest_prompt())) {
    FailUsage("the prompt has {} tokens: {} takes at most {}", tokens.size(), path_.string(), longest_prompt());
  }
  for (const TokenId token : tokens) {
    if (token >= Size(model_.shape.vocabulary_size)) {
      FailUsage("token {}: {} has tokens 0 to {}", token, path_.string(), model_.shape.vocabulary_size - 1);
    }
  }
}

std::vector<float> PromptForward::Embed(std::span<const TokenId> tokens) const {
  CheckTokens(tokens);
  std::vector<TokenId> sequence;
  if (beginning_) sequence.push_back(*beginning_);
  sequence.insert(sequence.end(), tokens.begin(), tokens.end());
  const std::size_t embed = Size(model_.shape.embed);
  std::vector<float> embedding(sequence.size() * embed);
  std::vector<float> place(embed);
  for (std::size_t position = 0; position < sequence.size(); ++position) {
    const std::span<float> row = std::span(embedding).subspan(position * embed, embed);
    Widen(tokens_, sequence[position] * embed, embed, row.data());
    if (positions_.numbers == nullptr) continue;
    Widen(positions_, position * embed, embed, place.data());
    AddTo(row, place);
  }
  return embedding;
}

std::vector<float> PromptForward::Embedding(std::span<const TokenId> tokens) const {
  std::vector<float> embedding = Embed(tokens);
  if (beginning_) embedding.erase(embedding.begin(), embedding.begin() + model_.shape.embed);
  return embedding;
}

PromptForward::Activations PromptForward::Run(std::span<const TokenId> tokens) const {
  Activations activations;
  std::vector<float> residual = Embed(tokens);
  activations.embedding.assign(residual.begin() + (beginning_ ? model_.shape.embed : 0), residual.end());
  RunBlocks(residual, &activations);
  return activations;
}

std::vector<float> PromptForward::LastOutput(std::span<const TokenId> tokens, Stream stream, std::int64_t block) const {
  Activations activations;
  std::vector<float> residual = Embed(tokens);
  RunBlocks(residual, &activations, Size(block) + 1);
  const std::vector<float>& output = activations.Of(stream).back();
  return {output.end() - model_.shape.embed, output.end()};
}

std::vector<float> PromptForward::BeforeUnembedding(std::span<const TokenId> tokens) const {
  std::vector<float> residual = Embed(tokens);
  RunBlocks(residual, nullptr);
  return NormalizeRows(final_norm_, std::span<const float>(residual).last(Size(model_.shape.embed)));
}

std::vector<float> PromptForward::Logits(std::span<const float> before_unembedding) const {
  std::vector<float> logits(Size(model_.shape.vocabulary_size));
  Apply(unembedding_.weight, unembedding_.bias, logits.size(), before_unembedding, Size(model_.shape.embed),
        logits.data());
  return logits;
}

void PromptForward::NextTokenProbabilities(std::span<const float> before_unembedding, std::span<float> out) const {
  const std::size_t embed = Size(model_.shape.embed);
  const std::size_t vocabulary = Size(model_.shape.vocabulary_size);
  const std::size_t count = before_unembedding.size() / embed;
  // Weights that stay in cache while every prompt is multiplied with them; one prompt at a time, so that its sums are
  // in the same order whatever stands beside it.
  const std::size_t rows = std::max<std::size_t>(kUnembeddingFloats / embed, 1);
  for (std::size_t first = 0; first < vocabulary; first += rows) {
    const WeightView weight{unembedding_.weight.numbers + first * embed * PrecisionBytes(unembedding_.weight.precision),
                            unembedding_.weight.precision};
    const float* bias = unembedding_.bias.empty() ? nullptr : unembedding_.bias.data() + first;
    for (std::size_t i = 0; i < count; ++i) {
      Apply(weight, bias, std::min(rows, vocabulary - first), before_unembedding.subspan(i * embed, embed), embed,
            out.data() + i * vocabulary + first);
    }
  }
  for (std::size_t i = 0; i < count; ++i) Softmax(out.subspan(i * vocabulary, vocabulary));
}

std::vector<float> PromptForward::NextTokenProbabilities(std::span<const TokenId> tokens) const {
  std::vector<float> probabilities(Size(model_.shape.vocabulary_size));
  NextTokenProbabilities(BeforeUnembedding(tokens), probabilities);
  return probabilities;
}

void PromptForward::RunBlocks(std::vector<float>& residual, Activations* activations, std::size_t block_count) const {
  const std::size_t embed = Size(model_.shape.embed);
  const std::size_t hidden = Size(model_.shape.hidden);
  const std::size_t columns = (model_.gated ? 2 : 1) * hidden;
  const std::size_t positions = residual.size() / embed;
  const auto keep = [&](std::vector<std::vector<float>>& outputs, const std::vector<float>& rows) {
    outputs.emplace_back(rows.begin() + (beginning_ ? model_.shape.embed : 0), rows.end());
  };
  std::vector<float> output(residual.size());
  std::vector<float> wide(positions * columns);
  std::vector<float> activated(positions * hidden);
  for (const Block& block : std::span(blocks_).first(block_count)) {
    const std::vector<float> attended = Attend(block, NormalizeRows(block.attention_norm, residual), positions);
    std::vector<float> normed;
    if (model_.parallel) normed = NormalizeRows(block.ffwd_norm, residual);
    Apply(block.proj.weight, block.proj.bias, embed, attended, attended.size() / positions, output.data());
    AddTo(residual, output);
    if (activations != nullptr) keep(activations->proj, output);

    if (!model_.parallel) normed = NormalizeRows(block.ffwd_norm, residual);
    Apply(block.ffwd_in.weight, block.ffwd_in.bias, columns, normed, embed, wide.data());
    for (std::size_t position = 0; position < positions; ++position) {
      const float* row = wide.data() + position * columns;
      for (std::size_t i = 0; i < hidden; ++i) {
        const float number = Activated(row[i], model_.activation);
        activated[position * hidden + i] = model_.gated ? number * row[hidden + i] : number;
      }
    }
    Apply(block.ffwd_out.weight, block.ffwd_out.bias, embed, activated, hidden, output.data());
    AddTo(residual, output);
    if (activations == nullptr) continue;
    keep(activations->ffwd, output);
    keep(activations->residual, residual);
  }
}

// positions x heads * head_size: the heads' outputs side by side.
std::vector<float> PromptForward::Attend(const Block& block, std::span<const float> normed,
                                         std::size_t positions) const {
  const std::size_t size = Size(model_.shape.head_size);
  const std::size_t heads = Size(model_.shape.heads);
  const std::size_t groups = Size(model_.key_value_heads);
  const std::size_t stride = Size(model_.qkv_size());
  const float scale = 1 / std::sqrt(static_cast<float>(size));
  std::vector<float> qkv(positions * stride);
  Apply(block.qkv.weight, block.qkv.bias, stride, normed, Size(model_.shape.embed), qkv.data());
  for (std::size_t position = 0; position < positions; ++position) {
    float* row = qkv.data() + position * stride;
    for (std::size_t head = 0; head < heads; ++head) FinishHead(row + head * size, block.query_norm, position);
    for (std::size_t group = 0; group < groups; ++group) {
      FinishHead(row + (heads + group) * size, block.key_norm, position);
    }
  }
  std::vector<float> attended(positions * heads * size);
  // Of one group, without gaps.
  std::vector<float> keys(positions * size);
  std::vector<float> weights(positions);
  for (std::size_t head = 0; head < heads; ++head) {
    const std::size_t group = head * groups / heads;
    if (head % (heads / groups) == 0) {
      for (std::size_t position = 0; position < positions; ++position) {
        std::copy_n(qkv.data() + position * stride + (heads + group) * size, size, keys.data() + position * size);
      }
    }
    for (std::size_t position = 0; position < positions; ++position) {
      const std::span<float> seen = std::span(weights).first(position + 1);
      DotProducts(keys.data(), seen.size(), size, qkv.data() + position * stride + head * size, 1, seen.data());
      std::ranges::transform(seen, seen.begin(), [scale](float score) { return score * scale; });
      Softmax(seen);
      float* out = attended.data() + (position * heads + head) * size;
      for (std::size_t earlier = 0; earlier < seen.size(); ++earlier) {
        const float* value = qkv.data() + earlier * stride + (heads + groups + group) * size;
        for (std::size_t i = 0; i < size; ++i) out[i] += seen[earlier] * value[i];
      }
    }
  }
  return attended;
}

void PromptForward::FinishHead(float* numbers, const NormLayer& norm, std::size_t position) const {
  if (model_.query_key_norm) Normalize(norm, numbers, numbers);
  for (std::size_t i = 0; i < frequencies_.size(); ++i) {
    const double angle = static_cast<double>(position) * frequencies_[i];
    const auto cosine = static_cast<float>(std::cos(angle));
    const auto sine = static_cast<float>(std::sin(angle));
    const float a = numbers[i];
    const float b = numbers[i + frequencies_.size()];
    numbers[i] = a * cosine - b * sine;
    numbers[i + frequencies_.size()] = b * cosine + a * sine;
  }
}

void PromptForward::Normalize(const NormLayer& norm, const float* row, float* out) const {
  const std::size_t size = norm.weight.size();
  double mean = 0;
  if (norm.kind == Norm::kLayer) {
    for (std::size_t i = 0; i < size; ++i) mean += row[i];
    mean /= static_cast<double>(size);
  }
  double variance = 0;
  for (std::size_t i = 0; i < size; ++i) variance += (row[i] - mean) * (row[i] - mean);
  variance /= static_cast<double>(size);
  const double scale = 1 / std::sqrt(variance + static_cast<double>(static_cast<float>(model_.norm_epsilon)));
  for (std::size_t i = 0; i < size; ++i) {
    out[i] = static_cast<float>((row[i] - mean) * scale) * norm.weight[i] + (norm.bias.empty() ? 0.0F : norm.bias[i]);
  }
}

std::vector<float> PromptForward::NormalizeRows(const NormLayer& norm, std::span<const float> rows) const {
  const std::size_t embed = Size(model_.shape.embed);
  std::vector<float> normed(rows.size());
  for (std::size_t begin = 0; begin < rows.size(); begin += embed) {
    Normalize(norm, rows.data() + begin, normed.data() + begin);
  }
  return normed;
}

}  // namespace actkin
