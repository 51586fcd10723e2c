#include "indexer/model/config_json.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "schema/error.h"
#include "schema/text.h"

namespace actkin {
namespace {

using nlohmann::json;

// A deeper file is not a configuration; the parser and its destructor recurse.
constexpr int kMaximumDepth = 64;

json ParseObject(std::string_view text, const std::string& where) {
  bool too_deep = false;
  const auto look = [&](int depth, json::parse_event_t, json&) {
    too_deep |= depth > kMaximumDepth;
    return depth <= kMaximumDepth;
  };
  json parsed = json::parse(text, look, /*allow_exceptions=*/false);
  if (too_deep || !parsed.is_object()) Fail("{}: expected a JSON object", where);
  return parsed;
}

Activation ParseActivation(const std::string& name, const std::string& where, std::string_view key) {
  if (name == "relu") return Activation::kRelu;
  if (name == "gelu") return Activation::kGelu;
  if (name == "gelu_new" || name == "gelu_pytorch_tanh" || name == "gelu_fast") return Activation::kGeluTanh;
  if (name == "silu" || name == "swish") return Activation::kSilu;
  Fail(ErrorCode::kUnsupported, "{}: {} is {}: expected relu, gelu, gelu_new, gelu_fast, gelu_pytorch_tanh or silu",
       where, key, Quote(name));
}

class Reader {
 public:
  Reader(const json& config, const Family& family, const std::string& where)
      : config_(config), family_(family), where_(where) {}

  ModelConfig Read() {
    ModelConfig result;
    result.family = &family_;
    ModelDescription& description = result.description;
    ModelShape& shape = description.shape;
    const ConfigNames& names = family_.names;
    description.family = family_.name;
    description.norm = family_.norm;
    description.gated = family_.gated;
    description.query_key_norm = family_.query_key_norm;
    shape.vocabulary_size = RequiredWhole("vocab_size");
    shape.context = RequiredWhole(names.context);
    shape.embed = RequiredWhole(names.embed);
    shape.blocks = RequiredWhole(names.blocks);
    shape.heads = RequiredWhole(names.heads);
    const std::optional<std::int64_t> hidden = Whole(names.hidden);
    // GPT-2's n_inner is null for the usual width.
    shape.hidden = hidden ? *hidden : family_.name == "gpt2" ? 4 * shape.embed : RequiredWhole(names.hidden);
    ReadHeads(description);
    const std::optional<std::string> activation = Text(names.activation);
    description.activation =
        ParseActivation(activation.value_or(std::string(family_.defaults.activation)), where_, names.activation);
    description.norm_epsilon = Real(names.norm_epsilon).value_or(family_.defaults.norm_epsilon);
    description.parallel =
        family_.defaults.parallel && Boolean("use_parallel_residual").value_or(family_.defaults.parallel);
    if (family_.rotary) ReadRotary(description);
    ReadSliding(description);
    result.attention_bias =
        UsesBias(Bias::kAttention) && Boolean("attention_bias").value_or(family_.defaults.attention_bias);
    result.mlp_bias = UsesBias(Bias::kMlp) && Boolean("mlp_bias").value_or(false);
    result.tied = Boolean("tie_word_embeddings").value_or(family_.defaults.tied);
    for (const FixedField& fixed : family_.fixed) RequireFixed(fixed);
    RequireFixed({"is_encoder_decoder", "false"});
    RequireFixed({"tie_encoder_decoder", "false"});
    RefuseUnknown();
    RequirePossible(description, where_);
    return result;
  }

 private:
  bool UsesBias(Bias bias) const {
    for (const TensorRule& rule : family_.tensors) {
      if (rule.bias == bias) return true;
    }
    return false;
  }

  // Null where it is absent or null.
  const json* Find(std::string_view key) {
    read_.insert(std::string(key));
    const auto found = config_.find(std::string(key));
    return found == config_.end() || found->is_null() ? nullptr : &*found;
  }

  std::optional<std::int64_t> WholeOf(const json* value, std::string_view key) const {
    if (value == nullptr) return std::nullopt;
    if (!value->is_number_integer() || (value->is_number_unsigned() && value->get<std::uint64_t>() > INT64_MAX)) {
      Fail("{}: {} is {}, expected a whole number", where_, key, Shown(*value));
    }
    return value->get<std::int64_t>();
  }
  std::optional<double> RealOf(const json* value, std::string_view key) const {
    if (value == nullptr) return std::nullopt;
    if (!value->is_number()) Fail("{}: {} is {}, expected a number", where_, key, Shown(*value));
    return value->get<double>();
  }
  std::optional<std::string> TextOf(const json* value, std::string_view key) const {
    if (value == nullptr) return std::nullopt;
    if (!value->is_string()) Fail("{}: {} is {}, expected a string", where_, key, Shown(*value));
    return value->get<std::string>();
  }
  std::optional<std::int64_t> Whole(std::string_view key) { return WholeOf(Find(key), key); }
  std::optional<double> Real(std::string_view key) { return RealOf(Find(key), key); }
  std::optional<std::string> Text(std::string_view key) { return TextOf(Find(key), key); }
  std::optional<bool> Boolean(std::string_view key) {
    const json* value = Find(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_boolean()) Fail("{}: {} is {}, expected true or false", where_, key, Shown(*value));
    return value->get<bool>();
  }
  std::int64_t RequiredWhole(std::string_view key) {
    const std::optional<std::int64_t> value = Whole(key);
    if (!value) Fail("{}: {} is missing", where_, key);
    return *value;
  }

  static std::string Shown(const json& value) {
    const std::string text = value.dump(-1, ' ', true, json::error_handler_t::replace);
    return text.size() > 80 ? text.substr(0, 80) + "..." : text;
  }

  void ReadHeads(ModelDescription& description) {
    ModelShape& shape = description.shape;
    std::optional<std::int64_t> head_size;
    if (family_.explicit_head_size) head_size = Whole("head_dim");
    if (!head_size) head_size = family_.defaults.head_size;
    if (!head_size) {
      if (shape.heads < 1 || shape.embed % shape.heads != 0) {
        Fail("{}: {} heads do not divide a width of {}", where_, shape.heads, shape.embed);
      }
      head_size = shape.embed / shape.heads;
    }
    shape.head_size = *head_size;
    description.key_value_heads = shape.heads;
    if (!family_.grouped) return;
    const bool given = config_.contains("num_key_value_heads");
    const std::optional<std::int64_t> grouped = Whole("num_key_value_heads");
    description.key_value_heads =
        grouped.value_or(given ? shape.heads : family_.defaults.key_value_heads.value_or(shape.heads));
  }

  // transformers 5 writes rope_parameters, older ones rope_theta and rope_scaling; GPT-NeoX had names of its own.
  void ReadRotary(ModelDescription& description) {
    Rotary& rotary = description.rotary;
    double share = Real("rotary_pct").value_or(family_.defaults.rotary_share);
    share = Real("partial_rotary_factor").value_or(share);
    rotary.base = Real("rotary_emb_base").value_or(10000);
    rotary.base = Real("rope_theta").value_or(rotary.base);
    for (const std::string_view key : {"rope_scaling", "rope_parameters"}) {
      const json* fields = Find(key);
      if (fields == nullptr) continue;
      if (!fields->is_object()) Fail("{}: {} is {}, expected an object", where_, key, Shown(*fields));
      ReadScaling(*fields, std::string(key), description, share);
    }
    if (!(share > 0 && share <= 1)) Fail("{}: {} of a head is turned, expected more than 0, at most 1", where_, share);
    rotary.frequency_dimensions = static_cast<std::int64_t>(static_cast<double>(description.shape.head_size) * share);
    rotary.dimensions = (rotary.frequency_dimensions + 1) / 2 * 2;
    if (rotary.dimensions == 0) Fail("{}: no number of a head of {} is turned", where_, description.shape.head_size);
  }

  void ReadScaling(const json& fields, const std::string& key, ModelDescription& description, double& share) {
    Rotary& rotary = description.rotary;
    const auto find = [&](const char* name) -> const json* {
      const auto found = fields.find(name);
      return found == fields.end() || found->is_null() ? nullptr : &*found;
    };
    const auto full = [&](const char* name) { return key + "." + name; };
    const std::set<std::string> known{"rope_type",
                                      "type",
                                      "rope_theta",
                                      "factor",
                                      "partial_rotary_factor",
                                      "low_freq_factor",
                                      "high_freq_factor",
                                      "original_max_position_embeddings"};
    for (const auto& [name, value] : fields.items()) {
      if (!known.contains(name) && !value.is_null()) {
        Fail(ErrorCode::kUnsupported, "{}: {}.{} is {}: not understood, and it may change the result", where_, key,
             QuoteIfEscaped(name), Shown(value));
      }
    }
    rotary.base = RealOf(find("rope_theta"), full("rope_theta")).value_or(rotary.base);
    share = RealOf(find("partial_rotary_factor"), full("partial_rotary_factor")).value_or(share);
    std::optional<std::string> type = TextOf(find("rope_type"), full("rope_type"));
    if (!type) type = TextOf(find("type"), full("type"));
    if (!type || *type == "default") return;
    const auto required = [&](const char* name) {
      const std::optional<double> value = RealOf(find(name), full(name));
      if (!value) Fail("{}: {} is missing, as its rope_type is {}", where_, full(name), Quote(*type));
      return *value;
    };
    if (*type == "linear") {
      rotary.scaling = RotaryScaling::kLinear;
      rotary.factor = required("factor");
    } else if (*type == "llama3") {
      rotary.scaling = RotaryScaling::kLlama3;
      rotary.factor = required("factor");
      rotary.low_frequency_factor = required("low_freq_factor");
      rotary.high_frequency_factor = required("high_freq_factor");
      rotary.original_context =
          WholeOf(find("original_max_position_embeddings"), full("original_max_position_embeddings"))
              .value_or(description.shape.context);
    } else {
      Fail(ErrorCode::kUnsupported, "{}: {}.rope_type is {}: expected default, linear or llama3", where_, key,
           Quote(*type));
    }
  }

  void ReadSliding(ModelDescription& description) {
    if (family_.sliding == Sliding::kNever) return;
    const bool given = config_.contains("sliding_window");
    const std::optional<std::int64_t> window = Whole("sliding_window");
    const std::int64_t tokens = window.value_or(given ? 0 : family_.defaults.sliding_window.value_or(0));
    if (window && *window < 1) Fail("{}: sliding_window is {}, expected at least 1", where_, *window);
    bool slides = family_.sliding == Sliding::kWhereGiven;
    if (family_.sliding == Sliding::kByLayerTypes) {
      // Qwen's first blocks see everything; 28 is what its configurations leave out.
      const std::int64_t first_that_slides = Whole("max_window_layers").value_or(28);
      slides = Boolean("use_sliding_window").value_or(false) && first_that_slides < description.shape.blocks;
    }
    if (const json* types = Find("layer_types")) {
      if (!types->is_array()) Fail("{}: layer_types is {}, expected a list", where_, Shown(*types));
      bool some = false;
      for (const json& type : *types) {
        if (type == "sliding_attention") {
          some = true;
        } else if (type != "full_attention") {
          Fail(ErrorCode::kUnsupported, "{}: layer_types has {}: expected full_attention or sliding_attention", where_,
               Shown(type));
        }
      }
      slides = some;
    }
    if (slides) description.sliding_window = tokens;
  }

  void RequireFixed(const FixedField& fixed) {
    const json* value = Find(fixed.key);
    if (value != nullptr && *value != json::parse(fixed.json)) {
      Fail(ErrorCode::kUnsupported, "{}: {} is {}: only {} is computed", where_, fixed.key, Shown(*value), fixed.json);
    }
  }

  void RefuseUnknown() const {
    for (const auto& [key, value] : config_.items()) {
      if (read_.contains(key) || IsHarmlessField(key) || value.is_null()) continue;
      Fail(ErrorCode::kUnsupported, "{}: {} is {}: not understood, and it may change the result", where_,
           QuoteIfEscaped(key), Shown(value));
    }
  }

  const json& config_;
  const Family& family_;
  const std::string& where_;
  std::set<std::string> read_;
};

}  // namespace

ModelConfig ParseConfig(std::string_view text, const std::string& where) {
  const json config = ParseObject(text, where);
  const auto type = config.find("model_type");
  if (type == config.end() || !type->is_string()) Fail("{}: model_type is missing", where);
  const Family* family = FindFamily(type->get<std::string>());
  if (family == nullptr) {
    Fail(ErrorCode::kUnsupported,
         "{}: model_type {} is not read (those that are: {}): record its activations with actkin.record in Python, or "
         "bring them with 'actkin import'",
         where, Quote(type->get<std::string>()), fmt::join(FamilyNames(), ", "));
  }
  return Reader(config, *family, where).Read();
}

}  // namespace actkin
