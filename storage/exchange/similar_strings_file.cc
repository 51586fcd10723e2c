#include "storage/exchange/similar_strings_file.h"

#include <array>
#include <charconv>
#include <cmath>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "schema/error.h"
#include "schema/number_text.h"
#include "schema/text.h"
#include "storage/machine/file.h"

namespace actkin {
namespace {

constexpr std::size_t kMostPrompts = 1'000'000;
// Of text that a message quotes.
constexpr std::size_t kShownBytes = 40;
constexpr std::array<std::pair<Stream, std::string_view>, 3> kFileNames = {{{Stream::kEmbedding, "embs_sim_strings"},
                                                                            {Stream::kProj, "proj_out_sim_strings"},
                                                                            {Stream::kFfwd, "ffwd_out_sim_strings"}}};

// ASCII only, as Python's json writes by default.
std::string JsonText(const std::string& text) { return nlohmann::json(text).dump(-1, ' ', /*ensure_ascii=*/true); }

// Writes a list or object whose items are on lines of their own.
class Lines {
 public:
  Lines(std::string& out, char open, char close, int indent) : out_(out), close_(close), indent_(indent) {
    out_ += open;
  }
  void Next() {
    out_ += empty_ ? "\n" : ",\n";
    out_.append(static_cast<std::size_t>(indent_) + 2, ' ');
    empty_ = false;
  }
  void Close() {
    if (!empty_) {
      out_ += '\n';
      out_.append(static_cast<std::size_t>(indent_), ' ');
    }
    out_ += close_;
  }

 private:
  std::string& out_;
  char close_;
  int indent_;
  bool empty_ = true;
};

// Hears a JSON document and keeps only what the layout has, so that memory follows what is wanted, not what is there.
// Each event that the layout does not have ends the reading with a line that says so.
class JsonReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit JsonReader(std::string path) : path_(std::move(path)) {}

  void Read(const std::filesystem::path& path) {
    const MappedFile file(path);
    if (file.size() > kLargestSimilarStringsBytes) {
      Fail("{}: {} bytes: expected at most {}, so that it fits in memory", path_, file.size(),
           kLargestSimilarStringsBytes);
    }
    const auto* begin = reinterpret_cast<const char*>(file.bytes().data());
    nlohmann::json::sax_parse(begin, begin + file.size(), static_cast<nlohmann::json_sax<nlohmann::json>*>(this));
  }

 protected:
  [[noreturn]] void Refuse(const std::string& why) const { Fail("{}: {}", path_, why); }
  [[noreturn]] void Unexpected(std::string_view what) const { Refuse(fmt::format("{} {}", what, Expected())); }
  // ": expected ..." for messages.
  virtual std::string Expected() const = 0;

  bool null() override { Unexpected("null"); }
  bool boolean(bool value) override { Unexpected(value ? "true" : "false"); }
  bool number_integer(std::int64_t value) override { return Number(static_cast<double>(value)); }
  bool number_unsigned(std::uint64_t value) override { return Number(static_cast<double>(value)); }
  bool number_float(double value, const std::string& /*text*/) override { return Number(value); }
  bool string(std::string& /*text*/) override { Unexpected("a string"); }
  bool binary(nlohmann::json::binary_t& /*bytes*/) override { Unexpected("bytes"); }
  bool start_array(std::size_t /*count*/) override { Unexpected("a list"); }
  bool end_array() override { return true; }
  bool start_object(std::size_t /*count*/) override { Unexpected("an object"); }
  bool end_object() override { return true; }
  bool parse_error(std::size_t position, const std::string& token,
                   const nlohmann::detail::exception& /*error*/) override {
    Refuse(fmt::format("not JSON, or cut off: at byte {}, {}", position, Quote(token.substr(0, kShownBytes))));
  }
  virtual bool Number(double value) = 0;

 private:
  std::string path_;
};

// A whole number from 0 below `end`.
std::optional<std::size_t> Index(double value, std::size_t end) {
  if (!(value >= 0 && value < static_cast<double>(end) && value == std::floor(value))) return std::nullopt;
  return static_cast<std::size_t>(value);
}

class BatchMapReader : public JsonReader {
 public:
  explicit BatchMapReader(const std::filesystem::path& path) : JsonReader(path.string()) { Read(path); }

  BatchMap map;

 private:
  std::string Expected() const override { return "is not what it should hold: {prompt: batch}"; }
  bool start_object(std::size_t /*count*/) override {
    if (inside_) Unexpected("an object in an object");
    return inside_ = true;
  }
  bool key(std::string& text) override {
    if (!prompts_.insert(text).second) Refuse(fmt::format("the prompt {} stands there twice", Quote(text)));
    if (map.size() == kMostPrompts) Refuse(fmt::format("more than {} prompts", kMostPrompts));
    prompt_ = std::move(text);
    return true;
  }
  bool Number(double value) override {
    if (!inside_) Unexpected("a number alone");
    const std::optional<std::size_t> batch = Index(value, kMostPrompts);
    if (!batch) Refuse(fmt::format("the batch of {} is {}: expected a whole number", Quote(prompt_), value));
    map.emplace_back(std::move(prompt_), static_cast<int>(*batch));
    return true;
  }

  bool inside_ = false;
  std::set<std::string> prompts_;
  std::string prompt_;
};

class SimilarStringsReader : public JsonReader {
 public:
  explicit SimilarStringsReader(const std::filesystem::path& path) : JsonReader(path.string()) {
    Read(path);
    Assemble();
  }

  SimilarStrings similar;

 private:
  enum class Part { kNone, kStrings, kSimilar, kDistances };

  std::string Expected() const override {
    return R"(is not what it should hold there: {"strings": {prompt: index}, "sim_strings": [[text]], "distances": [[number]]})";
  }

  bool start_object(std::size_t /*count*/) override {
    if (depth_ == 0 || (depth_ == 1 && part_ == Part::kStrings)) return ++depth_ > 0;
    Unexpected("an object");
  }
  bool end_object() override { return depth_-- > 0; }
  bool start_array(std::size_t /*count*/) override {
    const bool lists = part_ == Part::kSimilar || part_ == Part::kDistances;
    if (!lists || depth_ < 1 || depth_ > 2) Unexpected("a list");
    if (++depth_ == 3) (part_ == Part::kSimilar ? similar_rows_ : distance_rows_) += 1;
    return true;
  }
  bool end_array() override {
    // A row ends: all are of one length.
    if (depth_-- == 3) {
      std::optional<std::size_t>& width = part_ == Part::kSimilar ? similar_width_ : distance_width_;
      const std::size_t rows = part_ == Part::kSimilar ? similar_rows_ : distance_rows_;
      const std::size_t count = part_ == Part::kSimilar ? similar.string_count() : by_rank_.size();
      if (!width) width = count;
      if (count != rows * *width) {
        Refuse(fmt::format("\"{}\": list {} is not as long as those before it",
                           part_ == Part::kSimilar ? "sim_strings" : "distances", rows - 1));
      }
    }
    return true;
  }
  bool key(std::string& text) override {
    if (depth_ == 2) {
      if (index_of_.contains(text)) Refuse(fmt::format("the prompt {} stands there twice", Quote(text)));
      if (index_of_.size() == kMostPrompts) Refuse(fmt::format("more than {} prompts", kMostPrompts));
      prompt_ = std::move(text);
      return true;
    }
    part_ = text == "strings" ? Part::kStrings : text == "sim_strings" ? Part::kSimilar : Part::kDistances;
    if (part_ == Part::kDistances && text != "distances") Unexpected(fmt::format("the key {}", Quote(text)));
    if (!seen_.insert(text).second) Refuse(fmt::format("the key {} stands there twice", Quote(text)));
    return true;
  }
  bool string(std::string& text) override {
    if (part_ != Part::kSimilar || depth_ != 3) Unexpected(fmt::format("the text {}", Quote(text)));
    similar.AddString(text);
    return true;
  }
  bool Number(double value) override {
    if (part_ == Part::kStrings && depth_ == 2) {
      const std::optional<std::size_t> index = Index(value, kMostPrompts);
      if (!index) Refuse(fmt::format("the index of {} is {}: expected a whole number", Quote(prompt_), value));
      index_of_[prompt_] = *index;
      return true;
    }
    if (part_ != Part::kDistances || depth_ != 3) Unexpected(fmt::format("the number {}", value));
    const auto narrow = static_cast<float>(value);
    if (!std::isfinite(narrow)) Refuse(fmt::format("the distance {} is not a finite number", value));
    by_rank_.push_back(narrow);
    return true;
  }

  void Assemble() {
    for (const char* name : {"strings", "sim_strings", "distances"}) {
      if (!seen_.contains(name)) Refuse(fmt::format("the key \"{}\" is missing", name));
    }
    const std::size_t prompts = index_of_.size();
    if (prompts == 0) Refuse("it holds no prompts");
    similar.prompts.resize(prompts);
    std::vector<bool> taken(prompts);
    for (const auto& [prompt, index] : index_of_) {
      if (index >= prompts || taken[index]) {
        Refuse(fmt::format("the index {} of {} is not its own: expected 0 to {}, each once", index, Quote(prompt),
                           prompts - 1));
      }
      taken[index] = true;
      similar.prompts[index] = prompt;
    }
    similar.k = similar_width_.value_or(0);
    if (similar_rows_ != prompts) {
      Refuse(fmt::format("\"sim_strings\" has {} lists for {} prompts", similar_rows_, prompts));
    }
    if (similar.k == 0) Refuse("it holds no neighbors");
    if (distance_rows_ != similar.k || distance_width_ != prompts) {
      Refuse(fmt::format("\"distances\" has {} lists of {}: expected {} (a rank each) of {} (a prompt each)",
                         distance_rows_, distance_width_.value_or(0), similar.k, prompts));
    }
    similar.distances.resize(by_rank_.size());
    for (std::size_t rank = 0; rank < similar.k; ++rank) {
      for (std::size_t prompt = 0; prompt < prompts; ++prompt) {
        similar.distances[prompt * similar.k + rank] = by_rank_[rank * prompts + prompt];
      }
    }
  }

  int depth_ = 0;
  Part part_ = Part::kNone;
  std::set<std::string> seen_;
  std::map<std::string, std::size_t> index_of_;
  std::string prompt_;
  std::size_t similar_rows_ = 0;
  std::size_t distance_rows_ = 0;
  std::optional<std::size_t> similar_width_;
  std::optional<std::size_t> distance_width_;
  std::vector<float> by_rank_;  // k x prompts
};

// The number that `text` begins with, which has at least so many digits, as {:0N} writes it; takes it off.
std::optional<int> TakeNumber(std::string_view& text, std::size_t digits) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const auto length = static_cast<std::size_t>(end - text.data());
  if (error != std::errc() || number < 0 || text.substr(0, length) != fmt::format("{:0{}}", number, digits))
    return std::nullopt;
  text.remove_prefix(length);
  return number;
}

bool Take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

}  // namespace

std::string_view SimilarStrings::String(std::size_t prompt, std::size_t rank) const {
  const std::size_t at = prompt * k + rank;
  const std::size_t begin = at == 0 ? 0 : ends_[at - 1];
  return std::string_view(text_).substr(begin, ends_[at] - begin);
}

void SimilarStrings::AddString(std::string_view text) {
  text_ += text;
  ends_.push_back(static_cast<std::uint32_t>(text_.size()));
}

std::string SimilarStringsFileName(const Site& site, int batch) {
  for (const auto& [stream, name] : kFileNames) {
    if (stream != site.stream) continue;
    if (stream == Stream::kEmbedding) return fmt::format("{}-{:03}.json", name, batch);
    return fmt::format("{}-{:03}-{:02}-{:03}.json", name, batch, site.block, site.t_i);
  }
  Fail("no stream of this number");
}

std::optional<SimilarStringsName> ParseSimilarStringsFileName(std::string_view name) {
  for (const auto& [stream, prefix] : kFileNames) {
    std::string_view rest = name;
    if (!Take(rest, prefix) || !Take(rest, "-")) continue;
    const std::optional<int> batch = TakeNumber(rest, 3);
    if (!batch) return std::nullopt;
    SimilarStringsName parsed{{stream, 0, 0}, *batch};
    if (stream != Stream::kEmbedding) {
      const std::optional<int> block = Take(rest, "-") ? TakeNumber(rest, 2) : std::nullopt;
      const std::optional<int> t_i = block && Take(rest, "-") ? TakeNumber(rest, 3) : std::nullopt;
      if (!t_i) return std::nullopt;
      parsed.site.block = *block;
      parsed.site.t_i = *t_i;
    }
    if (rest != ".json") return std::nullopt;
    return parsed;
  }
  return std::nullopt;
}

void WriteSimilarStrings(const std::filesystem::path& path, const SimilarStrings& similar) {
  std::string out;
  Lines file(out, '{', '}', 0);
  file.Next();
  out += "\"strings\": ";
  Lines strings(out, '{', '}', 2);
  for (std::size_t prompt = 0; prompt < similar.prompts.size(); ++prompt) {
    strings.Next();
    out += fmt::format("{}: {}", JsonText(similar.prompts[prompt]), prompt);
  }
  strings.Close();
  file.Next();
  out += "\"sim_strings\": ";
  Lines prompts(out, '[', ']', 2);
  for (std::size_t prompt = 0; prompt < similar.prompts.size(); ++prompt) {
    prompts.Next();
    Lines ranks(out, '[', ']', 4);
    for (std::size_t rank = 0; rank < similar.k; ++rank) {
      ranks.Next();
      out += JsonText(std::string(similar.String(prompt, rank)));
    }
    ranks.Close();
  }
  prompts.Close();
  file.Next();
  out += "\"distances\": ";
  Lines ranks(out, '[', ']', 2);
  for (std::size_t rank = 0; rank < similar.k; ++rank) {
    ranks.Next();
    Lines row(out, '[', ']', 4);
    for (std::size_t prompt = 0; prompt < similar.prompts.size(); ++prompt) {
      row.Next();
      out += ShortestText(double{similar.distances[prompt * similar.k + rank]});
    }
    row.Close();
  }
  ranks.Close();
  file.Close();
  if (out.size() > kLargestSimilarStringsBytes) {
    FailUsage("{}: would take {} bytes, expected at most {}: give it fewer prompts", path.string(), out.size(),
              kLargestSimilarStringsBytes);
  }
  ReplaceFile(path, out);
}

void WriteBatchMap(const std::filesystem::path& path, const std::vector<std::string>& prompts,
                   std::uint64_t batch_size) {
  std::string out;
  Lines file(out, '{', '}', 0);
  for (std::size_t prompt = 0; prompt < prompts.size(); ++prompt) {
    file.Next();
    out += fmt::format("{}: {}", JsonText(prompts[prompt]), prompt / batch_size);
  }
  file.Close();
  ReplaceFile(path, out);
}

SimilarStrings ReadSimilarStrings(const std::filesystem::path& path) {
  return std::move(SimilarStringsReader(path).similar);
}

BatchMap ReadBatchMap(const std::filesystem::path& path) { return std::move(BatchMapReader(path).map); }

}  // namespace actkin
