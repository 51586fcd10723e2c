#ifndef ACTKIN_SCHEMA_SITE_H_
#define ACTKIN_SCHEMA_SITE_H_

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace actkin {

// 1 + the number of all shorter strings + the string's ordinal.
using StringId = std::uint64_t;
// A string's number within its length, from 0, in order of first occurrence.
using StringOrdinal = std::uint32_t;
// A row of a site, from 0. Over strings: the lexicographic rank (by token ids) of its string among the site's; over
// positions the rank of its position.
using RowNumber = std::uint32_t;
using TokenId = std::uint32_t;

// embedding: what goes into block 0; proj, ffwd: what attention's projection and the feed-forward network put out,
// before it is added; residual: the residual stream after the block. What was recorded elsewhere may have any other
// name: StreamNamed gives it a number beyond these, of this process alone.
enum class Stream : std::uint16_t { kEmbedding, kProj, kFfwd, kResidual };
// l2: the Euclidean distance. cosine, dot: similarities, larger where closer; centered cosine: the cosine of rows and
// query less the mean of the site's rows.
enum class Metric : std::uint8_t { kL2, kCosine, kDot, kCenteredCosine };
enum class Order : std::uint8_t { kNearest, kFarthest };
// Which of the neighbors at several t_is, pooled, are kept.
enum class Merge : std::uint8_t { kNearest, kFarthest };
// What the numbers of a site's rows are kept as. none: the rows are not kept, but made again by the model.
enum class Element : std::uint8_t { kFloat32, kFloat16, kInt8, kNone };
// What the rows of a site stand for.
enum class RowKind : std::uint8_t { kStrings, kPositions };
// What rows may have in common, so that the best of them alone is kept: the text of their string or token, their (last)
// token, their document.
enum class Distinct : std::uint8_t { kText, kToken, kDocument };

// The t_i of a site over positions.
inline constexpr int kOverPositions = -1;

// One (stream, block, t_i), over strings of t_i + 1 tokens or over positions of the corpus. The embedding stream over
// strings has no block, which is written 0.
struct Site {
  Stream stream = Stream::kFfwd;
  int block = 0;
  int t_i = 0;

  bool over_positions() const { return t_i == kOverPositions; }
  // Whether a row is an embedding of several tokens, kept as the codes of these.
  bool of_codes() const { return stream == Stream::kEmbedding && !over_positions(); }

  friend auto operator<=>(const Site&, const Site&) = default;
};

// Rows [begin, end) of a site.
struct RowRange {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;

  std::uint64_t size() const { return end - begin; }
  friend bool operator==(const RowRange&, const RowRange&) = default;
};

// The names used in tables, flags and messages. The parsers throw Error (usage) naming `text` and the words expected.
std::string_view Name(Stream stream);
// Whether it is none of the four that a model has: recorded elsewhere.
bool IsRecorded(Stream stream);
// What TransformerLens calls it, without "hook_": "attn_out". ParseStream takes these names too, with "hook_" or
// without.
std::string_view TransformerLensName(Stream stream);
std::string_view Name(Metric metric);
std::string_view Name(Order order);
std::string_view Name(Merge merge);
std::string_view Name(Element element);
std::string_view Name(RowKind rows);
std::string_view Name(Distinct distinct);
Stream ParseStream(std::string_view text);
// The stream of this name: one of ParseStream's, or any other that is not empty, is UTF-8 of at most 100 bytes, and has
// no control character; else throws Error (usage). Any thread.
Stream StreamNamed(std::string_view text);
// A stream by any of its names, perhaps with its block, as TransformerLens has it: "blocks.5.hook_mlp_out". Any other
// name is taken as StreamNamed takes it: whether a directory has such a stream, its catalog knows.
struct StreamName {
  Stream stream = Stream::kFfwd;
  std::optional<int> block = {};
};
StreamName ParseStreamName(std::string_view text);
// The block that a name has or that was given beside it. Throws Error (usage) where both are there and differ.
std::optional<int> BlockOf(const StreamName& name, std::optional<int> given);
Metric ParseMetric(std::string_view text);
// l2 or cosine alone.
Metric ParseL2OrCosine(std::string_view text);
// The metric, centered where that is asked for. Throws Error (usage) where it is not cosine then.
Metric Centered(Metric metric, bool center);
Order ParseOrder(std::string_view text);
Merge ParseMerge(std::string_view text);
Element ParseElement(std::string_view text);
RowKind ParseRowKind(std::string_view text);
Distinct ParseDistinct(std::string_view text);

// Both names of a stream, for people: "ffwd (mlp_out)". One alone where it has no other.
std::string BothNames(Stream stream);
// "ffwd block 5 t_i 9 (mlp_out)"; "embedding t_i 9 (embed)"; "ffwd block 5 over positions (mlp_out)".
std::string Describe(const Site& site);

// Bytes of one number. REQUIRES: float32 or float16.
std::size_t ElementBytes(Element element);

}  // namespace actkin

#endif  // ACTKIN_SCHEMA_SITE_H_
