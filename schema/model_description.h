#ifndef ACTKIN_SCHEMA_MODEL_DESCRIPTION_H_
#define ACTKIN_SCHEMA_MODEL_DESCRIPTION_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace actkin {

// The sizes of a transformer.
struct ModelShape {
  std::int64_t vocabulary_size = 0;  // rows of the table of tokens
  std::int64_t context = 0;          // positions
  std::int64_t embed = 0;
  std::int64_t blocks = 0;
  std::int64_t heads = 0;
  std::int64_t head_size = 0;
  std::int64_t hidden = 0;  // width of the feed-forward network

  friend bool operator==(const ModelShape&, const ModelShape&) = default;
};

enum class Norm : std::uint8_t { kLayer, kRms };
enum class Activation : std::uint8_t { kRelu, kGelu, kGeluTanh, kSilu };
enum class RotaryScaling : std::uint8_t { kNone, kLinear, kLlama3 };

// Rotary positions (Su et al., https://arxiv.org/abs/2104.09864), turning number i of a head with number
// i + dimensions / 2.
struct Rotary {
  std::int64_t dimensions = 0;  // of each head, from its first, that are turned; 0: no rotary positions
  // Pair i turns by base^(-2 i / frequency_dimensions) a position: `dimensions`, or one less where a share of a head
  // came out odd.
  std::int64_t frequency_dimensions = 0;
  double base = 10000;
  RotaryScaling scaling = RotaryScaling::kNone;
  double factor = 1;  // of the scaling; what follows is of kLlama3's
  double low_frequency_factor = 1;
  double high_frequency_factor = 1;
  std::int64_t original_context = 0;

  friend bool operator==(const Rotary&, const Rotary&) = default;
};

// How far a head's pair i turns from one position to the next, in radians: dimensions / 2 numbers.
std::vector<double> RotaryFrequencies(const Rotary& rotary);

// All that two interpreters must know of a decoder beside its weights. Its tensors have canonical names, whatever
// family they came from (linear layers outputs x inputs, row-major; H heads of h numbers, G of them for keys and
// values; E = embed):
//
//   token_embedding.weight          vocabulary x E
//   position_embedding.weight       context x E, unless positions are rotary
//   blocks.N.attention_norm         E numbers each, as all norms: weight and, in a layer norm, perhaps a bias
//   blocks.N.qkv                    (H + 2 G) h x E: all heads' queries, then keys, then values
//   blocks.N.query_norm, .key_norm  h numbers, where query_key_norm
//   blocks.N.proj                   E x H h
//   blocks.N.ffwd_norm
//   blocks.N.ffwd_in                hidden x E; gated: 2 hidden x E, the gate first
//   blocks.N.ffwd_out               E x hidden
//   final_norm
//   unembedding                     vocabulary x E; the weight is absent where it is the table of tokens
//
// A linear layer's bias is there or not. A block computes, in float32,
//
//   proj = Proj(attention(attention_norm(x))); ffwd = Ffwd(ffwd_norm(parallel ? x : x + proj)); x += proj + ffwd
//
// where attention is causal, scaled by 1 / sqrt(h), and Ffwd(y) is Out(act(In(y))), or gated Out(act(Gate(y)) * Up(y)).
struct ModelDescription {
  std::string family = {};  // for people: where its names came from
  ModelShape shape = {};
  std::int64_t key_value_heads = 0;  // divides shape.heads; head i reads keys and values of i * this / heads
  std::int64_t sliding_window = 0;   // a position sees so many, itself among them; 0: all before it
  Norm norm = Norm::kLayer;
  double norm_epsilon = 1e-5;
  Activation activation = Activation::kRelu;
  bool gated = false;
  bool parallel = false;
  bool query_key_norm = false;  // an RMS norm of every head's query and key, before they are turned
  Rotary rotary = {};

  // Numbers of a row of queries, keys and values.
  std::int64_t qkv_size() const { return (shape.heads + 2 * key_value_heads) * shape.head_size; }
  std::int64_t attention_size() const { return shape.heads * shape.head_size; }
  bool has_position_table() const { return rotary.dimensions == 0; }
  // The longest sequence that it computes as it was meant to.
  std::int64_t longest_sequence() const;

  friend bool operator==(const ModelDescription&, const ModelDescription&) = default;
};

using TensorShapes = std::map<std::string, std::vector<std::int64_t>>;

// "[384, 96]"
std::string ShapeText(const std::vector<std::int64_t>& shape);

// "blocks.5.qkv.weight" of ("qkv.weight", 5)
std::string BlockTensor(std::string_view rest, std::int64_t block);

// The tensors that every model of this description has, and those it may have besides.
struct CanonicalTensors {
  TensorShapes required;
  TensorShapes optional;
};
CanonicalTensors TensorsOf(const ModelDescription& description);

// Throws Error naming `file` and the first tensor that is missing, surplus or of another shape.
void RequireTensorsOf(const ModelDescription& description, const TensorShapes& tensors, const std::string& file);

// Throws Error naming `where` and the number that no model has, or that contradicts another.
void RequirePossible(const ModelDescription& description, const std::string& where);

// One line of JSON and back. The parser throws Error naming `where`; what it returns passed RequirePossible.
std::string DescriptionJson(const ModelDescription& description);
ModelDescription ParseDescription(std::string_view json, const std::string& where);

std::string_view Name(Activation activation);

}  // namespace actkin

#endif  // ACTKIN_SCHEMA_MODEL_DESCRIPTION_H_
