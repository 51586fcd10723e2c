#include "query/sqlite/saved_neighbors_table.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "query/prompt_set.h"
#include "query/saved_neighbor_lists.h"
#include "query/sqlite/sql_value.h"
#include "schema/error.h"
#include "schema/text.h"
#include "storage/experiment_catalog.h"

namespace actkin {
namespace {

// Of a whole set; of a single prompt.
constexpr double kCostOfAll = 1e6;
constexpr double kCostOfOne = 1e3;
constexpr sqlite3_int64 kTypicalRows = 200'000;
constexpr sqlite3_int64 kTypicalRowsOfOne = 10;

enum Column { kPromptNumber, kRank, kStringId, kDistance };
constexpr int kFirstArgument = 4;
enum Argument { kPromptSet, kStream, kBlock, kTI, kMetric, kK, kLow, kHigh, kPrompt, kCatalog };
constexpr std::array kNames{"prompt_set", "stream", "block", "t_i", "metric", "k", "low", "high", "prompt", "catalog"};
// Code of the plan beside the arguments'.
constexpr char kNumberEqual = '#';

class SavedNeighborRows : public TableRows {
 public:
  // prompts: [begin, end).
  SavedNeighborRows(const TableArguments& arguments, SavedNeighborLists lists, StringId first_string_id,
                    std::uint64_t begin, std::uint64_t end)
      : lists_(std::move(lists)), first_string_id_(first_string_id), prompt_(begin), end_(end) {
    for (int argument = 0; argument <= kCatalog; ++argument) {
      sqlite3_value* value = arguments.Value(argument);
      given_.emplace_back(value == nullptr ? nullptr : sqlite3_value_dup(value));
    }
    if (prompt_ < end_) neighbors_ = lists_.Of(prompt_);
  }

  // Rows are asked for one after the other.
  bool AtEnd(std::size_t row) const override {
    while (prompt_ < end_ && row >= first_row_ + neighbors_.size()) {
      first_row_ += neighbors_.size();
      neighbors_ = ++prompt_ < end_ ? lists_.Of(prompt_) : std::span<const SavedNeighbor>();
    }
    return prompt_ >= end_;
  }

  void Column(sqlite3_context* context, std::size_t row, int column) const override {
    const std::size_t place = row - first_row_;
    switch (column) {
      case kPromptNumber:
        return sqlite3_result_int64(context, static_cast<sqlite3_int64>(prompt_));
      case kRank:
        return sqlite3_result_int64(context, static_cast<sqlite3_int64>(place) + 1);
      case kStringId:
        return sqlite3_result_int64(context, static_cast<sqlite3_int64>(first_string_id_ + neighbors_[place].ordinal));
      case kDistance:
        return sqlite3_result_double(context, neighbors_[place].distance);
      default:
        break;
    }
    if (const KeptValue& value = given_[static_cast<std::size_t>(column - kFirstArgument)]) {
      return sqlite3_result_value(context, value.get());
    }
    sqlite3_result_null(context);
  }

 private:
  std::vector<KeptValue> given_;
  SavedNeighborLists lists_;
  StringId first_string_id_;
  // Where the rows are read: the prompt of the row last asked for, its neighbors, and the row of the first of them.
  mutable std::uint64_t prompt_;
  std::uint64_t end_;
  mutable std::span<const SavedNeighbor> neighbors_;
  mutable std::size_t first_row_ = 0;
};

std::optional<Band> ReadBand(const TableArguments& arguments) {
  if (!arguments.Has(kLow) && !arguments.Has(kHigh)) return std::nullopt;
  Band band;
  if (arguments.Has(kLow)) band.low = RealValue(arguments.Value(kLow), "low");
  if (arguments.Has(kHigh)) band.high = RealValue(arguments.Value(kHigh), "high");
  return band;
}

class SavedNeighborsTable : public TableFunction {
 public:
  const char* declaration() const override {
    return "CREATE TABLE actkin_saved_neighbors(prompt_number INTEGER, rank INTEGER, string_id INTEGER, distance REAL, "
           "prompt_set HIDDEN, stream HIDDEN, block HIDDEN, t_i HIDDEN, metric HIDDEN, k HIDDEN, low HIDDEN, "
           "high HIDDEN, prompt HIDDEN, catalog HIDDEN)";
  }

  bool Plan(sqlite3_index_info& info) const override {
    TablePlan plan(info);
    if (!plan.ConsumeArguments(kFirstArgument)) return false;
    bool one = false;
    const auto constraints = plan.constraints();
    for (int i = 0; i < static_cast<int>(constraints.size()); ++i) {
      const auto& constraint = constraints[static_cast<std::size_t>(i)];
      if (constraint.usable == 0 || constraint.op != SQLITE_INDEX_CONSTRAINT_EQ) continue;
      one = one || constraint.iColumn == kFirstArgument + kPrompt;
      if (constraint.iColumn != kPromptNumber) continue;
      plan.Consume(i, kNumberEqual, false);
      one = true;
    }
    info.orderByConsumed = ComesInOrder(info) ? 1 : 0;
    plan.Finish(one ? kCostOfOne : kCostOfAll, one ? kTypicalRowsOfOne : kTypicalRows);
    return true;
  }

  std::unique_ptr<TableRows> Call(AttachedCatalogs& catalogs, std::string_view codes,
                                  std::span<sqlite3_value* const> values) const override {
    const TableArguments arguments(kNames, codes, values);
    for (const Argument needed : {kPromptSet, kStream, kTI}) {
      if (!arguments.Has(needed)) {
        FailUsage(
            "no {}: write actkin_saved_neighbors('sample-20000-seed-1337', 'ffwd', 5, 9), with a set of the table "
            "prompt_set",
            arguments.Name(needed));
      }
    }
    Site site;
    site.stream = ParseStream(arguments.Text(kStream, ""));
    if (arguments.Has(kBlock)) site.block = SmallIntegerValue(arguments.Value(kBlock), "block");
    if (site.stream == Stream::kEmbedding) site.block = 0;
    site.t_i = SmallIntegerValue(arguments.Value(kTI), "t_i");
    const Metric metric = ParseMetric(arguments.Text(kMetric, Name(Metric::kL2)));
    const std::optional<Band> within = ReadBand(arguments);

    const AttachedCatalogs::Use use = catalogs.Open(arguments.Text(kCatalog, "main"));
    IndexReader& reader = use.reader();
    if (site.t_i < 0) site.t_i += reader.string_length();
    const PromptSetRow set = RequirePromptSet(reader, TextValue(arguments.Value(kPromptSet), "prompt_set"));
    ExperimentCatalog experiments(reader.catalog());
    std::uint64_t k = 0;
    if (arguments.Has(kK)) {
      const std::int64_t given = IntegerValue(arguments.Value(kK), "k");
      if (given < 1) FailUsage("k {}: ask for at least 1", given);
      k = static_cast<std::uint64_t>(given);
    } else {
      for (const SavedNeighborsRow& row : experiments.SavedNeighbors(set.prompt_set_id)) {
        if (row.site == site && row.metric == metric && row.within == within) k = std::max(k, row.k);
      }
    }
    std::optional<SavedNeighborLists> lists;
    if (k > 0) lists = FindSavedNeighbors(reader, set.prompt_set_id, site, metric, k, within);
    if (!lists) {
      FailUsage("prompt set {} has no saved neighbors in {}, {}{}: the table saved_neighbors lists what there is",
                Quote(set.name), Describe(site), Name(metric), k > 0 ? fmt::format(", k {}", k) : "");
    }
    std::uint64_t begin = 0;
    std::uint64_t end = lists->prompts();
    const auto only = [&](std::optional<std::uint64_t> number) {
      const bool inside = number && *number >= begin && *number < end;
      begin = inside ? *number : end;
      end = inside ? begin + 1 : end;
    };
    if (arguments.Has(kPrompt)) {
      only(experiments.FindPrompt(set.prompt_set_id, TextValue(arguments.Value(kPrompt), "prompt")));
    }
    if (const std::size_t at = codes.find(kNumberEqual); at != std::string_view::npos) {
      // What is no whole number is no prompt's; SQLite compares once more.
      const bool number = sqlite3_value_numeric_type(values[at]) == SQLITE_INTEGER;
      const std::int64_t value = number ? sqlite3_value_int64(values[at]) : -1;
      if (number) only(value < 0 ? std::nullopt : std::optional(static_cast<std::uint64_t>(value)));
    }
    return std::make_unique<SavedNeighborRows>(arguments, *lists, FirstStringId(reader, site.t_i + 1), begin, end);
  }

 private:
  static StringId FirstStringId(IndexReader& reader, int length) {
    for (const LengthRow& row : reader.catalog().Lengths()) {
      if (row.length == length) return row.first_string_id;
    }
    FailUsage("t_i {}: strings have {} tokens", length - 1, reader.string_length());
  }

  // By prompt_number, then rank.
  static bool ComesInOrder(const sqlite3_index_info& info) {
    if (info.nOrderBy == 0 || info.nOrderBy > 2) return false;
    for (int i = 0; i < info.nOrderBy; ++i) {
      if (info.aOrderBy[i].desc != 0 || info.aOrderBy[i].iColumn != (i == 0 ? kPromptNumber : kRank)) return false;
    }
    return true;
  }
};

}  // namespace

std::unique_ptr<const TableFunction> MakeSavedNeighborsTable() { return std::make_unique<SavedNeighborsTable>(); }

}  // namespace actkin
