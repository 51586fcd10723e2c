#include "storage/directory/verify_prompt_sets.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "schema/error.h"
#include "schema/text.h"
#include "storage/catalog/experiment_catalog.h"

namespace actkin {
namespace {

void VerifyPrompts(Catalog& catalog, ExperimentCatalog& experiments, const PromptSetRow& set) {
  const std::vector<PromptRow> prompts = experiments.Prompts(set.prompt_set_id);
  if (prompts.size() != set.prompt_count) Fail("has {} prompts, expected {}", prompts.size(), set.prompt_count);
  if (PromptsSha256(prompts, catalog.Tokenizer()) != set.sha256) Fail("its prompts are not those that it was made of");
  for (const PromptRow& prompt : prompts) {
    if (prompt.position.has_value() != (set.rows == RowKind::kPositions)) {
      Fail("prompt {} is not one of its {}", Quote(prompt.text), Name(set.rows));
    }
    if (prompt.position) {
      if (prompt.tokens.empty() || *prompt.position >= catalog.Corpus().token_count || prompt.string_id) {
        Fail("prompt {} is no position of the corpus", *prompt.position);
      }
      continue;
    }
    if (prompt.tokens.size() != static_cast<std::size_t>(set.length)) {
      Fail("prompt {} has {} tokens, expected {}", Quote(prompt.text), prompt.tokens.size(), set.length);
    }
    const std::optional<StringRow> string = catalog.FindString(prompt.tokens);
    const std::optional<StringId> id = string ? std::optional(string->string_id) : std::nullopt;
    if (id != prompt.string_id) Fail("prompt {} has another string than its own", Quote(prompt.text));
  }
}

void VerifyEvaluations(ExperimentCatalog& experiments, const PromptSetRow& set) {
  const auto fraction = [](double value) { return value >= 0 && value <= 1; };
  for (const EvaluationRow& row : experiments.Evaluations(set.prompt_set_id)) {
    const bool sane = row.samples > 0 && row.first_prompt + row.samples <= set.prompt_count &&
                      fraction(row.hellinger_mean) && std::ranges::all_of(row.top_n, fraction) &&
                      std::ranges::all_of(row.top_n_any_order, fraction);
    if (!sane) Fail("the evaluation of scheme {} is not one of its prompts", Quote(row.scheme.name));
  }
}

}  // namespace

void VerifyPromptSets(Catalog& catalog, const CheckPart& check) {
  ExperimentCatalog experiments(catalog);
  for (const PromptSetRow& set : experiments.PromptSets()) {
    check("catalog.db: prompt set " + Quote(set.name), [&] {
      VerifyPrompts(catalog, experiments, set);
      VerifyEvaluations(experiments, set);
    });
  }
}

}  // namespace actkin
