#include "storage/directory/verify_experiments.h"

#include <algorithm>
#include <vector>

#include "schema/error.h"
#include "schema/text.h"
#include "storage/catalog/experiment_catalog.h"
#include "storage/formats/saved_neighbors_file.h"

namespace actkin {
namespace {

using Check = std::function<void(const std::string& what, const std::function<void()>& action)>;

class ExperimentVerifier {
 public:
  ExperimentVerifier(const IndexDirectory& directory, bool every_byte, Catalog& catalog, const Check& check,
                     std::set<std::string>& named)
      : directory_(directory),
        every_byte_(every_byte),
        catalog_(catalog),
        experiments_(catalog),
        check_(check),
        named_(named) {
    lengths_ = catalog.Lengths();
  }

  void Run() {
    for (const PromptSetRow& set : experiments_.PromptSets()) {
      const std::string what = "catalog.db: prompt set " + Quote(set.name);
      if (every_byte_)
        check_(what, [&] {
          CheckPrompts(set);
          CheckEvaluations(set);
        });
      for (const SavedNeighborsRow& row : experiments_.SavedNeighbors(set.prompt_set_id)) {
        CheckFile<SavedNeighborsFile>(row.file, set, [&](const SavedNeighborsFile& file) {
          if (file.k() != row.k) Fail("{}: k is {}, expected {}", file.path().string(), file.k(), row.k);
          if (every_byte_) file.Verify(row.metric, Length(row.site.t_i + 1).string_count);
        });
      }
      for (const SavedBandTotalsRow& row : experiments_.SavedBandTotals(set.prompt_set_id)) {
        CheckFile<BandTotalsFile>(row.file, set, [&](const BandTotalsFile& file) {
          RequireVocabulary(file.vocabulary_size());
          if (every_byte_) file.Verify(Length(row.site.t_i + 1).row_count);
        });
      }
      if (const std::optional<FileRow> row = experiments_.SavedPredictions(set.prompt_set_id)) {
        CheckFile<PredictionsFile>(*row, set, [&](const PredictionsFile& file) {
          if (every_byte_) file.Verify();
        });
      }
    }
  }

 private:
  template <typename File, typename CheckMore>
  void CheckFile(const FileRow& row, const PromptSetRow& set, const CheckMore& check_more) {
    named_.insert(row.file);
    check_(row.file, [&] {
      const std::filesystem::path path = directory_.Resolve(row.file);
      const File file(path);
      RequireAsCatalogued(file, row, path);
      if (file.prompts() != set.prompt_count) {
        Fail("{}: has {} prompts, its set has {}", path.string(), file.prompts(), set.prompt_count);
      }
      check_more(file);
    });
  }

  const LengthRow& Length(int length) const {
    const auto found = std::ranges::find(lengths_, length, &LengthRow::length);
    if (found == lengths_.end()) Fail("neighbors of {} tokens, but there are no such strings", length);
    return *found;
  }

  void RequireVocabulary(std::uint64_t size) {
    // A model may know more tokens than the tokenizer.
    std::uint64_t expected = catalog_.TokenCount();
    if (const std::optional<ModelRow> model = catalog_.Model()) {
      expected = std::max(expected, static_cast<std::uint64_t>(model->shape.vocabulary_size));
    }
    if (size != expected) Fail("of {} tokens, expected {}", size, expected);
  }

  void CheckPrompts(const PromptSetRow& set) {
    const std::vector<PromptRow> prompts = experiments_.Prompts(set.prompt_set_id);
    if (prompts.size() != set.prompt_count) Fail("has {} prompts, expected {}", prompts.size(), set.prompt_count);
    if (PromptsSha256(prompts, catalog_.Tokenizer()) != set.sha256)
      Fail("its prompts are not those that it was made of");
    for (const PromptRow& prompt : prompts) {
      if (prompt.tokens.size() != static_cast<std::size_t>(set.length)) {
        Fail("prompt {} has {} tokens, expected {}", Quote(prompt.text), prompt.tokens.size(), set.length);
      }
      const std::optional<StringRow> string = catalog_.FindString(prompt.tokens);
      const std::optional<StringId> id = string ? std::optional(string->string_id) : std::nullopt;
      if (id != prompt.string_id) Fail("prompt {} has another string than its own", Quote(prompt.text));
    }
  }

  void CheckEvaluations(const PromptSetRow& set) {
    const auto fraction = [](double value) { return value >= 0 && value <= 1; };
    for (const EvaluationRow& row : experiments_.Evaluations(set.prompt_set_id)) {
      const bool sane = row.samples > 0 && row.first_prompt + row.samples <= set.prompt_count &&
                        fraction(row.hellinger_mean) && std::ranges::all_of(row.top_n, fraction) &&
                        std::ranges::all_of(row.top_n_any_order, fraction);
      if (!sane) Fail("the evaluation of scheme {} is not one of its prompts", Quote(row.scheme.name));
    }
  }

  const IndexDirectory& directory_;
  const bool every_byte_;
  Catalog& catalog_;
  ExperimentCatalog experiments_;
  const Check& check_;
  std::set<std::string>& named_;
  std::vector<LengthRow> lengths_;
};

}  // namespace

void VerifyExperiments(const IndexDirectory& directory, bool every_byte, Catalog& catalog, const Check& check,
                       std::set<std::string>& named) {
  ExperimentVerifier(directory, every_byte, catalog, check, named).Run();
}

}  // namespace actkin
