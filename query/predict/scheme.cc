#include "query/predict/scheme.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "schema/error.h"
#include "schema/text.h"

namespace actkin {
namespace {

using nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

constexpr double kSmallestDivisor = 1e-6;
constexpr std::size_t kLongestName = 200;

// The JSON of one scheme being read.
class SchemeReader {
 public:
  SchemeReader(const std::string& where, int blocks) : where_(where), blocks_(blocks) { scheme_.terms = Terms(blocks); }

  Scheme Read(std::string_view text, const std::string& default_name) {
    const json object = Parse(text);
    Expect(object.is_object(), "the scheme", "an object", object);
    constexpr std::array<std::string_view, 9> kKeys{"name", "kind",   "kernel", "embedding", "proj",
                                                    "ffwd", "metric", "k",      "within"};
    RefuseUnknownKeys(object, kKeys, "");
    scheme_.name = object.contains("name") ? Text(object, "name") : ValidUtf8(default_name);
    if (scheme_.name.empty() || scheme_.name.size() > kLongestName) {
      FailUsage("{}: \"name\" has {} bytes: expected 1 to {}", where_, scheme_.name.size(), kLongestName);
    }
    if (IsBuiltInScheme(scheme_.name)) {
      FailUsage("{}: {} is the name of a built-in scheme: give this one another", where_, Quote(scheme_.name));
    }
    if (object.contains("kind")) ReadKind(object);
    if (scheme_.kind == Scheme::Kind::kPromptOnly) return scheme_;
    if (object.contains("kernel")) scheme_.kernel = ParseNamed(object, "kernel", ParseKernel);
    if (object.contains("metric")) scheme_.metric = ParseNamed(object, "metric", ParseMetric);
    if (object.contains("k")) scheme_.k = Count(object["k"]);
    scheme_.weights.assign(scheme_.terms.size(), 0);
    if (object.contains("embedding")) scheme_.weights[0] = Number(object["embedding"], "embedding");
    for (const Stream stream : {Stream::kProj, Stream::kFfwd}) {
      ForEachBlock(object, stream, "", "a number", [&](std::size_t term, const json& value, const std::string& what) {
        scheme_.weights[term] = Number(value, what);
      });
    }
    if (object.contains("within")) ReadBands(object["within"]);
    return scheme_;
  }

 private:
  // Of two equal keys the library would keep the last.
  json Parse(std::string_view text) const {
    std::vector<std::set<std::string>> keys;
    std::string repeated;
    const auto report = [&](int, json::parse_event_t event, json& parsed) {
      if (event == json::parse_event_t::object_start) keys.emplace_back();
      if (event == json::parse_event_t::object_end) keys.pop_back();
      if (event == json::parse_event_t::key && !keys.back().insert(parsed.get<std::string>()).second) {
        repeated = parsed.get<std::string>();
      }
      return true;
    };
    json object;
    try {
      object = json::parse(text, report);
    } catch (const json::exception& error) {
      FailUsage("{}: no JSON: {}", where_, error.what());
    }
    if (!repeated.empty()) FailUsage("{}: key {} stands there twice", where_, Quote(repeated));
    return object;
  }

  void Expect(bool right, const std::string& what, const char* expected, const json& found) const {
    constexpr std::size_t kShown = 60;
    if (right) return;
    const std::string shown = found.dump(-1, ' ', false, json::error_handler_t::replace);
    FailUsage("{}: {}: expected {}, found {}", where_, what, expected,
              shown.size() > kShown ? shown.substr(0, kShown) + "..." : shown);
  }

  void RefuseUnknownKeys(const json& object, std::span<const std::string_view> known, const std::string& in) const {
    for (const auto& [key, value] : object.items()) {
      if (std::ranges::find(known, key) != known.end()) continue;
      FailUsage("{}: unknown key {}{}: expected some of {}", where_, in, Quote(key), fmt::join(known, ", "));
    }
  }

  std::string Text(const json& object, const char* key) const {
    Expect(object[key].is_string(), key, "a text", object[key]);
    return object[key].get<std::string>();
  }

  double Number(const json& value, const std::string& what) const {
    Expect(value.is_number(), what, "a number", value);
    const auto number = value.get<double>();
    // The sum of as many counts as a corpus has stays finite.
    Expect(std::abs(number) <= 1e200, what, "a number of at most 1e200", value);
    return number;
  }

  std::uint64_t Count(const json& value) const {
    Expect(value.is_number_unsigned() && value.get<std::uint64_t>() > 0, "k", "how many neighbors, at least 1", value);
    return value.get<std::uint64_t>();
  }

  template <typename Value>
  Value ParseNamed(const json& object, const char* key, Value (*parse)(std::string_view)) const {
    try {
      return parse(Text(object, key));
    } catch (const Error& error) {
      FailUsage("{}: {}", where_, error.what());
    }
  }

  void ReadKind(const json& object) {
    const std::string kind = Text(object, "kind");
    if (kind == "neighbors") return;
    if (kind != kPromptOnly)
      FailUsage("{}: kind {} is unknown: expected neighbors or prompt_only", where_, Quote(kind));
    scheme_.kind = Scheme::Kind::kPromptOnly;
    for (const auto& [key, value] : object.items()) {
      if (key != "name" && key != "kind") FailUsage("{}: a scheme of kind prompt_only has no {}", where_, Quote(key));
    }
  }

  // Calls report(term, value, what it is called) for every block that `object` has something for under the stream's
  // name.
  template <typename Hear>
  void ForEachBlock(const json& object, Stream stream, const std::string& in, const char* each,
                    const Hear& report) const {
    const std::string key(Name(stream));
    if (!object.contains(key)) return;
    const json& values = object[key];
    const std::string what = in + key;
    const auto give = [&](std::size_t block, const json& value) {
      if (block >= static_cast<std::size_t>(blocks_)) {
        FailUsage("{}: {} has {} for block {}: the blocks are 0-{}", where_, what, each, block, blocks_ - 1);
      }
      report(scheme_.terms.Number({stream, static_cast<int>(block)}), value,
             fmt::format("{} of block {}", what, block));
    };
    if (values.is_array()) {
      for (std::size_t block = 0; block < values.size(); ++block) give(block, values[block]);
      if (values.size() < static_cast<std::size_t>(blocks_)) {
        FailUsage(
            "{}: {} has {} of {} blocks: expected {} for each of blocks 0-{}, or an object such as {{\"{}\": ...}}",
            where_, what, values.size(), blocks_, each, blocks_ - 1, blocks_ - 1);
      }
      return;
    }
    Expect(values.is_object(), what, "an array, one for each block, or an object by block", values);
    for (const auto& [text, value] : values.items()) {
      std::size_t block = 0;
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), block);
      const bool plain = error == std::errc() && end == text.data() + text.size() && text == std::to_string(block);
      if (!plain) FailUsage("{}: {}: expected the number of a block, found {}", where_, what, Quote(text));
      give(block, value);
    }
  }

  void ReadBands(const json& within) {
    constexpr std::array<std::string_view, 3> kKeys{"embedding", "proj", "ffwd"};
    Expect(within.is_object(), "within", "an object", within);
    RefuseUnknownKeys(within, kKeys, "within.");
    if (!scheme_.metric) {
      FailUsage("{}: \"within\" needs \"metric\": the metric that its bands are in, l2 or cosine", where_);
    }
    scheme_.bands.resize(scheme_.terms.size());
    const auto set = [&](std::size_t term, const json& value, const std::string& what) {
      if (value.is_null()) return;
      Expect(value.is_string(), what, "a band such as \"0.9:\", or null", value);
      scheme_.bands[term] = ParseBand(value.get<std::string>(), where_ + ": " + what);
    };
    if (within.contains("embedding")) set(0, within["embedding"], "within.embedding");
    for (const Stream stream : {Stream::kProj, Stream::kFfwd}) ForEachBlock(within, stream, "within.", "a band", set);
  }

  const std::string& where_;
  const int blocks_;
  Scheme scheme_;
};

}  // namespace

std::string_view Name(Kernel kernel) { return kernel == Kernel::kNone ? "none" : "inverse_distance"; }

Kernel ParseKernel(std::string_view text) {
  for (const Kernel kernel : {Kernel::kNone, Kernel::kInverseDistance}) {
    if (Name(kernel) == text) return kernel;
  }
  FailUsage("kernel {} is unknown: expected none or inverse_distance", Quote(text));
}

double KernelValue(Kernel kernel, double distance) {
  return kernel == Kernel::kNone ? 1 : 1 / std::max(1 + distance, kSmallestDivisor);
}

Term Terms::operator[](std::size_t number) const {
  if (number == 0) return {};
  const auto place = static_cast<int>(number) - 1;
  return place < blocks_ ? Term{Stream::kProj, place} : Term{Stream::kFfwd, place - blocks_};
}

std::size_t Terms::Number(const Term& term) const {
  if (term.stream == Stream::kEmbedding) return 0;
  return static_cast<std::size_t>(1 + term.block + (term.stream == Stream::kFfwd ? blocks_ : 0));
}

std::string Describe(const Term& term) {
  if (term.stream == Stream::kEmbedding) return BothNames(term.stream);
  return fmt::format("{} block {} ({})", Name(term.stream), term.block, TransformerLensName(term.stream));
}

std::vector<Scheme> BuiltInSchemes(int blocks) {
  Scheme progressive;
  progressive.name = kProgressiveFfwdWeight;
  progressive.terms = Terms(blocks);
  Scheme last;
  last.name = kLastFfwdOnly;
  last.terms = Terms(blocks);
  last.weights.assign(last.terms.size(), 0);
  for (std::size_t number = 0; number < progressive.terms.size(); ++number) {
    const Term term = progressive.terms[number];
    progressive.weights.push_back(term.stream == Stream::kFfwd ? term.block + 1 : 1);
  }
  last.weights.back() = 1;
  const auto with_kernel = [](Scheme scheme, const char* name) {
    scheme.name = name;
    scheme.kernel = Kernel::kInverseDistance;
    return scheme;
  };
  Scheme prompt_only;
  prompt_only.name = kPromptOnly;
  prompt_only.kind = Scheme::Kind::kPromptOnly;
  prompt_only.terms = Terms(blocks);
  return {progressive, with_kernel(progressive, kInverseDistance), last,
          with_kernel(last, kLastFfwdOnlyInverseDistance), prompt_only};
}

bool IsBuiltInScheme(std::string_view name) {
  constexpr std::array<std::string_view, 5> kNames{kProgressiveFfwdWeight, kInverseDistance, kLastFfwdOnly,
                                                   kLastFfwdOnlyInverseDistance, kPromptOnly};
  return std::ranges::find(kNames, name) != kNames.end();
}

Scheme ParseScheme(std::string_view json, const std::string& default_name, const std::string& where, int blocks) {
  return SchemeReader(where, blocks).Read(json, default_name);
}

std::string SchemeJson(const Scheme& scheme) {
  OrderedJson object{{"name", scheme.name}};
  if (scheme.kind == Scheme::Kind::kPromptOnly) {
    object["kind"] = kPromptOnly;
    return object.dump();
  }
  object["kernel"] = Name(scheme.kernel);
  object["embedding"] = scheme.weights[0];
  OrderedJson bands;
  if (!scheme.bands.empty() && scheme.bands[0]) bands["embedding"] = FormatBand(*scheme.bands[0]);
  for (std::size_t term = 1; term < scheme.terms.size(); ++term) {
    const std::string stream(Name(scheme.terms[term].stream));
    object[stream].push_back(scheme.weights[term]);
    if (scheme.bands.empty()) continue;
    bands[stream].push_back(scheme.bands[term] ? OrderedJson(FormatBand(*scheme.bands[term])) : OrderedJson(nullptr));
  }
  if (scheme.metric) object["metric"] = Name(*scheme.metric);
  if (scheme.k) object["k"] = *scheme.k;
  if (!scheme.bands.empty()) object["within"] = bands;
  return object.dump();
}

}  // namespace actkin
