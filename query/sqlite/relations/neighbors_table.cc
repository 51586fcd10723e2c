#include "query/sqlite/relations/neighbors_table.h"

#include <algorithm>
#include <array>
#include <optional>
#include <thread>
#include <utility>

#include "query/exact/ranking.h"
#include "query/sqlite/relations/compared_rows.h"
#include "query/sqlite/relations/prompt_argument.h"
#include "query/sqlite/relations/ranked_rows.h"
#include "query/sqlite/table_functions/sql_value.h"
#include "query/sqlite/table_functions/table_function.h"
#include "schema/error.h"
#include "schema/text.h"

namespace actkin {
namespace {

// What SQLite's planner is told of one call: dearer than any lookup in a table, so that a join asks as seldom as it
// can.
constexpr double kCost = 1e6;
constexpr sqlite3_int64 kTypicalRows = 1000;
constexpr sqlite3_int64 kTypicalRowsOfK = 10;

// Of so many rows that comparisons leave the ranks are counted, at once.
constexpr std::uint64_t kMostCounted = 4096;

constexpr RowColumns kRowColumns{kStringId, kPosition, kDocumentId, kText};

enum Argument {
  kAsked,
  kStream,
  kBlock,
  kTI,
  kK,
  kMetric,
  kSortOrder,
  kIndexName,
  kParams,
  kLow,
  kHigh,
  kCatalog,
  kAmong,
  kCenter,
  kRows,
  kDistinct,
  kExcludeWindow,
  kExclude,  // of a prompt exclude_self, of a vector exclude_position
  kMaxLength,
};
constexpr std::array<TableArgument, 19> Arguments(TableArgument asked, TableArgument exclude) {
  using enum ArgumentType;
  return {asked,
          {"stream", kText, "'ffwd'"},
          {"block", kInteger, "5"},
          {"t_i", kInteger, "9", false, /*null_is_a_value=*/true},
          {"k", kInteger, "10"},
          {"metric", kText, "'cosine'"},
          {"sort_order", kText, "'farthest'"},
          {"index_name", kText, "'exact'"},
          {"params", kText, "'efSearch=64'"},
          {"low", kReal, "0.5"},
          {"high", kReal, "1.5"},
          {"catalog", kText, "'main'"},
          {"among", kText, "'SELECT string_id FROM string WHERE occurrences > 5'"},
          {"center", kInteger, "1"},
          {"rows", kText, "'positions'"},
          {"distinct", kText, "'text'"},
          {"exclude_window", kInteger, "10"},
          exclude,
          {"max_length", kReal, "200"}};
}
constexpr auto kPromptArguments =
    Arguments({"prompt", ArgumentType::kPrompt, "'my most gr'", true}, {"exclude_self", ArgumentType::kInteger, "1"});
constexpr auto kVectorArguments =
    Arguments({"vector", ArgumentType::kBlob, "?", true}, {"exclude_position", ArgumentType::kInteger, "42"});
constexpr TableSpecification kOfPrompt{"actkin_neighbors", kNeighborColumns, kPromptArguments, 1,
                                       "actkin_neighbors('a prompt', 'ffwd', 5, 9) with a prompt of yours"};
constexpr TableSpecification kOfVector{"actkin_neighbors_of", kNeighborColumns, kVectorArguments, 1,
                                       "actkin_neighbors_of(vector, 'ffwd', 5, 9) with a BLOB of float32"};

// Rows come by rank. That is by distance, equal distances by string_id or position: but for cosine distances are 1 -
// similarity, rounded, and may be equal where similarities are not. Of string_id and position one is NULL in every row.
bool RowsComeInOrder(const TablePlan& plan) {
  const std::string order = plan.KnownText(kSortOrder, Name(Order::kNearest));
  const bool l2 = plan.KnownText(kMetric, Name(Metric::kL2)) == Name(Metric::kL2);
  bool by_distance = false;
  for (int i = 0; i < plan.order_terms(); ++i) {
    const bool descending = plan.order_descending(i);
    switch (plan.order_column(i)) {
      case kRank:
        return !descending;
      case kDistance:
        if (order != Name(descending ? Order::kFarthest : Order::kNearest)) return false;
        by_distance = true;
        break;
      case kStringId:
      case kPosition:
        return by_distance && l2 && !descending && i + 1 == plan.order_terms();
      default:
        return false;
    }
  }
  return true;
}

class NoRows : public TableRows {
 public:
  bool Next() override { return false; }
  void Column(sqlite3_context*, int) const override {}
  std::uint64_t Identity() const override { return 0; }
};

class NeighborsTable : public TableFunction {
 public:
  explicit NeighborsTable(bool of_vector) : of_vector_(of_vector) {}

  const TableSpecification& specification() const override { return of_vector_ ? kOfVector : kOfPrompt; }

  void Plan(TablePlan& plan) const override {
    plan.TakeComparisons(kRank);
    plan.TakeComparisons(kDistance);
    // k and distinct choose before any condition.
    if (!plan.Fixed(kK) && !plan.Fixed(kDistinct)) {
      for (const int column : {kStringId, kPosition, kDocumentId}) {
        plan.TakeComparisons(column, /*whole_lists=*/true, /*nullable=*/true);
      }
      plan.TakeTexts(kText);
    }
    plan.SayWhetherRead(kRank);
    if (RowsComeInOrder(plan)) plan.ComesInOrder();
    plan.Finish(kCost, plan.Fixed(kK) ? kTypicalRowsOfK : kTypicalRows);
  }

  std::unique_ptr<TableRows> Call(AttachedCatalogs& catalogs, TableCall& call) const override {
    CatalogSnapshot snapshot = catalogs.Open(call.Text(kCatalog, "main"));
    IndexReader& reader = snapshot.reader();
    NeighborQuery query = ReadQuery(call, reader);
    const Asked asked = ReadAsked(call, reader, query);
    SetSiteDefaults(asked.site, call);
    // What looks at some rows alone finds its k rows at once.
    const bool exact = query.index_name == kExactIndexName && query.search.parameters.empty();
    if (!query.search.k && !query.search.parameters.empty() && query.index_name == kExactIndexName) {
      FailUsage("params {}: of some rows alone the k best can be asked for: write k = 10",
                Quote(query.search.parameters));
    }
    if (!exact && !query.search.k) {
      FailUsage("index_name {}: an approximate index is asked for k rows: write k = 10", Quote(query.index_name));
    }
    SearchRequest& request = query.search;
    request.cost = &catalogs.cost();
    if (call.Fixed(kAmong)) request.among = catalogs.RowsAmong(snapshot, asked.site, call.Text(kAmong));
    if (call.Fixed(kMaxLength)) {
      request.among = reader.RowsThatPass(asked.site, std::move(request.among), call.Real(kMaxLength));
    }
    const ComparedRows compared(call, kRowColumns);
    const Band end = BandOf(call, request.metric, request.order);
    // Ranks are places in this band, and among these rows.
    SearchRequest all = request;
    if (exact) {
      const Band band = request.within.value_or(Band{});
      const Band narrowed{std::max(band.low, end.low), std::min(band.high, end.high)};
      if (narrowed.low > narrowed.high) return std::make_unique<NoRows>();
      if (narrowed != Band{}) request.within = narrowed;
    }
    const std::string key =
        call.Key() + fmt::format(" {} {}", end.low, end.high) + compared.Key() + (call.Reads(kRank) ? " ranks" : "");
    std::shared_ptr<Ranking> ranking = snapshot.rankings().Find(key);
    if (!ranking) {
      const std::shared_ptr<const RowSet> left = compared.Of(reader, asked.site, request.among);
      // Where a rank is read, those of a few rows are counted; of many all are ranked, and SQLite compares.
      const bool counts = call.Reads(kRank) && left != request.among;
      const bool chosen = !counts || left->count() <= kMostCounted;
      if (chosen) request.among = left;
      const std::shared_ptr<const SiteIndex> index = reader.OpenIndex(asked.site, query.index_name, request.metric);
      std::vector<float> vector = of_vector_ ? asked.vector : reader.QueryVector(*asked.prompt, asked.site);
      if (vector.size() != index->dimension()) {
        FailUsage("vector: {} has {} numbers a row, the BLOB has {}", Describe(asked.site), index->dimension(),
                  vector.size());
      }
      const std::vector<RowRange> own = OwnRows(asked, reader);
      std::optional<RowNumber> left_out;
      if (own.size() == 1 && own.front().size() == 1) {
        left_out = static_cast<RowNumber>(own.front().begin);
      } else if (!own.empty()) {
        request.among = std::make_shared<const RowSet>(RowSet::Without(index->row_count(), request.among.get(), own));
      }
      ranking = std::make_shared<Ranking>(
          index, exact, std::move(vector), request, left_out,
          query.distinct ? reader.GroupsOf(asked.site, *query.distinct) : Ranking::RowGroup());
      if (counts && chosen) {
        if (!own.empty()) {
          all.among = std::make_shared<const RowSet>(RowSet::Without(index->row_count(), all.among.get(), own));
        }
        ranking->CountRanksAmong(std::move(all));
      }
      snapshot.rankings().Add(key, ranking);
    }
    return std::make_unique<RankedRows>(catalogs, std::move(snapshot), call, request, asked.site, std::move(ranking));
  }

 private:
  // What the rows are compared with, and the site that was meant.
  struct Asked {
    std::optional<Prompt> prompt;
    std::vector<float> vector;
    Site site;
    bool exclude_self = false;
    std::optional<std::int64_t> exclude_position = {};
    std::uint64_t exclude_window = 0;
  };

  static NeighborQuery ReadQuery(TableCall& call, IndexReader& reader) {
    NeighborQuery query;
    if (!call.Fixed(kStream)) call.SetDefault(kStream, std::string(Name(reader.DefaultStream())));
    const StreamName name = ParseStreamName(call.Text(kStream));
    query.stream = name.stream;
    query.block = BlockOf(name, call.Fixed(kBlock) ? std::optional(call.SmallInteger(kBlock)) : std::optional<int>());
    // NULL, as the table site has it: over positions.
    const bool null_t_i = call.Fixed(kTI) && std::holds_alternative<std::monostate>(call.Value(kTI));
    if (call.Fixed(kTI) && !null_t_i) query.t_i = call.SmallInteger(kTI);
    if (call.Fixed(kRows)) query.rows = ParseRowKind(call.Text(kRows));
    if (null_t_i) {
      if (query.rows == RowKind::kStrings) FailUsage("rows 'strings': t_i is NULL, which means over positions");
      query.rows = RowKind::kPositions;
    }
    if (call.Fixed(kDistinct)) query.distinct = ParseDistinct(call.Text(kDistinct));
    query.search.threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
    query.search.k = call.Count(kK);
    call.SetDefault(kCenter, std::int64_t{0});
    query.search.metric = Centered(ParseMetric(call.Text(kMetric, Name(Metric::kL2))), ReadSwitch(call, kCenter));
    query.search.order = ParseOrder(call.Text(kSortOrder, Name(Order::kNearest)));
    query.index_name = call.Text(kIndexName, kExactIndexName);
    query.search.parameters = call.Text(kParams, "");
    if (call.Fixed(kLow) || call.Fixed(kHigh)) {
      Band band;
      if (call.Fixed(kLow)) band.low = call.Real(kLow);
      if (call.Fixed(kHigh)) band.high = call.Real(kHigh);
      query.search.within = band;
    }
    return query;
  }

  static void SetSiteDefaults(const Site& site, TableCall& call) {
    call.SetDefault(kBlock, std::int64_t{site.block});
    if (!site.over_positions()) call.SetDefault(kTI, std::int64_t{site.t_i});
    call.SetDefault(kRows, std::string(site.over_positions() ? kRowsOfPositions : kRowsOfStrings));
  }

  static bool ReadSwitch(const TableCall& call, Argument argument) {
    const std::int64_t value = call.Integer(argument);
    if (value != 0 && value != 1) FailUsage("{} {}: expected 0 or 1", kPromptArguments[argument].name, value);
    return value == 1;
  }

  Asked ReadAsked(TableCall& call, IndexReader& reader, const NeighborQuery& query) const {
    Asked asked;
    if (of_vector_) {
      asked.vector = ReadVector(call.Blob(kAsked), "vector");
      asked.site = reader.ResolveSite(query, asked.vector);
    } else {
      asked.prompt = ReadPrompt(call, kAsked, reader);
      asked.site = reader.ResolveSite(query, asked.prompt->tokens.size());
      call.SetDefault(kExclude, std::int64_t{0});
      asked.exclude_self = ReadSwitch(call, kExclude);
    }
    call.SetDefault(kExcludeWindow, std::int64_t{0});
    const std::int64_t window = call.Integer(kExcludeWindow);
    if (window < 0) FailUsage("exclude_window {}: expected a number of tokens, at least 0", window);
    asked.exclude_window = static_cast<std::uint64_t>(window);
    if (!of_vector_) {
      asked.exclude_self = asked.exclude_self || window > 0;
    } else if (call.Fixed(kExclude)) {
      asked.exclude_position = call.Integer(kExclude);
      reader.RequirePosition(*asked.exclude_position);
    } else if (window > 0) {
      FailUsage("exclude_window {}: of a vector it is around exclude_position: fix that, too", window);
    }
    if ((asked.exclude_position || window > 0) && !asked.site.over_positions()) {
      // Where the statement says what the rows are, but not to this call, that is what is wrong.
      SetSiteDefaults(asked.site, call);
      call.RequireReadable();
      FailUsage("{}: rows of strings are at no position", window > 0 ? "exclude_window" : "exclude_position");
    }
    return asked;
  }

  // The rows that are left out.
  static std::vector<RowRange> OwnRows(const Asked& asked, IndexReader& reader) {
    if (asked.exclude_self) return reader.OwnRows(*asked.prompt, asked.site, asked.exclude_window);
    if (!asked.exclude_position) return {};
    const auto position = static_cast<std::uint64_t>(*asked.exclude_position);
    return reader.RowsAround(std::span(&position, 1), asked.site, asked.exclude_window);
  }

  const bool of_vector_;
};

}  // namespace

std::unique_ptr<const TableFunction> MakeNeighborsTable() { return std::make_unique<NeighborsTable>(false); }

std::unique_ptr<const TableFunction> MakeNeighborsOfTable() { return std::make_unique<NeighborsTable>(true); }

}  // namespace actkin
