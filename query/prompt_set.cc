#include "query/prompt_set.h"

#include <fmt/ranges.h>

#include <nlohmann/json.hpp>
#include <sstream>
#include <utility>

#include "schema/error.h"
#include "schema/text.h"
#include "storage/file.h"

namespace actkin {
namespace {

constexpr std::size_t kShownSets = 8;

// Fills in what the prompts say, and the set's id where the catalog has it.
void Complete(IndexReader& reader, PromptSet& set) {
  set.row.length = static_cast<int>(set.prompts.front().tokens.size());
  set.row.prompt_count = set.prompts.size();
  set.row.sha256 = PromptsSha256(PromptRows(set));
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
  set.prompts.reserve(count);
  for (const std::string& text : SamplePrompts(reader, count, seed)) set.prompts.push_back(reader.Encode(text));
  Complete(reader, set);
  return set;
}

PromptSet ListedPromptSet(IndexReader& reader, const std::vector<std::string>& texts, const std::string& file) {
  PromptSet set;
  for (const std::string& text : texts) {
    try {
      set.prompts.push_back(reader.Encode(text));
    } catch (const Error& error) {
      FailUsage("{}: {}", file, error.what());
    }
    const std::size_t expected = set.prompts.front().tokens.size();
    if (set.prompts.back().tokens.size() != expected) {
      FailUsage("{}: prompt {} has {} tokens, expected {} as the first has", file, Quote(text),
                set.prompts.back().tokens.size(), expected);
    }
  }
  if (set.prompts.empty()) FailUsage("{}: no prompts", file);
  const std::size_t length = set.prompts.front().tokens.size();
  const std::optional<ModelRow> model = reader.catalog().Model();
  if (model && length > static_cast<std::size_t>(model->shape.context)) {
    FailUsage("{}: the prompts have {} tokens: the model takes at most {}", file, length, model->shape.context);
  }
  set.row.name =
      fmt::format("{}-{}", std::filesystem::path(file).stem().string(), PromptsSha256(PromptRows(set)).substr(0, 12));
  Complete(reader, set);
  return set;
}

PromptSet LoadPromptSet(IndexReader& reader, const PromptSetRow& row) {
  PromptSet set;
  set.row = row;
  for (const PromptRow& prompt : ExperimentCatalog(reader.catalog()).Prompts(row.prompt_set_id)) {
    set.prompts.push_back(reader.Encode(prompt.text));
    if (set.prompts.back().tokens.size() != static_cast<std::size_t>(row.length)) {
      Fail("prompt set {}: damaged: prompt {} has {} tokens, expected {}", Quote(row.name), Quote(prompt.text),
           set.prompts.back().tokens.size(), row.length);
    }
  }
  if (set.prompts.size() != row.prompt_count || set.prompts.empty()) {
    Fail("prompt set {}: damaged: it has {} prompts, expected {}", Quote(row.name), set.prompts.size(),
         row.prompt_count);
  }
  return set;
}

PromptSetRow RequirePromptSet(IndexReader& reader, const std::string& name) {
  ExperimentCatalog experiments(reader.catalog());
  if (std::optional<PromptSetRow> row = experiments.FindPromptSet(name)) return *row;
  std::vector<std::string> names;
  for (const PromptSetRow& row : experiments.PromptSets()) names.push_back(row.name);
  if (names.empty()) FailUsage("no prompt set {}: this index has none", Quote(name));
  const std::size_t more = names.size() - std::min(names.size(), kShownSets);
  names.resize(std::min(names.size(), kShownSets));
  FailUsage("no prompt set {}: this index has {}{}", Quote(name), fmt::join(names, ", "),
            more > 0 ? fmt::format(" and {} more", more) : "");
}

std::vector<std::string> ReadPrompts(const std::filesystem::path& file) {
  const std::string text = ReadFile(file);
  std::vector<std::string> prompts;
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_array()) {
    for (const auto& prompt : json) {
      if (!prompt.is_string()) FailUsage("{}: expected strings, found {}", file.string(), prompt.dump());
      prompts.push_back(prompt.get<std::string>());
    }
  } else {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) prompts.push_back(line);
  }
  if (prompts.empty()) {
    FailUsage("{}: no prompts: expected a JSON array of strings, or one prompt a line", file.string());
  }
  return prompts;
}

std::vector<PromptRow> PromptRows(const PromptSet& set) {
  std::vector<PromptRow> rows;
  rows.reserve(set.prompts.size());
  for (const Prompt& prompt : set.prompts) rows.push_back({prompt.text, prompt.string_id});
  return rows;
}

}  // namespace actkin
