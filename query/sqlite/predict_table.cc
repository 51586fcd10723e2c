#include "query/sqlite/predict_table.h"

#include <array>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "query/prediction.h"
#include "query/saved_schemes.h"
#include "query/sqlite/sql_value.h"
#include "query/token_totals.h"
#include "schema/error.h"
#include "schema/number_list.h"

namespace actkin {
namespace {

// A search in every site.
constexpr double kCost = 1e7;
constexpr sqlite3_int64 kTypicalVocabulary = 64;

enum Column { kRank, kToken, kProbability };
constexpr int kFirstArgument = 3;
enum Argument { kPrompt, kScheme, kTI, kK, kMetric, kMerge, kCatalog };
constexpr std::array kNames{"prompt", "scheme", "t_i", "k", "metric", "merge", "catalog"};

struct TokenProbability {
  std::string token;
  double probability = 0;
};

class PredictRows : public TableRows {
 public:
  explicit PredictRows(const TableArguments& arguments) {
    for (int argument = 0; argument <= kCatalog; ++argument) {
      sqlite3_value* value = arguments.Value(argument);
      given_.emplace_back(value == nullptr ? nullptr : sqlite3_value_dup(value));
    }
  }

  bool AtEnd(std::size_t row) const override { return row >= rows.size(); }

  void Column(sqlite3_context* context, std::size_t row, int column) const override {
    switch (column) {
      case kRank:
        return sqlite3_result_int64(context, static_cast<sqlite3_int64>(row) + 1);
      case kToken:
        return ReturnText(context, rows[row].token);
      case kProbability:
        return sqlite3_result_double(context, rows[row].probability);
      default:
        return ArgumentColumn(context, column - kFirstArgument);
    }
  }

  std::vector<TokenProbability> rows;
  std::string scheme;
  PoolRequest request;

 private:
  // An argument as it was given, or the default in its place.
  void ArgumentColumn(sqlite3_context* context, int argument) const {
    if (const KeptValue& value = given_[static_cast<std::size_t>(argument)]) {
      return sqlite3_result_value(context, value.get());
    }
    switch (argument) {
      case kScheme:
        return ReturnText(context, scheme);
      case kTI:
        return ReturnText(context, fmt::format("{}", fmt::join(request.t_is, ",")));
      case kK:
        if (!request.k && !request.bands.empty()) return sqlite3_result_null(context);
        return sqlite3_result_int64(context, static_cast<sqlite3_int64>(request.k.value_or(kDefaultPoolCount)));
      case kMetric:
        return ReturnText(context, Name(request.metric));
      case kMerge:
        return ReturnText(context, Name(request.merge));
      case kCatalog:
        return ReturnText(context, "main");
      default:
        return sqlite3_result_null(context);
    }
  }

  std::vector<KeptValue> given_;
};

class PredictTable : public TableFunction {
 public:
  const char* declaration() const override {
    return "CREATE TABLE actkin_predict(rank INTEGER, token TEXT, probability REAL, prompt HIDDEN, scheme HIDDEN, "
           "t_i HIDDEN, k HIDDEN, metric HIDDEN, merge HIDDEN, catalog HIDDEN)";
  }

  bool Plan(sqlite3_index_info& info) const override {
    TablePlan plan(info);
    if (!plan.ConsumeArguments(kFirstArgument)) return false;
    info.orderByConsumed = RankedRowsComeInOrder(info, kRank, kProbability) ? 1 : 0;
    plan.Finish(kCost, kTypicalVocabulary);
    return true;
  }

  std::unique_ptr<TableRows> Call(AttachedCatalogs& catalogs, std::string_view codes,
                                  std::span<sqlite3_value* const> values) const override {
    const TableArguments arguments(kNames, codes, values);
    if (!arguments.Has(kPrompt)) {
      FailUsage("no prompt: write actkin_predict('a prompt', 'progressive_ffwd_weight', 9), with a prompt of yours");
    }
    auto answer = std::make_unique<PredictRows>(arguments);
    const std::string prompt = TextValue(arguments.Value(kPrompt), "prompt");
    PoolRequest& request = answer->request;
    answer->scheme = arguments.Text(kScheme, kProgressiveFfwdWeight);
    request.metric = ParseMetric(arguments.Text(kMetric, Name(Metric::kL2)));
    request.merge = ParseMerge(arguments.Text(kMerge, Name(Merge::kNearest)));
    if (arguments.Has(kK)) {
      const std::int64_t k = IntegerValue(arguments.Value(kK), "k");
      if (k < 1) FailUsage("k {}: ask for at least 1", k);
      request.k = static_cast<std::uint64_t>(k);
    }

    const AttachedCatalogs::Use use = catalogs.Open(arguments.Text(kCatalog, "main"));
    IndexReader& reader = use.reader();
    const Scheme scheme = FindScheme(reader, answer->scheme);
    if (arguments.Has(kTI)) {
      request.t_is = ResolveTIs(reader, ReadTIs(arguments.Value(kTI)));
    } else if (scheme.kind == Scheme::Kind::kNeighbors) {
      request.t_is = DefaultTIs(reader);
    }
    const int threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
    const std::vector<Prediction> predictions =
        Predict(reader, reader.Encode(prompt), std::span(&scheme, 1), request, "", threads);
    ApplyBands(scheme, request);
    const std::vector<double>& probabilities = predictions.front().probabilities;
    for (const TokenId token : TopTokens(probabilities, probabilities.size())) {
      answer->rows.push_back({reader.vocabulary().Text(token), probabilities[token]});
    }
    return answer;
  }

 private:
  // A position, or the text of a list of them.
  static std::vector<int> ReadTIs(sqlite3_value* value) {
    if (sqlite3_value_type(value) == SQLITE_TEXT) return ParseNumberList(TextValue(value, "t_i"), "t_i");
    return {SmallIntegerValue(value, "t_i")};
  }
};

}  // namespace

std::unique_ptr<const TableFunction> MakePredictTable() { return std::make_unique<PredictTable>(); }

}  // namespace actkin
