#include "query/sqlite/model_table.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "query/sqlite/sql_value.h"
#include "schema/error.h"

namespace actkin {
namespace {

constexpr double kCost = 1e5;
constexpr sqlite3_int64 kTypicalVocabulary = 64;

enum Column { kRank, kToken, kProbability };
constexpr int kFirstArgument = 3;
enum Argument { kPrompt, kCatalog };
constexpr std::array kNames{"prompt", "catalog"};

struct TokenProbability {
  std::string token;
  float probability = 0;
};

class ModelRows : public TableRows {
 public:
  ModelRows(std::string prompt, std::string catalog) : prompt_(std::move(prompt)), catalog_(std::move(catalog)) {}

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
        return ReturnText(context, column - kFirstArgument == kPrompt ? prompt_ : catalog_);
    }
  }

  std::vector<TokenProbability> rows;

 private:
  std::string prompt_;
  std::string catalog_;
};

class ModelTable : public TableFunction {
 public:
  const char* declaration() const override {
    return "CREATE TABLE actkin_model(rank INTEGER, token TEXT, probability REAL, prompt HIDDEN, catalog HIDDEN)";
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
    if (!arguments.Has(kPrompt)) FailUsage("no prompt: write actkin_model('a prompt'), with a prompt of yours");
    const std::string prompt = TextValue(arguments.Value(kPrompt), "prompt");
    const std::string catalog = arguments.Text(kCatalog, "main");
    const AttachedCatalogs::Use use = catalogs.Open(catalog);
    IndexReader& reader = use.reader();
    const std::vector<float> probabilities = reader.Forward().NextTokenProbabilities(reader.Encode(prompt).tokens);
    std::vector<TokenId> tokens(probabilities.size());
    std::iota(tokens.begin(), tokens.end(), TokenId{0});
    std::ranges::stable_sort(tokens, std::ranges::greater(), [&](TokenId token) { return probabilities[token]; });
    auto answer = std::make_unique<ModelRows>(prompt, catalog);
    for (const TokenId token : tokens) {
      answer->rows.push_back({reader.vocabulary().Text(token), probabilities[token]});
    }
    return answer;
  }
};

}  // namespace

std::unique_ptr<const TableFunction> MakeModelTable() { return std::make_unique<ModelTable>(); }

}  // namespace actkin
