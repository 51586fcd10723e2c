#include "schema/model_description.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>
#include <utility>

#include "schema/error.h"
#include "schema/text.h"

namespace actkin {
namespace {

using nlohmann::json;

constexpr std::array<std::pair<Norm, std::string_view>, 2> kNorms{{{Norm::kLayer, "layer"}, {Norm::kRms, "rms"}}};
constexpr std::array<std::pair<Activation, std::string_view>, 4> kActivations{{{Activation::kRelu, "relu"},
                                                                               {Activation::kGelu, "gelu"},
                                                                               {Activation::kGeluTanh, "gelu_tanh"},
                                                                               {Activation::kSilu, "silu"}}};
constexpr std::array<std::pair<RotaryScaling, std::string_view>, 3> kScalings{
    {{RotaryScaling::kNone, "none"}, {RotaryScaling::kLinear, "linear"}, {RotaryScaling::kLlama3, "llama3"}}};

template <typename Names, typename Value>
std::string_view NameIn(const Names& names, Value value) {
  for (const auto& [known, name] : names) {
    if (known == value) return name;
  }
  Fail("a value of {} has no name", static_cast<int>(value));
}

template <typename Names>
auto ValueIn(const Names& names, const std::string& name, const std::string& where) {
  for (const auto& [value, known] : names) {
    if (known == name) return value;
  }
  FailDamaged("{}: {} is not part of a model's description", where, Quote(name));
}

// Llama 3.1's: wavelengths beyond original_context / low_frequency_factor are stretched by `factor`, those below
// original_context / high_frequency_factor are left, and what is between is mixed linearly in 1 / wavelength
// ("rope_type": "llama3" of the Hugging Face configuration).
double Llama3Frequency(double frequency, const Rotary& rotary) {
  const double turns = static_cast<double>(rotary.original_context) * frequency / (2 * std::numbers::pi);
  if (turns < rotary.low_frequency_factor) return frequency / rotary.factor;
  if (turns > rotary.high_frequency_factor) return frequency;
  const double share =
      (turns - rotary.low_frequency_factor) / (rotary.high_frequency_factor - rotary.low_frequency_factor);
  return (1 - share) * frequency / rotary.factor + share * frequency;
}

}  // namespace

std::string ShapeText(const std::vector<std::int64_t>& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

std::string_view Name(Activation activation) { return NameIn(kActivations, activation); }

std::vector<double> RotaryFrequencies(const Rotary& rotary) {
  std::vector<double> frequencies;
  for (std::int64_t i = 0; i < rotary.dimensions / 2; ++i) {
    double frequency =
        std::pow(rotary.base, -2.0 * static_cast<double>(i) / static_cast<double>(rotary.frequency_dimensions));
    if (rotary.scaling == RotaryScaling::kLinear) frequency /= rotary.factor;
    if (rotary.scaling == RotaryScaling::kLlama3) frequency = Llama3Frequency(frequency, rotary);
    frequencies.push_back(frequency);
  }
  return frequencies;
}

std::int64_t ModelDescription::longest_sequence() const {
  return sliding_window == 0 ? shape.context : std::min(shape.context, sliding_window);
}

std::string BlockTensor(std::string_view rest, std::int64_t block) { return fmt::format("blocks.{}.{}", block, rest); }

CanonicalTensors TensorsOf(const ModelDescription& description) {
  const ModelShape& shape = description.shape;
  CanonicalTensors tensors;
  const auto norm = [&](const std::string& name, std::int64_t size, bool may_have_bias) {
    tensors.required[name + ".weight"] = {size};
    if (may_have_bias) tensors.optional[name + ".bias"] = {size};
  };
  const auto layer = [&](const std::string& name, std::int64_t outputs, std::int64_t inputs) {
    tensors.required[name + ".weight"] = {outputs, inputs};
    tensors.optional[name + ".bias"] = {outputs};
  };
  const bool biased = description.norm == Norm::kLayer;
  tensors.required["token_embedding.weight"] = {shape.vocabulary_size, shape.embed};
  if (description.has_position_table()) tensors.required["position_embedding.weight"] = {shape.context, shape.embed};
  for (std::int64_t block = 0; block < shape.blocks; ++block) {
    norm(BlockTensor("attention_norm", block), shape.embed, biased);
    layer(BlockTensor("qkv", block), description.qkv_size(), shape.embed);
    if (description.query_key_norm) {
      norm(BlockTensor("query_norm", block), shape.head_size, false);
      norm(BlockTensor("key_norm", block), shape.head_size, false);
    }
    layer(BlockTensor("proj", block), shape.embed, description.attention_size());
    norm(BlockTensor("ffwd_norm", block), shape.embed, biased);
    layer(BlockTensor("ffwd_in", block), (description.gated ? 2 : 1) * shape.hidden, shape.embed);
    layer(BlockTensor("ffwd_out", block), shape.embed, shape.hidden);
  }
  norm("final_norm", shape.embed, biased);
  tensors.optional["unembedding.weight"] = {shape.vocabulary_size, shape.embed};
  tensors.optional["unembedding.bias"] = {shape.vocabulary_size};
  return tensors;
}

void RequireTensorsOf(const ModelDescription& description, const TensorShapes& tensors, const std::string& file) {
  const CanonicalTensors expected = TensorsOf(description);
  for (const auto& [name, shape] : expected.required) {
    if (!tensors.contains(name)) Fail("{}: tensor {} is missing", file, name);
  }
  for (const auto& [name, shape] : tensors) {
    auto found = expected.required.find(name);
    if (found == expected.required.end()) found = expected.optional.find(name);
    if (found == expected.optional.end()) {
      Fail("{}: tensor {} is not part of a model with {} blocks", file, QuoteIfEscaped(name), description.shape.blocks);
    }
    if (found->second != shape) {
      Fail("{}: tensor {} has shape {}, expected {}", file, name, ShapeText(shape), ShapeText(found->second));
    }
  }
}

void RequirePossible(const ModelDescription& description, const std::string& where) {
  const auto number = [&](const char* what, std::int64_t value, std::int64_t least, std::int64_t most) {
    if (value < least || value > most) Fail("{}: {} is {}, expected {} to {}", where, what, value, least, most);
  };
  constexpr std::int64_t kMost = std::int64_t{1} << 20;  // of what is no number of tokens
  constexpr std::int64_t kMostTokens = std::int64_t{1} << 31;
  constexpr std::int64_t kMostBlocks = 10000;
  const ModelShape& shape = description.shape;
  number("the number of tokens", shape.vocabulary_size, 1, kMostTokens);
  number("the context", shape.context, 1, kMostTokens);
  number("the width", shape.embed, 1, kMost);
  number("the number of blocks", shape.blocks, 1, kMostBlocks);
  number("the number of heads", shape.heads, 1, kMost);
  number("the size of a head", shape.head_size, 1, kMost);
  number("the feed-forward width", shape.hidden, 1, kMost);
  number("the number of key and value heads", description.key_value_heads, 1, shape.heads);
  number("the sliding window", description.sliding_window, 0, kMostTokens);
  number("the rotary part of a head", description.rotary.dimensions, 0, shape.head_size);
  if (shape.heads % description.key_value_heads != 0) {
    Fail("{}: {} heads cannot share {} key and value heads evenly", where, shape.heads, description.key_value_heads);
  }
  if (description.rotary.dimensions % 2 != 0) {
    Fail("{}: {} numbers of a head are turned, expected an even number", where, description.rotary.dimensions);
  }
  const auto positive = [&](const char* what, double value) {
    if (!std::isfinite(value) || value <= 0) Fail("{}: {} is {}, expected more than 0", where, what, value);
  };
  positive("the norms' epsilon", description.norm_epsilon);
  const Rotary& rotary = description.rotary;
  if (rotary.dimensions == 0) return;
  number("the exponent's divisor of the rotary positions", rotary.frequency_dimensions, 1, rotary.dimensions);
  positive("the rotary base", rotary.base);
  positive("the rotary scaling's factor", rotary.factor);
  if (rotary.scaling != RotaryScaling::kLlama3) return;
  positive("the rotary scaling's low_freq_factor", rotary.low_frequency_factor);
  positive("the rotary scaling's high_freq_factor", rotary.high_frequency_factor);
  number("the rotary scaling's original context", rotary.original_context, 1, kMostTokens);
  if (rotary.high_frequency_factor <= rotary.low_frequency_factor) {
    Fail("{}: the rotary scaling's high_freq_factor {} is not above its low_freq_factor {}", where,
         rotary.high_frequency_factor, rotary.low_frequency_factor);
  }
}

std::string DescriptionJson(const ModelDescription& description) {
  const ModelShape& shape = description.shape;
  const Rotary& rotary = description.rotary;
  json written{{"family", description.family},
               {"vocabulary_size", shape.vocabulary_size},
               {"context", shape.context},
               {"embed", shape.embed},
               {"blocks", shape.blocks},
               {"heads", shape.heads},
               {"head_size", shape.head_size},
               {"hidden", shape.hidden},
               {"key_value_heads", description.key_value_heads},
               {"sliding_window", description.sliding_window},
               {"norm", NameIn(kNorms, description.norm)},
               {"norm_epsilon", description.norm_epsilon},
               {"activation", Name(description.activation)},
               {"gated", description.gated},
               {"parallel", description.parallel},
               {"query_key_norm", description.query_key_norm},
               {"rotary",
                {{"dimensions", rotary.dimensions},
                 {"frequency_dimensions", rotary.frequency_dimensions},
                 {"base", rotary.base},
                 {"scaling", NameIn(kScalings, rotary.scaling)},
                 {"factor", rotary.factor},
                 {"low_frequency_factor", rotary.low_frequency_factor},
                 {"high_frequency_factor", rotary.high_frequency_factor},
                 {"original_context", rotary.original_context}}}};
  return written.dump();
}

ModelDescription ParseDescription(std::string_view text, const std::string& where) {
  ModelDescription description;
  try {
    const json read = json::parse(text);
    ModelShape& shape = description.shape;
    read.at("family").get_to(description.family);
    read.at("vocabulary_size").get_to(shape.vocabulary_size);
    read.at("context").get_to(shape.context);
    read.at("embed").get_to(shape.embed);
    read.at("blocks").get_to(shape.blocks);
    read.at("heads").get_to(shape.heads);
    read.at("head_size").get_to(shape.head_size);
    read.at("hidden").get_to(shape.hidden);
    read.at("key_value_heads").get_to(description.key_value_heads);
    read.at("sliding_window").get_to(description.sliding_window);
    description.norm = ValueIn(kNorms, read.at("norm").get<std::string>(), where);
    read.at("norm_epsilon").get_to(description.norm_epsilon);
    description.activation = ValueIn(kActivations, read.at("activation").get<std::string>(), where);
    read.at("gated").get_to(description.gated);
    read.at("parallel").get_to(description.parallel);
    read.at("query_key_norm").get_to(description.query_key_norm);
    const json& rotary = read.at("rotary");
    rotary.at("dimensions").get_to(description.rotary.dimensions);
    rotary.at("frequency_dimensions").get_to(description.rotary.frequency_dimensions);
    rotary.at("base").get_to(description.rotary.base);
    description.rotary.scaling = ValueIn(kScalings, rotary.at("scaling").get<std::string>(), where);
    rotary.at("factor").get_to(description.rotary.factor);
    rotary.at("low_frequency_factor").get_to(description.rotary.low_frequency_factor);
    rotary.at("high_frequency_factor").get_to(description.rotary.high_frequency_factor);
    rotary.at("original_context").get_to(description.rotary.original_context);
  } catch (const json::exception&) {
    FailDamaged("{}: its description of the model is not what actkin writes", where);
  }
  RequirePossible(description, where);
  return description;
}

}  // namespace actkin
