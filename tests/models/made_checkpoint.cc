#include "tests/models/made_checkpoint.h"

#include <bit>
#include <cstring>
#include <fstream>
#include <random>
#include <vector>

#include "schema/error.h"
#include "storage/exchange/safetensors.h"
#include "storage/machine/file.h"
#include "storage/machine/float16.h"

namespace actkin {
namespace {

using nlohmann::json;

std::size_t Size(std::int64_t size) { return static_cast<std::size_t>(size); }

// What a number of a smaller type holds of it: bfloat16 by cutting the lower half off.
void RoundTo(const std::string& type, std::vector<float>& numbers) {
  for (float& number : numbers) {
    if (type == "F16") {
      std::uint16_t half = 0;
      EncodeFloat16(&number, 1, &half);
      DecodeFloat16(&half, 1, &number);
    } else if (type == "BF16") {
      number = std::bit_cast<float>(std::bit_cast<std::uint32_t>(number) & 0xFFFF0000U);
    }
  }
}

void RoundTo(const std::string& type, MadeLayer& layer) {
  RoundTo(type, layer.weight);
  if (layer.bias) RoundTo(type, *layer.bias);
}

void RoundTo(const std::string& type, MadeDecoder& decoder) {
  RoundTo(type, decoder.tokens);
  RoundTo(type, decoder.positions);
  for (MadeDecoder::Block& block : decoder.blocks) {
    for (MadeLayer* layer : {&block.attention_norm, &block.query_norm, &block.key_norm, &block.proj, &block.ffwd_norm,
                             &block.gate, &block.up, &block.down}) {
      RoundTo(type, *layer);
    }
    for (auto* heads : {&block.queries, &block.keys, &block.values}) {
      for (MadeLayer& head : *heads) RoundTo(type, head);
    }
  }
  RoundTo(type, decoder.final_norm);
  RoundTo(type, decoder.unembedding);
}

std::string Encoded(const std::string& type, const std::vector<float>& numbers) {
  std::string bytes;
  for (const float number : numbers) {
    if (type == "F32") {
      bytes.append(reinterpret_cast<const char*>(&number), sizeof(number));
      continue;
    }
    std::uint16_t half = 0;
    if (type == "F16") {
      EncodeFloat16(&number, 1, &half);
    } else {
      half = static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(number) >> 16);
    }
    bytes.append(reinterpret_cast<const char*>(&half), sizeof(half));
  }
  return bytes;
}

struct WrittenTensor {
  std::string name;
  std::vector<std::int64_t> shape;
  std::vector<float> numbers;
};

// Collects a family's tensors.
class Writer {
 public:
  Writer(std::string prefix) : prefix_(std::move(prefix)) {}

  void Add(const std::string& name, std::vector<std::int64_t> shape, std::vector<float> numbers) {
    tensors.push_back({prefix_ + name, std::move(shape), std::move(numbers)});
  }
  void AddOutside(const std::string& name, std::vector<std::int64_t> shape, std::vector<float> numbers) {
    tensors.push_back({name, std::move(shape), std::move(numbers)});
  }
  void Norm(const std::string& name, const MadeLayer& norm) {
    Add(name + ".weight", {static_cast<std::int64_t>(norm.weight.size())}, norm.weight);
    if (norm.bias) Add(name + ".bias", {static_cast<std::int64_t>(norm.bias->size())}, *norm.bias);
  }
  // As torch.nn.Linear, or transposed as Conv1D.
  void Linear(const std::string& name, const MadeLayer& layer, std::int64_t inputs, bool conv = false) {
    const auto outputs = static_cast<std::int64_t>(layer.weight.size()) / inputs;
    if (conv) {
      std::vector<float> transposed(layer.weight.size());
      for (std::int64_t o = 0; o < outputs; ++o) {
        for (std::int64_t i = 0; i < inputs; ++i) {
          transposed[Size(i * outputs + o)] = layer.weight[Size(o * inputs + i)];
        }
      }
      Add(name + ".weight", {inputs, outputs}, transposed);
    } else {
      Add(name + ".weight", {outputs, inputs}, layer.weight);
    }
    if (layer.bias) Add(name + ".bias", {outputs}, *layer.bias);
  }

  std::vector<WrittenTensor> tensors;

 private:
  std::string prefix_;
};

void Append(MadeLayer& whole, const MadeLayer& part) {
  whole.weight.insert(whole.weight.end(), part.weight.begin(), part.weight.end());
  if (!part.bias) return;
  if (!whole.bias) whole.bias.emplace();
  whole.bias->insert(whole.bias->end(), part.bias->begin(), part.bias->end());
}

MadeLayer Joined(const std::vector<MadeLayer>& parts) {
  MadeLayer whole{{}};
  for (const MadeLayer& part : parts) Append(whole, part);
  return whole;
}

std::vector<WrittenTensor> Gpt2Tensors(const MadeDecoder& decoder, const CheckpointStyle& style) {
  const ModelShape& shape = decoder.description.shape;
  Writer out(style.prefix ? "transformer." : "");
  out.Add("wte.weight", {shape.vocabulary_size, shape.embed}, decoder.tokens);
  out.Add("wpe.weight", {shape.context, shape.embed}, decoder.positions);
  for (std::size_t n = 0; n < decoder.blocks.size(); ++n) {
    const MadeDecoder::Block& block = decoder.blocks[n];
    const std::string at = fmt::format("h.{}.", n);
    out.Norm(at + "ln_1", block.attention_norm);
    MadeLayer qkv = Joined(block.queries);
    Append(qkv, Joined(block.keys));
    Append(qkv, Joined(block.values));
    out.Linear(at + "attn.c_attn", qkv, shape.embed, true);
    out.Linear(at + "attn.c_proj", block.proj, shape.embed, true);
    out.Norm(at + "ln_2", block.ffwd_norm);
    out.Linear(at + "mlp.c_fc", block.up, shape.embed, true);
    out.Linear(at + "mlp.c_proj", block.down, shape.hidden, true);
    if (!style.masks) continue;
    out.Add(at + "attn.bias", {1, 1, 2, 2}, {1, 0, 1, 1});
    out.Add(at + "attn.masked_bias", {}, {-10000});
  }
  out.Norm("ln_f", decoder.final_norm);
  if (!decoder.tied) {
    out.AddOutside("lm_head.weight", {shape.vocabulary_size, shape.embed}, decoder.unembedding.weight);
  }
  return out.tensors;
}

std::vector<WrittenTensor> NeoxTensors(const MadeDecoder& decoder, const CheckpointStyle& style) {
  const ModelShape& shape = decoder.description.shape;
  Writer out(style.prefix ? "gpt_neox." : "");
  out.Add("embed_in.weight", {shape.vocabulary_size, shape.embed}, decoder.tokens);
  for (std::size_t n = 0; n < decoder.blocks.size(); ++n) {
    const MadeDecoder::Block& block = decoder.blocks[n];
    const std::string at = fmt::format("layers.{}.", n);
    MadeLayer fused{{}};
    for (std::size_t head = 0; head < block.queries.size(); ++head) {
      for (const auto* kind : {&block.queries, &block.keys, &block.values}) Append(fused, (*kind)[head]);
    }
    out.Norm(at + "input_layernorm", block.attention_norm);
    out.Linear(at + "attention.query_key_value", fused, shape.embed);
    out.Linear(at + "attention.dense", block.proj, shape.embed);
    out.Norm(at + "post_attention_layernorm", block.ffwd_norm);
    out.Linear(at + "mlp.dense_h_to_4h", block.up, shape.embed);
    out.Linear(at + "mlp.dense_4h_to_h", block.down, shape.hidden);
  }
  out.Norm("final_layer_norm", decoder.final_norm);
  if (!decoder.tied) {
    out.AddOutside("embed_out.weight", {shape.vocabulary_size, shape.embed}, decoder.unembedding.weight);
  }
  return out.tensors;
}

std::vector<WrittenTensor> LlamaTensors(const MadeDecoder& decoder, const CheckpointStyle& style) {
  const ModelDescription& model = decoder.description;
  const ModelShape& shape = model.shape;
  Writer out(style.prefix ? "model." : "");
  out.Add("embed_tokens.weight", {shape.vocabulary_size, shape.embed}, decoder.tokens);
  for (std::size_t n = 0; n < decoder.blocks.size(); ++n) {
    const MadeDecoder::Block& block = decoder.blocks[n];
    const std::string at = fmt::format("layers.{}.", n);
    out.Norm(at + "input_layernorm", block.attention_norm);
    out.Linear(at + "self_attn.q_proj", Joined(block.queries), shape.embed);
    out.Linear(at + "self_attn.k_proj", Joined(block.keys), shape.embed);
    out.Linear(at + "self_attn.v_proj", Joined(block.values), shape.embed);
    if (model.query_key_norm) {
      out.Norm(at + "self_attn.q_norm", block.query_norm);
      out.Norm(at + "self_attn.k_norm", block.key_norm);
    }
    out.Linear(at + "self_attn.o_proj", block.proj, model.attention_size());
    out.Norm(at + "post_attention_layernorm", block.ffwd_norm);
    out.Linear(at + "mlp.gate_proj", block.gate, shape.embed);
    out.Linear(at + "mlp.up_proj", block.up, shape.embed);
    out.Linear(at + "mlp.down_proj", block.down, shape.hidden);
  }
  out.Norm("norm", decoder.final_norm);
  if (!decoder.tied) {
    out.AddOutside("lm_head.weight", {shape.vocabulary_size, shape.embed}, decoder.unembedding.weight);
  }
  return out.tensors;
}

void WriteShard(const std::filesystem::path& path, const std::string& type, const std::vector<WrittenTensor>& tensors) {
  std::vector<SafetensorsHeaderEntry> entries;
  std::string data;
  for (const WrittenTensor& tensor : tensors) {
    const std::string bytes = Encoded(type, tensor.numbers);
    entries.push_back({tensor.name, type, tensor.shape, bytes.size()});
    data += bytes;
  }
  ReplaceFile(path, SafetensorsHeader(entries, {{"format", "pt"}}) + data);
}

const char* ActivationName(Activation activation) {
  switch (activation) {
    case Activation::kRelu:
      return "relu";
    case Activation::kGelu:
      return "gelu";
    case Activation::kGeluTanh:
      return "gelu_new";
    case Activation::kSilu:
      break;
  }
  return "silu";
}

}  // namespace

MadeDecoder MakeDecoderOf(const std::string& model_type, unsigned seed) {
  std::mt19937 generator(seed);
  const auto among = [&](std::int64_t least, std::int64_t most) {
    return std::uniform_int_distribution<std::int64_t>(least, most)(generator);
  };
  const auto some = [&] { return among(0, 1) == 1; };
  ModelDescription model{.family = model_type};
  ModelShape& shape = model.shape;
  shape.vocabulary_size = among(5, 90);
  shape.context = among(9, 40);
  shape.blocks = among(1, 3);
  shape.hidden = among(1, 70);
  const bool is_gpt2 = model_type == "gpt2";
  const bool is_neox = model_type == "gpt_neox";
  const bool is_llama = !is_gpt2 && !is_neox;
  const std::int64_t groups = among(1, 3);
  shape.heads = is_llama ? groups * among(1, 3) : among(1, 4);
  model.key_value_heads = is_llama ? groups : shape.heads;
  shape.head_size = 2 * among(1, 9);
  // Only some families may have heads that are not as wide together as the model.
  shape.embed = is_llama && some() ? among(2, 50) : shape.heads * shape.head_size;
  model.norm = is_llama ? Norm::kRms : Norm::kLayer;
  model.norm_epsilon = some() ? 1e-5 : 1e-6;
  const std::vector<Activation> activations{Activation::kRelu, Activation::kGelu, Activation::kGeluTanh,
                                            Activation::kSilu};
  model.activation = activations[Size(among(0, 3))];
  model.gated = is_llama;
  model.parallel = is_neox && some();
  model.query_key_norm = model_type == "qwen3";
  if (!is_gpt2) {
    Rotary& rotary = model.rotary;
    rotary.frequency_dimensions = is_neox ? among(1, shape.head_size) : shape.head_size;
    rotary.dimensions = (rotary.frequency_dimensions + 1) / 2 * 2;
    rotary.base = some() ? 10000 : 500000;
    rotary.scaling =
        std::vector{RotaryScaling::kNone, RotaryScaling::kLinear, RotaryScaling::kLlama3}[Size(among(0, 2))];
    if (rotary.scaling != RotaryScaling::kNone) rotary.factor = 4;
    if (rotary.scaling == RotaryScaling::kLlama3) {
      rotary.low_frequency_factor = 1;
      rotary.high_frequency_factor = 4;
      rotary.original_context = 12;
    }
  }
  MadeBiases biases;
  biases.norms = !is_llama;
  biases.qkv = is_gpt2 || model_type == "qwen2" || (model_type != "mistral" && some());
  biases.proj = is_gpt2 || (model_type != "qwen2" && biases.qkv);
  biases.ffwd = !is_llama || (model_type == "llama" && some());
  return MakeDecoder(model, biases, some(), seed + 1);
}

json ConfigOf(const MadeDecoder& decoder) {
  const ModelDescription& model = decoder.description;
  const ModelShape& shape = model.shape;
  json config{{"model_type", model.family},
              {"vocab_size", shape.vocabulary_size},
              {"tie_word_embeddings", decoder.tied},
              {"transformers_version", "4.40.0"}};
  if (model.family == "gpt2") {
    config.update({{"n_positions", shape.context},
                   {"n_embd", shape.embed},
                   {"n_layer", shape.blocks},
                   {"n_head", shape.heads},
                   {"n_inner", shape.hidden},
                   {"activation_function", ActivationName(model.activation)},
                   {"layer_norm_epsilon", model.norm_epsilon}});
    return config;
  }
  config.update({{"max_position_embeddings", shape.context},
                 {"hidden_size", shape.embed},
                 {"num_hidden_layers", shape.blocks},
                 {"num_attention_heads", shape.heads},
                 {"intermediate_size", shape.hidden},
                 {"hidden_act", ActivationName(model.activation)}});
  const MadeDecoder::Block& block = decoder.blocks.front();
  if (model.family != "qwen2" && model.family != "mistral") {
    config["attention_bias"] = block.queries.front().bias.has_value();
  }
  json rope{{"rope_theta", model.rotary.base}, {"rope_type", "default"}};
  if (model.rotary.scaling == RotaryScaling::kLinear) rope.update({{"rope_type", "linear"}, {"factor", 4.0}});
  if (model.rotary.scaling == RotaryScaling::kLlama3) {
    rope.update({{"rope_type", "llama3"},
                 {"factor", 4.0},
                 {"low_freq_factor", 1.0},
                 {"high_freq_factor", 4.0},
                 {"original_max_position_embeddings", 12}});
  }
  if (model.family == "gpt_neox") {
    config["layer_norm_eps"] = model.norm_epsilon;
    config["use_parallel_residual"] = model.parallel;
    // A little more, so that the share times the size is not cut below the number.
    config["rotary_pct"] =
        (static_cast<double>(model.rotary.frequency_dimensions) + 1e-6) / (static_cast<double>(shape.head_size) + 1e-6);
    config["rotary_emb_base"] = model.rotary.base;
    if (model.rotary.scaling != RotaryScaling::kNone) {
      rope.erase("rope_theta");
      config["rope_scaling"] = rope;
    }
    return config;
  }
  config["rms_norm_eps"] = model.norm_epsilon;
  config["num_key_value_heads"] = model.key_value_heads;
  config["head_dim"] = shape.head_size;
  config["rope_parameters"] = rope;
  if (model.family == "llama") config["mlp_bias"] = block.up.bias.has_value();
  if (model.family == "mistral") config["sliding_window"] = nullptr;
  return config;
}

void WriteCheckpoint(const std::filesystem::path& folder, MadeDecoder& decoder, const CheckpointStyle& style) {
  RoundTo(style.type, decoder);
  const std::string& family = decoder.description.family;
  const std::vector<WrittenTensor> tensors = family == "gpt2"       ? Gpt2Tensors(decoder, style)
                                             : family == "gpt_neox" ? NeoxTensors(decoder, style)
                                                                    : LlamaTensors(decoder, style);
  std::filesystem::create_directories(folder);
  ReplaceFile(folder / "config.json", ConfigOf(decoder).dump(2));
  if (style.shards == 1) return WriteShard(folder / "model.safetensors", style.type, tensors);
  json map = json::object();
  std::vector<std::vector<WrittenTensor>> shards(Size(style.shards));
  for (std::size_t i = 0; i < tensors.size(); ++i) shards[i % shards.size()].push_back(tensors[i]);
  for (std::size_t i = 0; i < shards.size(); ++i) {
    const std::string name = fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards.size());
    WriteShard(folder / name, style.type, shards[i]);
    for (const WrittenTensor& tensor : shards[i]) map[tensor.name] = name;
  }
  ReplaceFile(folder / "model.safetensors.index.json", json{{"metadata", json::object()}, {"weight_map", map}}.dump());
}

}  // namespace actkin
