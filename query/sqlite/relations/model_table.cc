#include "query/sqlite/relations/model_table.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>
#include <vector>

#include "query/sqlite/relations/prompt_argument.h"
#include "query/sqlite/relations/token_rows.h"
#include "query/sqlite/table_functions/table_function.h"

namespace actkin {
namespace {

constexpr double kCost = 1e5;

enum Argument { kPrompt, kCatalog };
constexpr std::array<TableArgument, 2> kArguments{{
    {"prompt", ArgumentType::kPrompt, "'my most gr'", true},
    {"catalog", ArgumentType::kText, "'main'"},
}};
constexpr TableSpecification kSpecification{"actkin_model", kTokenRowColumns, kArguments, 1,
                                            "actkin_model('a prompt') with a prompt of yours"};

class ModelTable : public TableFunction {
 public:
  const TableSpecification& specification() const override { return kSpecification; }

  void Plan(TablePlan& plan) const override { PlanTokenRows(plan, kCost); }

  std::unique_ptr<TableRows> Call(AttachedCatalogs& catalogs, TableCall& call) const override {
    const CatalogSnapshot snapshot = catalogs.Open(call.Text(kCatalog, "main"));
    IndexReader& reader = snapshot.reader();
    const std::vector<float> probabilities =
        reader.Forward().NextTokenProbabilities(ReadPrompt(call, kPrompt, reader).tokens);
    std::vector<TokenId> tokens(probabilities.size());
    std::iota(tokens.begin(), tokens.end(), TokenId{0});
    std::ranges::stable_sort(tokens, std::ranges::greater(), [&](TokenId token) { return probabilities[token]; });
    std::vector<TokenProbability> rows;
    for (const TokenId token : tokens) rows.push_back({reader.vocabulary().Text(token), token, probabilities[token]});
    return std::make_unique<TokenRows>(std::move(rows));
  }
};

}  // namespace

std::unique_ptr<const TableFunction> MakeModelTable() { return std::make_unique<ModelTable>(); }

}  // namespace actkin
