#include "schema/site.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <deque>
#include <limits>
#include <mutex>
#include <string>
#include <utility>

#include "schema/error.h"
#include "schema/text.h"

namespace actkin {
namespace {

template <typename Value>
using NameOf = std::pair<Value, std::string_view>;

constexpr std::array<NameOf<Stream>, 4> kStreams{{{Stream::kEmbedding, "embedding"},
                                                  {Stream::kProj, "proj"},
                                                  {Stream::kFfwd, "ffwd"},
                                                  {Stream::kResidual, "residual"}}};
// Of HookedTransformer. Its hook_embed and hook_pos_embed add up to the embedding.
constexpr std::array<NameOf<Stream>, 4> kTransformerLensNames{{{Stream::kEmbedding, "embed"},
                                                               {Stream::kProj, "attn_out"},
                                                               {Stream::kFfwd, "mlp_out"},
                                                               {Stream::kResidual, "resid_post"}}};
constexpr std::array<NameOf<Metric>, 4> kMetrics{{{Metric::kL2, "l2"},
                                                  {Metric::kCosine, "cosine"},
                                                  {Metric::kDot, "dot"},
                                                  {Metric::kCenteredCosine, "centered-cosine"}}};
constexpr std::array<NameOf<Order>, 2> kOrders{{{Order::kNearest, "nearest"}, {Order::kFarthest, "farthest"}}};
constexpr std::array<NameOf<Merge>, 2> kMerges{{{Merge::kNearest, "nearest"}, {Merge::kFarthest, "farthest"}}};
constexpr std::array<NameOf<Element>, 4> kElements{{{Element::kFloat32, "float32"},
                                                    {Element::kFloat16, "float16"},
                                                    {Element::kInt8, "int8"},
                                                    {Element::kNone, "none"}}};
constexpr std::array<NameOf<RowKind>, 2> kRowKinds{
    {{RowKind::kStrings, "strings"}, {RowKind::kPositions, "positions"}}};
constexpr std::array<NameOf<Distinct>, 3> kDistincts{
    {{Distinct::kText, "text"}, {Distinct::kToken, "token"}, {Distinct::kDocument, "document"}}};

template <typename Value, std::size_t count>
std::string_view Lookup(const std::array<NameOf<Value>, count>& names, Value value) {
  for (const auto& [known, name] : names) {
    if (known == value) return name;
  }
  Fail("a value of {} is none of the {} that have a name", static_cast<int>(value), count);
}

template <typename Value, std::size_t count>
Value Parse(const std::array<NameOf<Value>, count>& names, std::string_view what, std::string_view text) {
  std::string known_names;
  for (const auto& [value, name] : names) {
    if (name == text) return value;
    known_names += known_names.empty() ? "" : (name == names.back().second ? " or " : ", ");
    known_names += name;
  }
  FailUsage("{} {} is unknown: expected {}", what, Quote(text), known_names);
}

constexpr std::size_t kLongestStreamName = 100;

// The names beyond kStreams, in order of their numbers. Never shorter; views into it stay valid.
class OtherStreams {
 public:
  Stream Of(std::string_view name) {
    const std::scoped_lock lock(mutex_);
    const auto found = std::ranges::find(names_, name);
    const auto place = static_cast<std::size_t>(found - names_.begin());
    if (found == names_.end()) {
      if (place + kStreams.size() > std::numeric_limits<std::uint16_t>::max()) Fail("more than {} streams", place);
      names_.emplace_back(name);
    }
    return static_cast<Stream>(place + kStreams.size());
  }

  std::string_view Name(Stream stream) {
    const std::scoped_lock lock(mutex_);
    return names_.at(static_cast<std::size_t>(stream) - kStreams.size());
  }

 private:
  std::mutex mutex_;
  std::deque<std::string> names_;
};

OtherStreams& Others() {
  static OtherStreams others;
  return others;
}

std::string_view BareHook(std::string_view text) {
  constexpr std::string_view kHook = "hook_";
  return text.starts_with(kHook) ? text.substr(kHook.size()) : text;
}

}  // namespace

bool IsRecorded(Stream stream) { return static_cast<std::size_t>(stream) >= kStreams.size(); }

std::string_view Name(Stream stream) { return IsRecorded(stream) ? Others().Name(stream) : Lookup(kStreams, stream); }
std::string_view TransformerLensName(Stream stream) {
  return IsRecorded(stream) ? Others().Name(stream) : Lookup(kTransformerLensNames, stream);
}
std::string_view Name(Metric metric) { return Lookup(kMetrics, metric); }
std::string_view Name(Order order) { return Lookup(kOrders, order); }
std::string_view Name(Merge merge) { return Lookup(kMerges, merge); }
std::string_view Name(Element element) { return Lookup(kElements, element); }
std::string_view Name(RowKind rows) { return Lookup(kRowKinds, rows); }
std::string_view Name(Distinct distinct) { return Lookup(kDistincts, distinct); }

Stream ParseStream(std::string_view text) {
  const std::string_view bare = BareHook(text);
  for (const auto& [stream, name] : kTransformerLensNames) {
    if (name == bare) return stream;
  }
  if (text.starts_with("blocks.")) {
    FailUsage("stream {} names a block: give the stream alone here, such as attn_out, and its block by `blocks`",
              Quote(text));
  }
  return Parse(kStreams, "stream", text);
}

Stream StreamNamed(std::string_view text) {
  const std::string_view bare = BareHook(text);
  for (const auto* names : {&kStreams, &kTransformerLensNames}) {
    for (const auto& [stream, name] : *names) {
      if (name == bare) return stream;
    }
  }
  const bool has_control = std::ranges::any_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
  if (text.empty() || text.size() > kLongestStreamName || has_control || ValidUtf8(text) != text) {
    FailUsage("stream {}: expected a name of 1 to {} bytes of UTF-8 without control characters", Quote(text),
              kLongestStreamName);
  }
  return Others().Of(text);
}

StreamName ParseStreamName(std::string_view text) {
  constexpr std::string_view kBlocks = "blocks.";
  if (!text.starts_with(kBlocks)) return {StreamNamed(text)};
  const std::string_view rest = text.substr(kBlocks.size());
  int block = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), block);
  if (error != std::errc() || block < 0 || end == rest.data() + rest.size() || *end != '.') {
    FailUsage("stream {} is unknown: expected blocks.N and a stream, such as blocks.5.hook_mlp_out", Quote(text));
  }
  const Stream stream = StreamNamed(rest.substr(static_cast<std::size_t>(end - rest.data()) + 1));
  return {stream, stream == Stream::kEmbedding ? std::nullopt : std::optional(block)};
}

std::optional<int> BlockOf(const StreamName& name, std::optional<int> given) {
  if (name.block && given && *name.block != *given) {
    FailUsage("block {} is asked for, and the stream's name says block {}", *given, *name.block);
  }
  return name.block ? name.block : given;
}

Metric ParseMetric(std::string_view text) { return Parse(kMetrics, "metric", text); }

Metric ParseL2OrCosine(std::string_view text) {
  const Metric metric = ParseMetric(text);
  if (metric == Metric::kL2 || metric == Metric::kCosine) return metric;
  FailUsage("metric {}: expected l2 or cosine here", Quote(text));
}

Metric Centered(Metric metric, bool center) {
  if (!center || metric == Metric::kCenteredCosine) return metric;
  if (metric != Metric::kCosine) FailUsage("center: the metric cosine can be centered, {} cannot", Name(metric));
  return Metric::kCenteredCosine;
}

Order ParseOrder(std::string_view text) { return Parse(kOrders, "order", text); }
Merge ParseMerge(std::string_view text) { return Parse(kMerges, "merge", text); }
Element ParseElement(std::string_view text) { return Parse(kElements, "element", text); }
RowKind ParseRowKind(std::string_view text) { return Parse(kRowKinds, "rows", text); }
Distinct ParseDistinct(std::string_view text) { return Parse(kDistincts, "distinct", text); }

std::string BothNames(Stream stream) {
  if (IsRecorded(stream)) return std::string(Name(stream));
  return fmt::format("{} ({})", Name(stream), TransformerLensName(stream));
}

std::string Describe(const Site& site) {
  std::string text(Name(site.stream));
  if (site.stream != Stream::kEmbedding || site.over_positions()) text += fmt::format(" block {}", site.block);
  text += site.over_positions() ? " over positions" : fmt::format(" t_i {}", site.t_i);
  return IsRecorded(site.stream) ? text : fmt::format("{} ({})", text, TransformerLensName(site.stream));
}

std::size_t ElementBytes(Element element) { return element == Element::kFloat32 ? 4 : 2; }

}  // namespace actkin
