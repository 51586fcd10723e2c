#include "tests/models/made_decoder.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>

namespace actkin {
namespace {

std::size_t AsSize(std::int64_t size) { return static_cast<std::size_t>(size); }

class Maker {
 public:
  explicit Maker(unsigned seed) : generator_(seed) {}

  std::vector<float> Numbers(std::size_t count, float around, float size) {
    std::vector<float> numbers(count);
    for (float& number : numbers) number = around + size * normal_(generator_);
    return numbers;
  }
  MadeLayer Layer(std::int64_t outputs, std::int64_t inputs, bool bias) {
    const float size = 1 / std::sqrt(static_cast<float>(inputs));
    MadeLayer layer{Numbers(AsSize(outputs * inputs), 0, size)};
    if (bias) layer.bias = Numbers(AsSize(outputs), 0, 0.1F);
    return layer;
  }
  MadeLayer NormLayer(std::int64_t size, bool bias) {
    MadeLayer layer{Numbers(AsSize(size), 1, 0.1F)};
    if (bias) layer.bias = Numbers(AsSize(size), 0, 0.1F);
    return layer;
  }

 private:
  std::mt19937 generator_;
  std::normal_distribution<float> normal_;
};

using Row = std::vector<double>;

Row Apply(const MadeLayer& layer, const Row& in) {
  const std::size_t outputs = layer.weight.size() / in.size();
  Row out(outputs);
  for (std::size_t o = 0; o < outputs; ++o) {
    double sum = layer.bias ? (*layer.bias)[o] : 0.0F;
    for (std::size_t i = 0; i < in.size(); ++i) sum += double{layer.weight[o * in.size() + i]} * in[i];
    out[o] = sum;
  }
  return out;
}

Row Normalized(const MadeLayer& norm, Norm kind, double epsilon, const Row& in) {
  double mean = 0;
  if (kind == Norm::kLayer) {
    for (const double number : in) mean += number / static_cast<double>(in.size());
  }
  double variance = 0;
  for (const double number : in) variance += (number - mean) * (number - mean) / static_cast<double>(in.size());
  Row out(in.size());
  for (std::size_t i = 0; i < in.size(); ++i) {
    out[i] = (in[i] - mean) / std::sqrt(variance + epsilon) * norm.weight[i] + (norm.bias ? (*norm.bias)[i] : 0.0F);
  }
  return out;
}

double Activated(double x, Activation activation) {
  switch (activation) {
    case Activation::kRelu:
      return x > 0 ? x : 0;
    case Activation::kGelu:
      return x * 0.5 * std::erfc(-x / std::numbers::sqrt2);
    case Activation::kGeluTanh:
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * std::pow(x, 3))));
    case Activation::kSilu:
      break;
  }
  return x / (1 + std::exp(-x));
}

// From the definitions that the configurations' rope_type stand for.
double Frequency(const Rotary& rotary, std::int64_t pair) {
  const double plain =
      1 / std::pow(rotary.base, 2.0 * static_cast<double>(pair) / static_cast<double>(rotary.frequency_dimensions));
  if (rotary.scaling == RotaryScaling::kLinear) return plain / rotary.factor;
  if (rotary.scaling == RotaryScaling::kNone) return plain;
  const double wavelength = 2 * std::numbers::pi / plain;
  const auto original = static_cast<double>(rotary.original_context);
  if (wavelength < original / rotary.high_frequency_factor) return plain;
  if (wavelength > original / rotary.low_frequency_factor) return plain / rotary.factor;
  const double smooth = (original / wavelength - rotary.low_frequency_factor) /
                        (rotary.high_frequency_factor - rotary.low_frequency_factor);
  return (1 - smooth) * plain / rotary.factor + smooth * plain;
}

void Turn(const Rotary& rotary, std::size_t position, Row& head) {
  const std::int64_t pairs = rotary.dimensions / 2;
  for (std::int64_t pair = 0; pair < pairs; ++pair) {
    const double angle = static_cast<double>(position) * Frequency(rotary, pair);
    const double a = head[AsSize(pair)];
    const double b = head[AsSize(pair + pairs)];
    head[AsSize(pair)] = a * std::cos(angle) - b * std::sin(angle);
    head[AsSize(pair + pairs)] = b * std::cos(angle) + a * std::sin(angle);
  }
}

// The heads' outputs side by side, of every position.
std::vector<Row> Attend(const MadeDecoder& decoder, const MadeDecoder::Block& block, const std::vector<Row>& normed) {
  const ModelDescription& model = decoder.description;
  const auto rows_of = [&](const MadeLayer& layer, const MadeLayer* norm, bool turn) {
    std::vector<Row> rows;
    for (std::size_t at = 0; at < normed.size(); ++at) {
      Row& row = rows.emplace_back(Apply(layer, normed[at]));
      if (norm != nullptr && model.query_key_norm) row = Normalized(*norm, Norm::kRms, model.norm_epsilon, row);
      if (turn) Turn(model.rotary, at, row);
    }
    return rows;
  };
  const std::size_t per_group = block.queries.size() / block.keys.size();
  std::vector<Row> out(normed.size());
  for (std::size_t h = 0; h < block.queries.size(); ++h) {
    const std::vector<Row> queries = rows_of(block.queries[h], &block.query_norm, true);
    const std::vector<Row> keys = rows_of(block.keys[h / per_group], &block.key_norm, true);
    const std::vector<Row> values = rows_of(block.values[h / per_group], nullptr, false);
    for (std::size_t position = 0; position < normed.size(); ++position) {
      std::vector<double> weights;
      double sum = 0;
      for (std::size_t s = 0; s <= position; ++s) {
        double dot = 0;
        for (std::size_t i = 0; i < keys[s].size(); ++i) dot += queries[position][i] * keys[s][i];
        weights.push_back(std::exp(dot / std::sqrt(static_cast<double>(keys[s].size()))));
        sum += weights.back();
      }
      for (std::size_t i = 0; i < values[0].size(); ++i) {
        double number = 0;
        for (std::size_t s = 0; s <= position; ++s) number += weights[s] / sum * values[s][i];
        out[position].push_back(number);
      }
    }
  }
  return out;
}

void AddTo(Row& sum, const Row& other) {
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += other[i];
}

class TensorsInMemory : public ModelTensors {
 public:
  explicit TensorsInMemory(const ModelDescription& description) : description_(description) {}

  void Add(const std::string& name, std::vector<std::int64_t> shape, std::vector<float> values) {
    types_[name] = {Precision::kFloat32, std::move(shape)};
    values_[name] = std::move(values);
  }
  void AddLayer(const std::string& name, const std::vector<MadeLayer>& parts, std::int64_t inputs) {
    MadeLayer whole{{}};
    for (const MadeLayer& part : parts) {
      whole.weight.insert(whole.weight.end(), part.weight.begin(), part.weight.end());
      if (!part.bias) continue;
      if (!whole.bias) whole.bias.emplace();
      whole.bias->insert(whole.bias->end(), part.bias->begin(), part.bias->end());
    }
    const auto count = static_cast<std::int64_t>(whole.weight.size());
    Add(name + ".weight", inputs == 0 ? std::vector{count} : std::vector{count / inputs, inputs}, whole.weight);
    if (whole.bias) Add(name + ".bias", {static_cast<std::int64_t>(whole.bias->size())}, *whole.bias);
  }

  const ModelDescription& description() const override { return description_; }
  const std::map<std::string, WeightType>& types() const override { return types_; }
  void Read(const std::string& name, std::span<std::byte> out) const override {
    std::memcpy(out.data(), values_.at(name).data(), out.size());
  }

 private:
  ModelDescription description_;
  std::map<std::string, WeightType> types_;
  std::map<std::string, std::vector<float>> values_;
};

}  // namespace

MadeDecoder MakeDecoder(const ModelDescription& description, const MadeBiases& biases, bool tied, unsigned seed) {
  Maker make(seed);
  const ModelShape& shape = description.shape;
  MadeDecoder decoder;
  decoder.description = description;
  decoder.tied = tied;
  decoder.tokens = make.Numbers(AsSize(shape.vocabulary_size * shape.embed), 0, 0.5F);
  if (description.has_position_table()) {
    decoder.positions = make.Numbers(AsSize(shape.context * shape.embed), 0, 0.3F);
  }
  for (std::int64_t number = 0; number < shape.blocks; ++number) {
    MadeDecoder::Block& block = decoder.blocks.emplace_back();
    block.attention_norm = make.NormLayer(shape.embed, biases.norms);
    for (std::int64_t head = 0; head < shape.heads; ++head) {
      block.queries.push_back(make.Layer(shape.head_size, shape.embed, biases.qkv));
    }
    for (std::int64_t head = 0; head < description.key_value_heads; ++head) {
      block.keys.push_back(make.Layer(shape.head_size, shape.embed, biases.qkv));
      block.values.push_back(make.Layer(shape.head_size, shape.embed, biases.qkv));
    }
    block.query_norm = make.NormLayer(shape.head_size, false);
    block.key_norm = make.NormLayer(shape.head_size, false);
    block.proj = make.Layer(shape.embed, description.attention_size(), biases.proj);
    block.ffwd_norm = make.NormLayer(shape.embed, biases.norms);
    block.gate = make.Layer(shape.hidden, shape.embed, biases.ffwd);
    block.up = make.Layer(shape.hidden, shape.embed, biases.ffwd);
    block.down = make.Layer(shape.embed, shape.hidden, biases.ffwd);
  }
  decoder.final_norm = make.NormLayer(shape.embed, biases.norms);
  decoder.unembedding = make.Layer(shape.vocabulary_size, shape.embed, biases.unembedding);
  if (tied) decoder.unembedding.weight = decoder.tokens;
  return decoder;
}

const std::vector<double>& MadeOutputs::Of(Stream stream, std::size_t block) const {
  switch (stream) {
    case Stream::kEmbedding:
      return embedding;
    case Stream::kProj:
      return proj.at(block);
    case Stream::kFfwd:
      return ffwd.at(block);
    case Stream::kResidual:
      break;
  }
  return residual.at(block);
}

MadeDecoder MakeStudyDecoder(const ModelShape& shape, unsigned seed) {
  const ModelDescription description{
      .family = "study", .shape = shape, .key_value_heads = shape.heads, .activation = Activation::kRelu};
  return MakeDecoder(description, {.norms = true, .proj = true, .ffwd = true, .unembedding = true}, false, seed);
}

MadeOutputs RunDecoder(const MadeDecoder& decoder, std::span<const TokenId> tokens) {
  const ModelDescription& model = decoder.description;
  const std::size_t embed = AsSize(model.shape.embed);
  std::vector<Row> x;
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    Row& row = x.emplace_back();
    for (std::size_t i = 0; i < embed; ++i) {
      row.push_back(double{decoder.tokens[tokens[t] * embed + i]} +
                    (decoder.positions.empty() ? 0.0F : decoder.positions[t * embed + i]));
    }
  }
  MadeOutputs activations;
  const auto flat = [](const std::vector<Row>& rows) {
    std::vector<double> numbers;
    for (const Row& row : rows) numbers.insert(numbers.end(), row.begin(), row.end());
    return numbers;
  };
  activations.embedding = flat(x);
  for (const MadeDecoder::Block& block : decoder.blocks) {
    std::vector<Row> normed;
    for (const Row& row : x) {
      normed.push_back(Normalized(block.attention_norm, model.norm, model.norm_epsilon, row));
    }
    std::vector<Row> proj;
    std::vector<Row> ffwd;
    for (const Row& attended : Attend(decoder, block, normed)) proj.push_back(Apply(block.proj, attended));
    for (std::size_t t = 0; t < x.size(); ++t) {
      Row read = x[t];
      if (!model.parallel) AddTo(read, proj[t]);
      read = Normalized(block.ffwd_norm, model.norm, model.norm_epsilon, read);
      Row hidden = Apply(block.up, read);
      const Row gate = model.gated ? Apply(block.gate, read) : Row();
      for (std::size_t i = 0; i < hidden.size(); ++i) {
        hidden[i] =
            model.gated ? Activated(gate[i], model.activation) * hidden[i] : Activated(hidden[i], model.activation);
      }
      ffwd.push_back(Apply(block.down, hidden));
    }
    for (std::size_t t = 0; t < x.size(); ++t) {
      AddTo(x[t], proj[t]);
      AddTo(x[t], ffwd[t]);
    }
    activations.proj.push_back(flat(proj));
    activations.ffwd.push_back(flat(ffwd));
    activations.residual.push_back(flat(x));
  }
  for (const Row& row : x) {
    const Row logits = Apply(decoder.unembedding, Normalized(decoder.final_norm, model.norm, model.norm_epsilon, row));
    activations.logits.insert(activations.logits.end(), logits.begin(), logits.end());
  }
  return activations;
}

std::unique_ptr<ModelTensors> CanonicalTensorsOf(const MadeDecoder& decoder) {
  const ModelDescription& model = decoder.description;
  const ModelShape& shape = model.shape;
  auto tensors = std::make_unique<TensorsInMemory>(model);
  tensors->Add("token_embedding.weight", {shape.vocabulary_size, shape.embed}, decoder.tokens);
  if (!decoder.positions.empty()) {
    tensors->Add("position_embedding.weight", {shape.context, shape.embed}, decoder.positions);
  }
  for (std::int64_t number = 0; number < shape.blocks; ++number) {
    const MadeDecoder::Block& block = decoder.blocks[AsSize(number)];
    std::vector<MadeLayer> qkv = block.queries;
    qkv.insert(qkv.end(), block.keys.begin(), block.keys.end());
    qkv.insert(qkv.end(), block.values.begin(), block.values.end());
    tensors->AddLayer(BlockTensor("attention_norm", number), {block.attention_norm}, 0);
    tensors->AddLayer(BlockTensor("qkv", number), qkv, shape.embed);
    if (model.query_key_norm) {
      tensors->AddLayer(BlockTensor("query_norm", number), {block.query_norm}, 0);
      tensors->AddLayer(BlockTensor("key_norm", number), {block.key_norm}, 0);
    }
    tensors->AddLayer(BlockTensor("proj", number), {block.proj}, model.attention_size());
    tensors->AddLayer(BlockTensor("ffwd_norm", number), {block.ffwd_norm}, 0);
    std::vector<MadeLayer> in;
    if (model.gated) in.push_back(block.gate);
    in.push_back(block.up);
    tensors->AddLayer(BlockTensor("ffwd_in", number), in, shape.embed);
    tensors->AddLayer(BlockTensor("ffwd_out", number), {block.down}, shape.hidden);
  }
  tensors->AddLayer("final_norm", {decoder.final_norm}, 0);
  if (!decoder.tied) tensors->AddLayer("unembedding", {decoder.unembedding}, shape.embed);
  return tensors;
}

std::string ModelFileBytes(const MadeDecoder& decoder) {
  std::string bytes;
  SerializeModel(*CanonicalTensorsOf(decoder), {}, [&](std::span<const std::byte> piece) {
    bytes.append(reinterpret_cast<const char*>(piece.data()), piece.size());
  });
  return bytes;
}

}  // namespace actkin
