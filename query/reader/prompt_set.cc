#include "query/reader/prompt_set.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string_view>
#include <utility>

#include "query/reader/prompt_input.h"
#include "schema/error.h"
#include "schema/text.h"
#include "storage/machine/given_input.h"

namespace actkin {
namespace {

constexpr std::size_t kShownSets = 8;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

nlohmann::json ParseArray(const std::string& text, const std::string& input) {
  try {
    return nlohmann::json::parse(text);
  } catch (const nlohmann::json::parse_error& error) {
    const std::size_t at = std::min<std::size_t>(error.byte == 0 ? 0 : error.byte - 1, text.size());
    const auto begin = text.begin();
    const auto line = 1 + std::count(begin, begin + static_cast<std::ptrdiff_t>(at), '\n');
    const std::size_t line_break = at == 0 ? std::string::npos : text.rfind('\n', at - 1);
    FailUsage(
        "{}: begins with [ but is no JSON at line {}, column {}: expected [\"one prompt\", \"another\"]; in a file of "
        "one prompt a line the first does not begin with [",
        input, line, line_break == std::string::npos ? at + 1 : at - line_break);
  }
}

// What the prompts say of their set.
void FillIn(IndexReader& reader, PromptSet& set) {
  const bool positions = set.row.rows == RowKind::kPositions;
  set.row.length = positions ? 0 : static_cast<int>(set.prompts.front().tokens.size());
  set.row.prompt_count = set.prompts.size();
  set.row.sha256 = PromptsSha256(PromptRows(set), reader.catalog().Tokenizer());
}

// The same, and the set's id where the catalog has it.
void Complete(IndexReader& reader, PromptSet& set) {
  FillIn(reader, set);
  const auto found = ExperimentCatalog(reader.catalog()).FindPromptSet(set.row.name);
  if (!found) return;
  if (found->sha256 != set.row.sha256 || found->imported) {
    Fail("prompt set {}: the catalog has another of this name", Quote(set.row.name));
  }
  set.row = *found;
}

}  // namespace

PromptSet SamplePromptSet(IndexReader& reader, std::uint64_t count, std::uint64_t seed) {
  if (count == 0) FailUsage("a sample of 0 prompts: expected at least 1");
  PromptSet set;
  set.row.name = fmt::format("sample-{}-seed-{}", count, seed);
  set.row.seed = seed;
  set.prompts = SamplePrompts(reader, count, seed);
  Complete(reader, set);
  return set;
}

PromptSet SamplePositionSet(IndexReader& reader, const Site& site, std::uint64_t count, std::uint64_t seed) {
  if (count == 0) FailUsage("a sample of 0 prompts: expected at least 1");
  const std::shared_ptr<const RowMap> map = reader.OpenRowMap(site);
  if (count > map->row_count()) {
    FailUsage("a sample of {} prompts: {} has {} rows", count, Describe(site), map->row_count());
  }
  PromptSet set;
  set.row.name = fmt::format("positions-{}-seed-{}", count, seed);
  set.row.seed = seed;
  set.row.rows = RowKind::kPositions;
  for (const std::uint32_t row : PromptSample(map->row_count(), count, seed)) {
    Prompt& prompt = set.prompts.emplace_back(reader.PromptAt(static_cast<std::int64_t>(map->Number(row))));
    prompt.text = reader.vocabulary().Text(prompt.tokens.back());
  }
  FillIn(reader, set);
  // Other sites may have other rows, or have seen them with other tokens.
  const auto found = ExperimentCatalog(reader.catalog()).FindPromptSet(set.row.name);
  if (found && found->sha256 != set.row.sha256) set.row.name += "-" + set.row.sha256.substr(0, 12);
  Complete(reader, set);
  return set;
}

UnknownPrompts ParseUnknownPrompts(const std::string& text) {
  if (text == "error") return UnknownPrompts::kError;
  if (text == "skip") return UnknownPrompts::kSkip;
  FailUsage("`unknown` {}: expected error or skip", Quote(text));
}

std::vector<BatchPrompt> EncodePrompts(IndexReader& reader, const std::vector<PromptInput>& inputs,
                                       UnknownPrompts unknown) {
  const std::optional<ModelRow> model = reader.catalog().Model();
  std::vector<BatchPrompt> batch;
  std::size_t refused = 0;
  std::optional<Error> first_error;
  for (const PromptInput& input : inputs) {
    BatchPrompt& one = batch.emplace_back(BatchPrompt{input, std::nullopt, ""});
    try {
      Prompt prompt = reader.Encode(input);
      if (model && !prompt.string_id && prompt.tokens.size() > static_cast<std::size_t>(model->shape.context)) {
        FailUsage("prompt {} has {} tokens: the model takes at most {}", Describe(input), prompt.tokens.size(),
                  model->shape.context);
      }
      one.prompt = std::move(prompt);
    } catch (const Error& error) {
      one.error = error.what();
      if (refused++ == 0) first_error = error;
    }
  }
  if (refused == 0 || unknown == UnknownPrompts::kSkip) return batch;
  if (inputs.size() == 1) throw *first_error;
  throw Error(fmt::format("{} ({} of {} prompts cannot be asked: `unknown` skip answers the others)",
                          first_error->what(), refused, inputs.size()),
              first_error->kind());
}

PromptSet ListedPromptSet(IndexReader& reader, const std::vector<PromptInput>& inputs, const std::string& file,
                          UnknownPrompts unknown) {
  const std::string input = InputName(file);
  PromptSet set;
  try {
    for (BatchPrompt& one : EncodePrompts(reader, inputs, unknown)) {
      if (one.prompt) {
        set.prompts.push_back(std::move(*one.prompt));
      } else {
        set.skipped.push_back(std::move(one));
      }
    }
  } catch (const Error& error) {
    FailUsage("{}: {}", input, error.what());
  }
  if (set.prompts.empty()) FailUsage("{}: no prompts{}", input, inputs.empty() ? "" : " that can be asked");
  const std::size_t expected = set.prompts.front().tokens.size();
  for (const Prompt& prompt : set.prompts) {
    if (prompt.tokens.size() == expected) continue;
    FailUsage("{}: prompt {} has {} tokens, expected {} as the first has", input, Quote(prompt.text),
              prompt.tokens.size(), expected);
  }
  const std::string stem = IsStandardInput(file) ? "stdin" : ValidUtf8(std::filesystem::path(file).stem().string());
  set.row.name = fmt::format("{}-{}", stem, PromptsSha256(PromptRows(set), reader.catalog().Tokenizer()).substr(0, 12));
  Complete(reader, set);
  return set;
}

PromptSet LoadPromptSet(IndexReader& reader, const PromptSetRow& row) {
  PromptSet set;
  set.row = row;
  for (const PromptRow& prompt : ExperimentCatalog(reader.catalog()).Prompts(row.prompt_set_id)) {
    if (row.rows == RowKind::kPositions) {
      if (!prompt.position || *prompt.position >= reader.CorpusTokens()->token_count() || prompt.tokens.empty()) {
        FailDamaged("prompt set {}: damaged: prompt {} is no position of the corpus", Quote(row.name),
                    Quote(prompt.text));
      }
      set.prompts.push_back({prompt.text, prompt.tokens, std::nullopt, std::nullopt, prompt.position});
      continue;
    }
    set.prompts.push_back(reader.Encode(prompt.tokens));
    set.prompts.back().text = prompt.text;
    if (set.prompts.back().tokens.size() != static_cast<std::size_t>(row.length)) {
      FailDamaged("prompt set {}: damaged: prompt {} has {} tokens, expected {}", Quote(row.name), Quote(prompt.text),
                  set.prompts.back().tokens.size(), row.length);
    }
  }
  if (set.prompts.size() != row.prompt_count || set.prompts.empty()) {
    FailDamaged("prompt set {}: damaged: it has {} prompts, expected {}", Quote(row.name), set.prompts.size(),
                row.prompt_count);
  }
  return set;
}

PromptSetRow RequirePromptSet(IndexReader& reader, const std::string& name) {
  ExperimentCatalog experiments(reader.catalog());
  if (std::optional<PromptSetRow> row = experiments.FindPromptSet(ValidUtf8(name))) return *row;
  std::vector<std::string> names;
  for (const PromptSetRow& row : experiments.PromptSets()) names.push_back(row.name);
  if (names.empty()) FailUsage(ErrorCode::kNotFound, "no prompt set {}: this index has none", Quote(name));
  const std::size_t more = names.size() - std::min(names.size(), kShownSets);
  names.resize(std::min(names.size(), kShownSets));
  FailUsage(ErrorCode::kNotFound, "no prompt set {}: this index has {}{}", Quote(name), fmt::join(names, ", "),
            more > 0 ? fmt::format(" and {} more", more) : "");
}

std::vector<PromptInput> ReadPrompts(const std::filesystem::path& file) {
  std::string text = ReadInput(file);
  const std::string input = InputName(file);
  if (text.starts_with(kByteOrderMark)) text.erase(0, kByteOrderMark.size());
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  const char begins_with = first == std::string::npos ? '\0' : text[first];
  std::vector<PromptInput> prompts;
  if (begins_with == '[') {
    for (const auto& prompt : ParseArray(text, input)) {
      if (prompt.is_string()) {
        prompts.emplace_back(prompt.get<std::string>());
      } else if (prompt.is_array()) {
        prompts.emplace_back(ParseTokenIds(prompt.dump(), fmt::format("{}: prompt", input)));
      } else {
        FailUsage("{}: expected strings, or arrays of token ids, found {}", input, prompt.dump());
      }
    }
  } else {
    if (begins_with == '{' && nlohmann::json::accept(text)) {
      FailUsage("{}: a JSON object: expected a JSON array of strings, or one prompt a line", input);
    }
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) prompts.emplace_back(line);
  }
  if (prompts.empty()) FailUsage("{}: no prompts: expected a JSON array of strings, or one prompt a line", input);
  return prompts;
}

std::vector<PromptRow> PromptRows(const PromptSet& set) {
  std::vector<PromptRow> rows;
  rows.reserve(set.prompts.size());
  for (const Prompt& prompt : set.prompts) {
    rows.push_back({prompt.text, prompt.string_id, prompt.tokens, prompt.position});
  }
  return rows;
}

}  // namespace actkin
