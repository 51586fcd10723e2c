#ifndef ACTKIN_STORAGE_CATALOG_EXPERIMENT_CATALOG_H_
#define ACTKIN_STORAGE_CATALOG_EXPERIMENT_CATALOG_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "schema/band.h"
#include "schema/site.h"
#include "storage/catalog/catalog.h"

namespace actkin {

// Rows of the catalog's tables of experiments.
struct PromptSetRow {
  std::int64_t prompt_set_id = 0;
  std::string name;
  int length = 0;  // tokens of each prompt; 0: of positions, each has its own number
  std::uint64_t prompt_count = 0;
  std::string sha256;
  std::optional<std::uint64_t> seed;  // of a sample
  bool imported = false;
  RowKind rows = RowKind::kStrings;  // what the prompts are
};

struct PromptRow {
  std::string text;
  std::optional<StringId> string_id;  // the prompt's own string
  std::vector<TokenId> tokens;
  std::optional<std::uint64_t> position;  // then the text is its token's, and the tokens are what it is asked with
};

// Which of a site's rows count; by default all.
struct CountedRows {
  std::string condition;             // of SQL, as it was asked; empty: all
  std::string passing;               // a checksum of the string_ids that it held for; empty without a condition
  std::optional<double> max_length;  // only rows at most so long
  bool exclude_self = false;         // each prompt's own row does not count

  bool all() const { return passing.empty() && !max_length && !exclude_self; }
  // Two conditions that hold for the same rows are the same.
  friend bool operator==(const CountedRows& a, const CountedRows& b) {
    return a.passing == b.passing && a.max_length == b.max_length && a.exclude_self == b.exclude_self;
  }
};

struct SavedNeighborsRow {
  Site site;
  Metric metric = Metric::kL2;
  std::uint64_t k = 0;
  std::optional<Band> within;
  FileRow file;
  CountedRows counted = {};
};

struct SavedBandTotalsRow {
  Site site;
  Metric metric = Metric::kL2;
  Band within;
  FileRow file;
  CountedRows counted = {};
};

struct SchemeRow {
  std::string name;
  std::string definition;  // JSON
};

struct EvaluationRow {
  std::uint64_t first_prompt = 0;
  std::uint64_t samples = 0;
  SchemeRow scheme;  // as it was
  Metric metric = Metric::kL2;
  std::vector<int> t_is;  // none: over positions
  bool exclude_self = false;
  std::uint64_t exclude_window = 0;
  std::optional<double> max_length = {};  // of rows that count
  std::string condition;                  // likewise, as --where writes it; empty: all
  Merge merge = Merge::kNearest;
  std::optional<std::uint64_t> k;  // none: all rows within the bands
  std::string within;              // as --within writes it
  std::string compared_with;       // "model" or "corpus"
  double hellinger_mean = 0;
  std::vector<double> top_n;            // n = 1, 2, ...: fractions of the samples
  std::vector<double> top_n_any_order;  // as many
};

// Reads what experiments left in a catalog. One thread at a time; `catalog` outlives this object.
class ExperimentCatalog {
 public:
  explicit ExperimentCatalog(Catalog& catalog);

  std::vector<PromptSetRow> PromptSets();  // by id
  std::optional<PromptSetRow> FindPromptSet(std::string_view name);
  std::vector<PromptRow> Prompts(std::int64_t prompt_set_id);  // by number
  // The number of a prompt in a set.
  std::optional<std::uint64_t> FindPrompt(std::int64_t prompt_set_id, std::span<const TokenId> tokens);
  // The numbers of those that have a text, ascending.
  std::vector<std::uint64_t> PromptsOfText(std::int64_t prompt_set_id, std::string_view text);
  std::vector<SavedNeighborsRow> SavedNeighbors(std::int64_t prompt_set_id);  // by site, metric, k
  std::vector<SavedBandTotalsRow> SavedBandTotals(std::int64_t prompt_set_id);
  std::optional<FileRow> SavedPredictions(std::int64_t prompt_set_id);
  std::vector<SchemeRow> Schemes();  // by name
  std::optional<SchemeRow> FindScheme(std::string_view name);
  std::vector<EvaluationRow> Evaluations(std::int64_t prompt_set_id);  // in the order they were made

 private:
  SqliteStatement Statement(const std::string& sql) const;

  sqlite3* connection_;
  std::string schema_;
  int width_ = 1;  // bytes of an id in `tokens`
};

// SHA-256 of the prompts as a JSON array, of their texts or, where two may have the same, of their ids; of positions,
// each with its ids: what tells one list of prompts from another.
std::string PromptsSha256(std::span<const PromptRow> prompts, const TokenizerRow& tokenizer);

}  // namespace actkin

#endif  // ACTKIN_STORAGE_CATALOG_EXPERIMENT_CATALOG_H_
