#include "query/sqlite/saved_neighbors_table.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "query/predict/saved_neighbor_lists.h"
#include "query/reader/prompt_set.h"
#include "query/sqlite/sql_value.h"
#include "query/sqlite/table_function.h"
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
    {"prompt", ArgumentType::kText, "'my most gr'", true},
    {"catalog", ArgumentType::kText, "'main'"},
}};
constexpr TableSpecification kSpecification{
    "actkin_saved_neighbors", kColumns, kArguments, 4,
    "actkin_saved_neighbors('sample-20000-seed-1337', 'ffwd', 5, 9) with a set of the table prompt_set"};

class SavedNeighborRows : public TableRows {
 public:
  // prompts: [begin, end).
  SavedNeighborRows(SavedNeighborLists lists, Metric metric, StringId first_string_id, std::uint64_t begin,
                    std::uint64_t end)
      : lists_(std::move(lists)), metric_(metric), first_string_id_(first_string_id), prompt_(begin), end_(end) {
    if (prompt_ < end_) neighbors_ = lists_.Of(prompt_);
  }

  bool Next() override {
    ++rank_;
    while (prompt_ < end_ && rank_ > neighbors_.size()) {
      rank_ = 1;
      neighbors_ = ++prompt_ < end_ ? lists_.Of(prompt_) : std::span<const SavedNeighbor>();
    }
    return prompt_ < end_;
  }

  void Column(sqlite3_context* context, int column) const override {
    const SavedNeighbor& neighbor = neighbors_[rank_ - 1];
    switch (column) {
      case kPromptNumber:
        return sqlite3_result_int64(context, static_cast<sqlite3_int64>(prompt_));
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

  std::uint64_t Identity() const override { return prompt_ << 32 | rank_; }

 private:
  SavedNeighborLists lists_;
  Metric metric_;
  StringId first_string_id_;
  // The prompt of the row, its neighbors, and the row's rank among them; 0 before the first row.
  std::uint64_t prompt_;
  std::uint64_t end_;
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
        if (row.site == site && row.metric == metric && row.within == within) k = std::max(k, row.k);
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
    const auto [begin, end] = Prompts(call, experiments, set.prompt_set_id, lists->prompts());
    return std::make_unique<SavedNeighborRows>(*lists, metric, reader.FirstStringId(site.t_i + 1), begin, end);
  }

 private:
  // The prompts [first, second) that the call may have rows of.
  static std::pair<std::uint64_t, std::uint64_t> Prompts(const TableCall& call, ExperimentCatalog& experiments,
                                                         std::int64_t prompt_set_id, std::uint64_t count) {
    std::uint64_t begin = 0;
    std::uint64_t end = count;
    const auto only = [&](std::optional<std::uint64_t> number) {
      const bool inside = number && *number >= begin && *number < end;
      begin = inside ? *number : end;
      end = inside ? begin + 1 : end;
    };
    if (call.Fixed(kPrompt)) only(experiments.FindPrompt(prompt_set_id, call.Text(kPrompt)));
    for (const PushedComparison& comparison : call.comparisons()) {
      while (begin < end && !comparison.Holds(static_cast<double>(begin))) ++begin;
      while (begin < end && !comparison.Holds(static_cast<double>(end - 1))) --end;
    }
    return {begin, end};
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
