#include "query/sqlite/relations/predict_table.h"

#include <algorithm>
#include <array>
#include <string>
#include <thread>
#include <vector>

#include "query/predict/prediction.h"
#include "query/predict/saved_schemes.h"
#include "query/predict/token_totals.h"
#include "query/sqlite/relations/prompt_argument.h"
#include "query/sqlite/relations/token_rows.h"
#include "query/sqlite/table_functions/table_function.h"
#include "schema/error.h"
#include "schema/number_list.h"

namespace actkin {
namespace {

// A search in every site.
constexpr double kCost = 1e7;

enum Argument { kPrompt, kScheme, kTI, kK, kMetric, kMerge, kCatalog, kRows, kExcludeSelf, kMaxLength };
constexpr std::array<TableArgument, 10> kArguments{{
    {"prompt", ArgumentType::kPrompt, "'my most gr'", true},
    {"scheme", ArgumentType::kText, "'progressive_ffwd_weight'"},
    {"t_i", ArgumentType::kAny, "'7,8,9'", false, /*null_is_a_value=*/true},
    {"k", ArgumentType::kInteger, "10"},
    {"metric", ArgumentType::kText, "'l2'"},
    {"merge", ArgumentType::kText, "'nearest'"},
    {"catalog", ArgumentType::kText, "'main'"},
    {"rows", ArgumentType::kText, "'positions'"},
    {"exclude_self", ArgumentType::kInteger, "1"},
    {"max_length", ArgumentType::kReal, "200"},
}};
constexpr TableSpecification kSpecification{
    "actkin_predict", kTokenRowColumns, kArguments, 1,
    "actkin_predict('a prompt', 'progressive_ffwd_weight', 9) with a prompt of yours"};

class PredictTable : public TableFunction {
 public:
  const TableSpecification& specification() const override { return kSpecification; }

  void Plan(TablePlan& plan) const override { PlanTokenRows(plan, kCost); }

  std::unique_ptr<TableRows> Call(AttachedCatalogs& catalogs, TableCall& call) const override {
    PoolRequest request;
    const std::string scheme = call.Text(kScheme, kProgressiveFfwdWeight);
    // What is left open, the scheme brings.
    request.metric_is_open = !call.Fixed(kMetric);
    if (call.Fixed(kMetric)) request.metric = ParseMetric(call.Text(kMetric));
    request.merge = ParseMerge(call.Text(kMerge, Name(Merge::kNearest)));
    request.k = call.Count(kK);
    if (call.Fixed(kMaxLength)) request.max_length = call.Real(kMaxLength);

    const CatalogSnapshot snapshot = catalogs.Open(call.Text(kCatalog, "main"));
    IndexReader& reader = snapshot.reader();
    // NULL, as the table site has it: over positions.
    const bool null_t_i = call.Fixed(kTI) && std::holds_alternative<std::monostate>(call.Value(kTI));
    if (call.Fixed(kTI) && !null_t_i) request.t_is = ReadTIs(call);
    std::optional<RowKind> rows;
    if (call.Fixed(kRows)) rows = ParseRowKind(call.Text(kRows));
    if (null_t_i) {
      if (rows == RowKind::kStrings) FailUsage("rows 'strings': t_i is NULL, which means over positions");
      rows = RowKind::kPositions;
    }
    std::optional<bool> exclude_self;
    if (call.Fixed(kExcludeSelf)) {
      const std::int64_t value = call.Integer(kExcludeSelf);
      if (value != 0 && value != 1) FailUsage("exclude_self {}: expected 0 or 1", value);
      exclude_self = value == 1;
    }
    const int threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
    const Prediction prediction =
        PredictByScheme(reader, ReadPrompt(call, kPrompt, reader), scheme, request, threads, rows, exclude_self);
    SetDefaults(prediction, call);
    const std::vector<TokenValue>& probabilities = prediction.probabilities;
    return std::make_unique<TokenRows>(ByProbability(reader.vocabulary(), probabilities, probabilities.size()));
  }

 private:
  static void SetDefaults(const Prediction& prediction, TableCall& call) {
    const PoolRequest& request = prediction.request;
    if (!call.Fixed(kTI) && !request.t_is.empty()) call.SetDefault(kTI, DefaultTIsValue(request.t_is));
    call.SetDefault(kRows, std::string(Name(request.over_positions ? RowKind::kPositions : RowKind::kStrings)));
    call.SetDefault(kExcludeSelf, std::int64_t{request.exclude_self ? 1 : 0});
    call.SetDefault(kMetric, std::string(Name(request.metric)));
    if (request.k || request.bands.empty()) {
      call.SetDefault(kK, static_cast<std::int64_t>(request.k.value_or(kDefaultPoolCount)));
    }
  }

  // A position, or the text of a list of them.
  static std::vector<int> ReadTIs(const TableCall& call) {
    if (std::holds_alternative<std::string>(call.Value(kTI))) return ParseNumberList(call.Text(kTI), "t_i");
    return {call.SmallInteger(kTI)};
  }

  // As a call writes it.
  static SqlValue DefaultTIsValue(const std::vector<int>& t_is) {
    if (t_is.size() == 1) return std::int64_t{t_is.front()};
    return fmt::format("{}", fmt::join(t_is, ","));
  }
};

}  // namespace

std::unique_ptr<const TableFunction> MakePredictTable() { return std::make_unique<PredictTable>(); }

}  // namespace actkin
