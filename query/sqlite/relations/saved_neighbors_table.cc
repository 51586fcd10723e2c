#include "query/sqlite/relations/saved_neighbors_table.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "query/predict/saved_neighbor_lists.h"
#include "query/reader/prompt_set.h"
#include "query/sqlite/table_functions/sql_value.h"
#include "query/sqlite/table_functions/table_function.h"
#include "schema/error.h"
#include "schema/text.h"
#include "storage/catalog/experiment_catalog.h"

namespace actkin {
namespace {

// Of a whole set; of a single prompt.
constexpr double kCostOfAll = 1e6;
constexpr double kCostOfOne = 1e3;
constexpr sqlite3_int64 kTypicalRows = 200'000;
constexpr sqlite3_int64 kTypicalRowsOfOne = 10;

enum Column { kPromptNumber, kRank, kStringId, kDistance, kSimilarity };
constexpr std::array kColumns{"prompt_number INTEGER", "rank INTEGER", "string_id INTEGER", "distance REAL",
                              "similarity REAL"};
enum Argument { kPromptSet, kStream, kBlock, kTI, kMetric, kK, kLow, kHigh, kPrompt, kCatalog };
constexpr std::array<TableArgument, 10> kArguments{{
    {"prompt_set", ArgumentType::kText, "'sample-20000-seed-1337'"},
    {"stream", ArgumentType::kText, "'ffwd'"},
    {"block", ArgumentType::kInteger, "5"},
    {"t_i", ArgumentType::kInteger, "9"},
    {"metric", ArgumentType::kText, "'l2'"},
    {"k", ArgumentType::kInteger, "10"},
    {"low", ArgumentType::kReal, "0.5"},
    {"high", ArgumentType::kReal, "1.5"},
    {"prompt", ArgumentType::kPrompt, "'my most gr'", true},
    {"catalog", ArgumentType::kText, "'main'"},
}};
constexpr TableSpecification kSpecification{
    "actkin_saved_neighbors", kColumns, kArguments, 4,
    "actkin_saved_neighbors('sample-20000-seed-1337', 'ffwd', 5, 9) with a set of the table prompt_set"};

class SavedNeighborRows : public TableRows {
 public:
  // prompts: ascending.
  SavedNeighborRows(SavedNeighborLists lists, Metric metric, StringId first_string_id,
                    std::vector<std::uint64_t> prompts)
      : lists_(std::move(lists)), metric_(metric), first_string_id_(first_string_id), prompts_(std::move(prompts)) {
    if (!prompts_.empty()) neighbors_ = lists_.Of(prompts_.front());
  }

  bool Next() override {
    ++rank_;
    while (place_ < prompts_.size() && rank_ > neighbors_.size()) {
      rank_ = 1;
      neighbors_ = ++place_ < prompts_.size() ? lists_.Of(prompts_[place_]) : std::span<const SavedNeighbor>();
    }
    return place_ < prompts_.size();
  }

  void Column(sqlite3_context* context, int column) const override {
    const SavedNeighbor& neighbor = neighbors_[rank_ - 1];
    switch (column) {
      case kPromptNumber:
        return sqlite3_result_int64(context, static_cast<sqlite3_int64>(prompts_[place_]));
      case kRank:
        return sqlite3_result_int64(context, static_cast<sqlite3_int64>(rank_));
      case kStringId:
        return sqlite3_result_int64(context, static_cast<sqlite3_int64>(first_string_id_ + neighbor.ordinal));
      case kDistance:
        return sqlite3_result_double(context, DistanceOf(metric_, neighbor.distance));
      default:
        if (const std::optional<double> similarity = SimilarityOf(metric_, neighbor.distance)) {
          return sqlite3_result_double(context, *similarity);
        }
        return sqlite3_result_null(context);
    }
  }

  std::uint64_t Identity() const override { return prompts_[place_] << 32 | rank_; }

 private:
  SavedNeighborLists lists_;
  Metric metric_;
  StringId first_string_id_;
  std::vector<std::uint64_t> prompts_;
  // Which of them the row is of, its neighbors, and the row's rank among them; 0 before the first row.
  std::size_t place_ = 0;
  std::span<const SavedNeighbor> neighbors_;
  std::uint64_t rank_ = 0;
};

std::optional<Band> ReadBand(const TableCall& call) {
  if (!call.Fixed(kLow) && !call.Fixed(kHigh)) return std::nullopt;
  Band band;
  if (call.Fixed(kLow)) band.low = call.Real(kLow);
  if (call.Fixed(kHigh)) band.high = call.Real(kHigh);
  return band;
}

class SavedNeighborsTable : public TableFunction {
 public:
  const TableSpecification& specification() const override { return kSpecification; }

  void Plan(TablePlan& plan) const override {
    plan.TakeComparisons(kPromptNumber);
    if (ComesInOrder(plan)) plan.ComesInOrder();
    const bool one = plan.Fixed(kPrompt) || plan.Takes(kPromptNumber, Comparison::kEqual);
    plan.Finish(one ? kCostOfOne : kCostOfAll, one ? kTypicalRowsOfOne : kTypicalRows);
  }

  std::unique_ptr<TableRows> Call(AttachedCatalogs& catalogs, TableCall& call) const override {
    Site site;
    site.stream = ParseStream(call.Text(kStream));
    site.block = site.stream == Stream::kEmbedding ? 0 : call.SmallInteger(kBlock);
    site.t_i = call.SmallInteger(kTI);
    const Metric metric = ParseMetric(call.Text(kMetric, Name(Metric::kL2)));
    const std::optional<Band> within = ReadBand(call);

    const CatalogSnapshot snapshot = catalogs.Open(call.Text(kCatalog, "main"));
    IndexReader& reader = snapshot.reader();
    if (site.t_i < 0) site.t_i += reader.string_length();
    const PromptSetRow set = RequirePromptSet(reader, call.Text(kPromptSet));
    ExperimentCatalog experiments(reader.catalog());
    std::uint64_t k = call.Count(kK).value_or(0);
    if (!call.Fixed(kK)) {
      for (const SavedNeighborsRow& row : experiments.SavedNeighbors(set.prompt_set_id)) {
        const bool same = row.site == site && row.metric == metric && row.within == within;
        if (same && row.counted.all()) k = std::max(k, row.k);
      }
      call.SetDefault(kK, static_cast<std::int64_t>(k));
    }
    std::optional<SavedNeighborLists> lists;
    if (k > 0) lists = FindSavedNeighbors(reader, set.prompt_set_id, site, metric, k, within);
    if (!lists) {
      FailUsage(ErrorCode::kNotFound,
                "prompt set {} has no saved neighbors in {}, {}{}: the table saved_neighbors lists what there is",
                Quote(set.name), Describe(site), Name(metric), k > 0 ? fmt::format(", k {}", k) : "");
    }
    return std::make_unique<SavedNeighborRows>(*lists, metric, reader.FirstStringId(site.t_i + 1),
                                               Prompts(call, reader, set.prompt_set_id, lists->prompts()));
  }

 private:
  // The numbers of the prompts that the call may have rows of, ascending. `prompt` fixes a text, which several may
  // have, or token ids.
  static std::vector<std::uint64_t> Prompts(const TableCall& call, IndexReader& reader, std::int64_t prompt_set_id,
                                            std::uint64_t count) {
    std::vector<std::uint64_t> prompts;
    if (call.Fixed(kPrompt)) {
      ExperimentCatalog experiments(reader.catalog());
      if (std::holds_alternative<SqlBlob>(call.Value(kPrompt))) {
        const std::optional<std::uint64_t> number =
            experiments.FindPrompt(prompt_set_id, reader.EncodeBytes(call.Blob(kPrompt)).tokens);
        if (number) prompts.push_back(*number);
      } else {
        prompts = experiments.PromptsOfText(prompt_set_id, call.Text(kPrompt));
      }
      std::erase_if(prompts, [&](std::uint64_t number) { return number >= count; });
    } else {
      prompts.resize(count);
      std::iota(prompts.begin(), prompts.end(), std::uint64_t{0});
    }
    for (const PushedComparison& comparison : call.comparisons()) {
      std::erase_if(prompts, [&](std::uint64_t number) { return !comparison.Holds(static_cast<double>(number)); });
    }
    return prompts;
  }

  // By prompt_number, then rank.
  static bool ComesInOrder(const TablePlan& plan) {
    for (int i = 0; i < std::min(plan.order_terms(), 2); ++i) {
      if (plan.order_descending(i) || plan.order_column(i) != (i == 0 ? kPromptNumber : kRank)) return false;
    }
    return plan.order_terms() > 0;
  }
};

}  // namespace

std::unique_ptr<const TableFunction> MakeSavedNeighborsTable() { return std::make_unique<SavedNeighborsTable>(); }

}  // namespace actkin
