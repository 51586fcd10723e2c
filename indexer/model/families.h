#ifndef ACTKIN_INDEXER_MODEL_FAMILIES_H_
#define ACTKIN_INDEXER_MODEL_FAMILIES_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "schema/model_description.h"

namespace actkin {

// The published layouts of checkpoints that are read, as one table: what a family calls its tensors and the fields of
// its configuration, how its matrices lie, and in which order its fused ones hold their parts. Nothing else in the
// project knows a family's name.

enum class Orientation : std::uint8_t {
  kOutputsByInputs,  // as torch.nn.Linear keeps it
  kInputsByOutputs,  // as GPT-2's Conv1D does
};

// How the rows of a fused matrix of queries, keys and values lie.
enum class FusedOrder : std::uint8_t {
  kByKind,  // all heads' queries, then keys, then values
  kByHead,  // a head's queries, keys and values, then the next head's
};

// Which of a tensor's `weight` and `bias` a checkpoint has.
enum class Bias : std::uint8_t {
  kNever,
  kAlways,
  kAttention,  // where the configuration says attention_bias
  kMlp,        // where it says mlp_bias
  kByPresence,
};

// One canonical tensor (its `.weight`, and its `.bias` where there is one) and what it is made of: the rows of the
// sources follow each other. In sources N stands for the block, H for the head: a source with H stands for all heads in
// turn.
struct TensorRule {
  std::string_view canonical;  // "qkv": of a block where the sources have N
  std::vector<std::string_view> sources;
  Bias bias = Bias::kNever;
  Orientation orientation = Orientation::kOutputsByInputs;
  FusedOrder order = FusedOrder::kByKind;
  bool outside = false;  // the family's prefix does not stand before it
};

// A field of config.json that must have one value, as others are not computed.
struct FixedField {
  std::string_view key;
  std::string_view json;  // the value
};

// How a Hugging Face configuration names the sizes; an empty name: the family has no such field.
struct ConfigNames {
  std::string_view context;
  std::string_view embed;
  std::string_view blocks;
  std::string_view heads;
  std::string_view hidden;
  std::string_view activation;
  std::string_view norm_epsilon;
};

// What a field is where the configuration does not have it, as its library has it.
struct ConfigDefaults {
  std::string_view activation = "";
  double norm_epsilon = 1e-5;
  std::optional<std::int64_t> head_size = std::nullopt;        // else embed / heads
  std::optional<std::int64_t> key_value_heads = std::nullopt;  // else as many as heads
  std::optional<std::int64_t> sliding_window = std::nullopt;
  double rotary_share = 1;  // of a head
  bool parallel = false;
  bool attention_bias = false;
  bool tied = false;
};

// When some positions see only the last sliding_window tokens.
enum class Sliding : std::uint8_t { kNever, kWhereGiven, kByLayerTypes };

struct Family {
  std::string_view name;    // the configuration's model_type
  std::string_view prefix;  // which names may have or not
  std::vector<TensorRule> tensors;
  std::vector<std::string_view> ignored = {};  // endings of names of buffers that nobody reads
  Norm norm = Norm::kLayer;
  bool gated = false;
  bool rotary = false;
  bool grouped = false;             // may have fewer key and value heads than heads
  bool explicit_head_size = false;  // has a field head_dim
  bool query_key_norm = false;
  Sliding sliding = Sliding::kNever;
  ConfigNames names = {};
  ConfigDefaults defaults = {};
  std::vector<FixedField> fixed = {};
};

// Hugging Face families, by model_type. Null where there is none of that name.
const Family* FindFamily(std::string_view model_type);
std::vector<std::string_view> FamilyNames();

// The study's state dict, and nanoGPT's: they have no configuration in JSON.
const Family& StudyFamily();
const Family& NanoGptFamily();

// Fields of a configuration that change no activation, whatever they hold.
bool IsHarmlessField(std::string_view key);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_MODEL_FAMILIES_H_
