#include "query/sqlite/neighbors_table.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <thread>
#include <utility>

#include "query/sqlite/sql_value.h"
#include "schema/error.h"
#include "schema/text.h"

namespace actkin {
namespace {

constexpr std::uint64_t kDefaultCount = 10;
// What SQLite's planner is told of one call: dearer than any lookup in a table, so that a join asks as seldom as it
// can.
constexpr double kCost = 1e6;

enum Column { kRank, kStringId, kText, kDistance };
constexpr int kFirstArgument = 4;

enum Argument { kAsked, kStream, kBlock, kTI, kK, kMetric, kSortOrder, kIndexName, kParams, kLow, kHigh, kCatalog };
constexpr std::array kPromptNames{"prompt",     "stream",     "block",  "t_i", "k",    "metric",
                                  "sort_order", "index_name", "params", "low", "high", "catalog"};
constexpr std::array kVectorNames{"vector",     "stream",     "block",  "t_i", "k",    "metric",
                                  "sort_order", "index_name", "params", "low", "high", "catalog"};

// Codes of the plan beside the arguments'.
constexpr char kLimit = 'L';
constexpr char kOffset = 'O';
constexpr char kEqual = '=';
constexpr char kLess = '<';
constexpr char kLessOrEqual = '{';
constexpr char kGreater = '>';
constexpr char kGreaterOrEqual = '}';

std::optional<char> ComparisonCode(unsigned char op) {
  switch (op) {
    case SQLITE_INDEX_CONSTRAINT_EQ:
      return kEqual;
    case SQLITE_INDEX_CONSTRAINT_LT:
      return kLess;
    case SQLITE_INDEX_CONSTRAINT_LE:
      return kLessOrEqual;
    case SQLITE_INDEX_CONSTRAINT_GT:
      return kGreater;
    case SQLITE_INDEX_CONSTRAINT_GE:
      return kGreaterOrEqual;
    default:
      return std::nullopt;
  }
}

// The text that an argument has in every call of the statement; none where that is not known yet.
std::optional<std::string> ConstantText(sqlite3_index_info& info, Argument argument, std::string_view missing) {
  for (int i = 0; i < info.nConstraint; ++i) {
    const auto& constraint = info.aConstraint[i];
    if (constraint.op != SQLITE_INDEX_CONSTRAINT_EQ || constraint.iColumn != kFirstArgument + argument) continue;
    sqlite3_value* value = nullptr;
    if (sqlite3_vtab_rhs_value(&info, i, &value) != SQLITE_OK || sqlite3_value_type(value) != SQLITE_TEXT) {
      return std::nullopt;
    }
    return TextValue(value, "");
  }
  return std::string(missing);
}

// Whether rows by rank are rows by distance, and in which direction.
enum class DistanceOrder { kUnknown, kAscending, kDescending };

DistanceOrder OrderOfDistances(sqlite3_index_info& info) {
  const std::optional<std::string> metric = ConstantText(info, kMetric, Name(Metric::kL2));
  const std::optional<std::string> order = ConstantText(info, kSortOrder, Name(Order::kNearest));
  const auto is_one_of = [](const std::optional<std::string>& text, auto a, auto b) {
    return text && (*text == Name(a) || *text == Name(b));
  };
  if (!is_one_of(metric, Metric::kL2, Metric::kCosine) || !is_one_of(order, Order::kNearest, Order::kFarthest)) {
    return DistanceOrder::kUnknown;
  }
  return (*metric == Name(Metric::kL2)) == (*order == Name(Order::kNearest)) ? DistanceOrder::kAscending
                                                                             : DistanceOrder::kDescending;
}

// Rows come by rank, and equal distances by string id.
bool RowsComeInOrder(sqlite3_index_info& info) {
  bool by_distance = false;
  for (int i = 0; i < info.nOrderBy; ++i) {
    const bool descending = info.aOrderBy[i].desc != 0;
    switch (info.aOrderBy[i].iColumn) {
      case kRank:
        return !descending;
      case kDistance:
        if (OrderOfDistances(info) != (descending ? DistanceOrder::kDescending : DistanceOrder::kAscending))
          return false;
        by_distance = true;
        break;
      case kStringId:
        return by_distance && !descending;
      default:
        return false;
    }
  }
  return true;
}

void ConsumeComparisons(TablePlan& plan) {
  const auto constraints = plan.constraints();
  for (int i = 0; i < static_cast<int>(constraints.size()); ++i) {
    const auto& constraint = constraints[static_cast<std::size_t>(i)];
    const std::optional<char> code = ComparisonCode(constraint.op);
    if (constraint.usable != 0 && constraint.iColumn == kDistance && code) plan.Consume(i, *code, true);
  }
}

// REQUIRES: what else can be consumed is.
void ConsumeLimit(TablePlan& plan) {
  const auto constraints = plan.constraints();
  int limit = -1;
  int offset = -1;
  for (int i = 0; i < static_cast<int>(constraints.size()); ++i) {
    const auto& constraint = constraints[static_cast<std::size_t>(i)];
    if (constraint.op == SQLITE_INDEX_CONSTRAINT_LIMIT) {
      if (constraint.usable != 0) limit = i;
    } else if (constraint.op == SQLITE_INDEX_CONSTRAINT_OFFSET) {
      if (constraint.usable == 0) return;
      offset = i;
    } else if (!plan.consumed(i)) {
      return;
    }
  }
  if (limit < 0) return;
  // SQLite goes on to skip the first rows and to stop after the last.
  plan.Consume(limit, kLimit, false);
  if (offset >= 0) plan.Consume(offset, kOffset, false);
}

// Narrows a band to where `distance <code> value` holds, as SQL compares: every text and BLOB is larger than any
// number, and nothing compares with NULL.
void Narrow(Band& band, char code, sqlite3_value* value) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const int type = sqlite3_value_type(value) == SQLITE_BLOB ? SQLITE_BLOB : sqlite3_value_numeric_type(value);
  if (type != SQLITE_INTEGER && type != SQLITE_FLOAT) {
    const bool always = type != SQLITE_NULL && (code == kLess || code == kLessOrEqual);
    if (!always) band = {kInfinity, -kInfinity};
    return;
  }
  const double number = sqlite3_value_double(value);
  if (code == kEqual || code == kGreaterOrEqual) band.low = std::max(band.low, number);
  if (code == kEqual || code == kLessOrEqual) band.high = std::min(band.high, number);
  if (code == kGreater) band.low = std::max(band.low, std::nextafter(number, kInfinity));
  if (code == kLess) band.high = std::min(band.high, std::nextafter(number, -kInfinity));
}

class NeighborRows : public TableRows {
 public:
  explicit NeighborRows(const TableArguments& arguments) {
    for (int argument = 0; argument <= kCatalog; ++argument) {
      sqlite3_value* value = arguments.Value(argument);
      given_.emplace_back(value == nullptr ? nullptr : sqlite3_value_dup(value));
    }
  }

  bool AtEnd(std::size_t row) const override { return row >= rows.size(); }

  void Column(sqlite3_context* context, std::size_t row, int column) const override {
    const Neighbor& neighbor = rows[row];
    switch (column) {
      case kRank:
        return sqlite3_result_int64(context, static_cast<sqlite3_int64>(neighbor.rank));
      case kStringId:
        return sqlite3_result_int64(context, static_cast<sqlite3_int64>(neighbor.string_id));
      case kText:
        return ReturnText(context, neighbor.text);
      case kDistance:
        return sqlite3_result_double(context, neighbor.distance);
      default:
        return ArgumentColumn(context, column - kFirstArgument);
    }
  }

  std::vector<Neighbor> rows;
  Site site;
  SearchRequest request;

 private:
  // An argument as it was given, or the default in its place.
  void ArgumentColumn(sqlite3_context* context, int argument) const {
    if (const KeptValue& value = given_[static_cast<std::size_t>(argument)]) {
      return sqlite3_result_value(context, value.get());
    }
    switch (argument) {
      case kStream:
        return ReturnText(context, Name(site.stream));
      case kBlock:
        return sqlite3_result_int(context, site.block);
      case kTI:
        return sqlite3_result_int(context, site.t_i);
      case kK:
        return sqlite3_result_int64(context, static_cast<sqlite3_int64>(request.k.value_or(0)));
      case kMetric:
        return ReturnText(context, Name(request.metric));
      case kSortOrder:
        return ReturnText(context, Name(request.order));
      case kIndexName:
        return ReturnText(context, kExactIndexName);
      case kParams:
        return ReturnText(context, "");
      case kCatalog:
        return ReturnText(context, "main");
      default:
        return sqlite3_result_null(context);
    }
  }

  std::vector<KeptValue> given_;
};

// How many rows to look for in a site of `row_count`.
std::uint64_t CountWanted(const TableArguments& arguments, std::string_view codes,
                          std::span<sqlite3_value* const> values, std::uint64_t row_count) {
  if (arguments.Has(kK)) {
    const std::int64_t k = IntegerValue(arguments.Value(kK), "k");
    if (k < 1) FailUsage("k {}: ask for at least 1", k);
    return static_cast<std::uint64_t>(k);
  }
  const std::size_t limit_at = codes.find(kLimit);
  if (limit_at == std::string_view::npos) return std::min(kDefaultCount, row_count);
  const std::int64_t limit = sqlite3_value_int64(values[limit_at]);
  if (limit < 0) return row_count;
  const std::size_t offset_at = codes.find(kOffset);
  const std::int64_t offset =
      offset_at == std::string_view::npos ? 0 : std::max<std::int64_t>(0, sqlite3_value_int64(values[offset_at]));
  return std::min(static_cast<std::uint64_t>(limit) + static_cast<std::uint64_t>(offset), row_count);
}

Band WantedBand(const TableArguments& arguments, std::string_view codes, std::span<sqlite3_value* const> values) {
  Band band;
  if (arguments.Has(kLow)) band.low = RealValue(arguments.Value(kLow), "low");
  if (arguments.Has(kHigh)) band.high = RealValue(arguments.Value(kHigh), "high");
  if (band.low > band.high) FailUsage("low {}, high {}: nothing lies between them", band.low, band.high);
  for (std::size_t i = 0; i < codes.size(); ++i) {
    if (std::string_view("=<{>}").find(codes[i]) != std::string_view::npos) Narrow(band, codes[i], values[i]);
  }
  return band;
}

class NeighborsTable : public TableFunction {
 public:
  explicit NeighborsTable(bool of_vector) : of_vector_(of_vector) {
    declaration_ = "CREATE TABLE actkin_neighbors(rank INTEGER, string_id INTEGER, text TEXT, distance REAL";
    for (const char* name : names()) declaration_ += fmt::format(", {} HIDDEN", name);
    declaration_ += ")";
  }

  const char* declaration() const override { return declaration_.c_str(); }

  bool Plan(sqlite3_index_info& info) const override {
    TablePlan plan(info);
    if (!plan.ConsumeArguments(kFirstArgument)) return false;
    ConsumeComparisons(plan);
    const bool in_order = RowsComeInOrder(info);
    if (in_order) ConsumeLimit(plan);
    info.orderByConsumed = in_order && info.nOrderBy > 0 ? 1 : 0;
    plan.Finish(kCost, kDefaultCount);
    return true;
  }

  std::unique_ptr<TableRows> Call(AttachedCatalogs& catalogs, std::string_view codes,
                                  std::span<sqlite3_value* const> values) const override {
    const TableArguments arguments(names(), codes, values);
    if (!arguments.Has(kAsked)) {
      FailUsage("no {}: write actkin_neighbors{}({}, 'ffwd', 5, 9), with {}", names()[kAsked], of_vector_ ? "_of" : "",
                of_vector_ ? "vector" : "'a prompt'", of_vector_ ? "a BLOB of float32" : "a prompt of yours");
    }
    auto answer = std::make_unique<NeighborRows>(arguments);
    NeighborQuery query = ReadQuery(arguments);
    const Band band = WantedBand(arguments, codes, values);

    const AttachedCatalogs::Use use = catalogs.Open(arguments.Text(kCatalog, "main"));
    IndexReader& reader = use.reader();
    const Asked asked = ReadAsked(arguments, reader, query);
    const std::shared_ptr<const SiteIndex> index = reader.OpenIndex(asked.site, query.index_name, query.search.metric);
    query.search.k = CountWanted(arguments, codes, values, index->row_count());
    if (band.low > -std::numeric_limits<double>::infinity() || band.high < std::numeric_limits<double>::infinity()) {
      query.search.within = band;
    }
    answer->site = asked.site;
    answer->request = query.search;
    if (of_vector_ && asked.vector.size() != index->dimension()) {
      FailUsage("vector: {} has {} numbers a row, the BLOB has {}", Describe(asked.site), index->dimension(),
                asked.vector.size());
    }
    if (*query.search.k == 0 || band.low > band.high) return answer;
    answer->rows = reader.FindNeighborsOf(of_vector_ ? asked.vector : reader.QueryVector(*asked.prompt, asked.site),
                                          asked.site, query.index_name, query.search);
    return answer;
  }

 private:
  // What the rows are compared with, and the site that was meant.
  struct Asked {
    std::optional<Prompt> prompt;
    std::vector<float> vector;
    Site site;
  };

  std::span<const char* const> names() const { return of_vector_ ? kVectorNames : kPromptNames; }

  static NeighborQuery ReadQuery(const TableArguments& arguments) {
    NeighborQuery query;
    query.stream = ParseStream(arguments.Text(kStream, Name(Stream::kFfwd)));
    if (arguments.Has(kBlock)) query.block = SmallIntegerValue(arguments.Value(kBlock), "block");
    if (arguments.Has(kTI)) query.t_i = SmallIntegerValue(arguments.Value(kTI), "t_i");
    query.search.threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
    query.search.metric = ParseMetric(arguments.Text(kMetric, Name(Metric::kL2)));
    query.search.order = ParseOrder(arguments.Text(kSortOrder, Name(Order::kNearest)));
    query.index_name = arguments.Text(kIndexName, kExactIndexName);
    query.search.parameters = arguments.Text(kParams, "");
    return query;
  }

  Asked ReadAsked(const TableArguments& arguments, IndexReader& reader, const NeighborQuery& query) const {
    Asked asked;
    std::size_t tokens = 0;
    if (of_vector_) {
      asked.vector = VectorValue(arguments.Value(kAsked), names()[kAsked]);
      if (query.stream == Stream::kEmbedding && !query.t_i) {
        const std::optional<ModelRow> model = reader.catalog().Model();
        if (model && model->shape.embed > 0)
          tokens = asked.vector.size() / static_cast<std::size_t>(model->shape.embed);
      }
    } else {
      asked.prompt = reader.Encode(TextValue(arguments.Value(kAsked), names()[kAsked]));
      tokens = asked.prompt->tokens.size();
    }
    asked.site = reader.ResolveSite(query, tokens);
    return asked;
  }

  const bool of_vector_;
  std::string declaration_;
};

}  // namespace

std::unique_ptr<const TableFunction> MakeNeighborsTable() { return std::make_unique<NeighborsTable>(false); }

std::unique_ptr<const TableFunction> MakeNeighborsOfTable() { return std::make_unique<NeighborsTable>(true); }

}  // namespace actkin
