#ifndef ACTKIN_QUERY_PREDICT_SCHEME_H_
#define ACTKIN_QUERY_PREDICT_SCHEME_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schema/band.h"
#include "schema/site.h"

namespace actkin {

// What a neighbor's next-token counts are multiplied by, beside the weight of its term.
enum class Kernel : std::uint8_t {
  kNone,             // 1
  kInverseDistance,  // 1 / (1 + distance), distance being the metric's value: under cosine the similarity
};
std::string_view Name(Kernel kernel);
// Throws Error (usage) naming `text` and the words expected.
Kernel ParseKernel(std::string_view text);

// Finite and positive: 1 + distance counts as at least 1e-6, which a similarity of -1 would fall below.
double KernelValue(Kernel kernel, double distance);

// What a scheme has a weight for.
struct Term {
  Stream stream = Stream::kEmbedding;
  int block = 0;  // 0 for the embedding

  friend bool operator==(const Term&, const Term&) = default;
};

// The terms of a model of so many blocks, by number: 0 is the embedding, 1 + b proj of block b, 1 + blocks + b ffwd of
// block b.
class Terms {
 public:
  constexpr explicit Terms(int blocks = 0) : blocks_(blocks) {}

  constexpr int blocks() const { return blocks_; }
  constexpr std::size_t size() const { return 1 + 2 * static_cast<std::size_t>(blocks_); }
  // REQUIRES: number < size().
  Term operator[](std::size_t number) const;
  std::size_t Number(const Term& term) const;

  friend bool operator==(const Terms&, const Terms&) = default;

 private:
  int blocks_;
};

// "embedding (embed)", "ffwd block 5 (mlp_out)"
std::string Describe(const Term& term);

// A way to weigh the neighbors' next-token counts into one distribution: the sum over terms and neighbors of
// weight x kernel(distance) x count, divided by the sum over all tokens. Data, not code: users write their own as JSON.
struct Scheme {
  enum class Kind : std::uint8_t {
    kNeighbors,
    kPromptOnly,  // the prompt's own next-token counts; everything below is unused
  };

  std::string name;
  Kind kind = Kind::kNeighbors;
  Kernel kernel = Kernel::kNone;
  Terms terms;
  std::vector<double> weights;  // a term each; any finite number
  // Which neighbors of a term count, of the k nearest of them, or without a k of all; a term each, or empty where the
  // scheme leaves that open.
  std::vector<std::optional<Band>> bands;
  // What the neighbors were that the weights were found with, which a request that leaves it open is given. Where there
  // are bands, the metric is what they are in.
  std::optional<Metric> metric;
  std::optional<std::uint64_t> k;

  // True where the term's neighbors are needed.
  bool Uses(std::size_t term) const { return kind == Kind::kNeighbors && weights[term] != 0; }
  friend bool operator==(const Scheme&, const Scheme&) = default;
};

inline constexpr char kProgressiveFfwdWeight[] = "progressive_ffwd_weight";
inline constexpr char kInverseDistance[] = "inverse_distance";
inline constexpr char kLastFfwdOnly[] = "last_ffwd_only";
inline constexpr char kLastFfwdOnlyInverseDistance[] = "last_ffwd_only_inverse_distance";
inline constexpr char kPromptOnly[] = "prompt_only";

// The schemes that every index has, in this order, for a model of so many blocks (at least 1).
std::vector<Scheme> BuiltInSchemes(int blocks);
bool IsBuiltInScheme(std::string_view name);

// {"name": "mine", "kernel": "inverse_distance", "embedding": 1, "proj": [1, 1], "ffwd": {"1": 2.5},
//  "metric": "cosine", "k": 100, "within": {"ffwd": ["0.9:", null]}}
//
// Every key may be missing. proj and ffwd: a number for each block, or for single ones by number; what is missing is 0.
// within: embedding a band, proj and ffwd a band for each block, or for single ones; bands need the metric that they
// are in. {"name": "mine", "kind": "prompt_only"} stands alone. `default_name` where the JSON gives none; `where` is
// named in messages. Throws Error (usage) on an unknown or repeated key, a weight for a block that is not there, a
// wrong type, or a name that a built-in scheme has.
Scheme ParseScheme(std::string_view json, const std::string& default_name, const std::string& where, int blocks);

// One line that ParseScheme reads back to the same scheme.
std::string SchemeJson(const Scheme& scheme);

}  // namespace actkin

#endif  // ACTKIN_QUERY_PREDICT_SCHEME_H_
