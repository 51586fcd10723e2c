#include "query/predict/prediction.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "query/predict/next_token_counts.h"
#include "query/predict/saved_schemes.h"
#include "query/predict/term_neighbors.h"
#include "query/predict/token_totals.h"
#include "schema/text.h"

namespace actkin {
namespace {

// Of a position that is left out itself, what follows the same tokens elsewhere.
void PredictFromPrompt(IndexReader& reader, const Prompt& prompt, Prediction& prediction) {
  // A prompt longer than the strings may be in the corpus all the same.
  const bool longer = prompt.tokens.size() > static_cast<std::size_t>(reader.string_length());
  if (longer ? reader.Occurrences(prompt.tokens) == 0 : !prompt.string_id && !prompt.position) {
    prediction.notes.push_back(
        fmt::format("prompt {} is not in the corpus: nothing is known to follow it", Quote(prompt.text)));
    return;
  }
  TokenAccumulator sums(reader.vocabulary().size());
  for (const NextToken& next :
       prompt.string_id ? reader.NextTokens(*prompt.string_id) : reader.NextTokensOfPrefix(prompt.tokens)) {
    sums.Add(next.token_id, static_cast<double>(next.count));
  }
  if (prompt.position && (prediction.request.exclude_self || prediction.request.exclude_window > 0)) {
    for (const NextToken& next : reader.NextTokensAt(*prompt.position)) sums.Add(next.token_id, -1);
  }
  std::vector<TokenValue> totals;
  sums.Take(totals);
  prediction.probabilities = Normalize(std::move(totals));
  if (prediction.probabilities.empty()) {
    prediction.notes.push_back(
        fmt::format("prompt {} has no next token: it stands at the end of the corpus alone", Quote(prompt.text)));
  }
}

void PredictFromNeighbors(const TermNeighbors& found, const NextTokenCounts& counts, Prediction& prediction) {
  const Scheme& scheme = prediction.scheme;
  TokenAccumulator sums(counts.vocabulary_size());
  TokenTotals totals;
  std::size_t neighbors = 0;
  for (std::size_t term = 0; term < scheme.terms.size(); ++term) {
    if (scheme.Uses(term)) {
      AddNeighbors(found.terms[term], scheme.kernel, counts, sums);
      neighbors += found.terms[term].size();
    }
    totals.AddTerm(sums);
  }
  if (scheme.Uses(0)) prediction.notes = found.notes;
  prediction.probabilities = WeighTotals(scheme.weights, totals, sums);
  if (!prediction.probabilities.empty()) return;
  prediction.notes.push_back(fmt::format("scheme {}: {}", Quote(scheme.name),
                                         neighbors == 0 ? "there are no neighbors in its bands"
                                                        : "the weighted counts of the neighbors add up to nothing"));
}

}  // namespace

std::vector<Prediction> Predict(IndexReader& reader, const Prompt& prompt, std::span<const Scheme> schemes,
                                const PoolRequest& request, const std::string& prompt_set, int threads) {
  std::unique_ptr<const NextTokenCounts> counts;
  if (request.over_positions) {
    counts = std::make_unique<CorpusNextTokens>(reader.CorpusTokens(), reader.vocabulary().size());
  } else {
    counts = std::make_unique<CatalogNextTokenCounts>(reader.catalog(), reader.vocabulary().size());
  }
  // Schemes with the same metric, bands and k share their neighbors.
  std::vector<PoolRequest> requests;
  for (const Scheme& scheme : schemes) {
    requests.push_back(request);
    ApplyScheme(scheme, requests.back());
  }
  std::vector<std::pair<std::size_t, TermNeighbors>> found;  // and the first scheme that they were found for
  std::vector<Prediction> predictions;
  for (std::size_t i = 0; i < schemes.size(); ++i) {
    Prediction& prediction = predictions.emplace_back();
    prediction.scheme = schemes[i];
    prediction.request = requests[i];
    if (schemes[i].kind == Scheme::Kind::kPromptOnly) {
      PredictFromPrompt(reader, prompt, prediction);
      continue;
    }
    const auto same_neighbors = [&](std::size_t other) { return requests[other] == requests[i]; };
    auto shared = std::ranges::find_if(found, [&](const auto& entry) { return same_neighbors(entry.first); });
    if (shared == found.end()) {
      const auto wanted = [&](std::size_t term) {
        for (std::size_t other = i; other < schemes.size(); ++other) {
          if (schemes[other].Uses(term) && same_neighbors(other)) return true;
        }
        return false;
      };
      found.emplace_back(
          i, FindTermNeighbors(reader, prompt, requests[i], schemes[i].terms.blocks(), wanted, prompt_set, threads));
      shared = found.end() - 1;
    }
    PredictFromNeighbors(shared->second, *counts, prediction);
  }
  return predictions;
}

Prediction PredictByScheme(IndexReader& reader, const Prompt& prompt, const std::string& scheme, PoolRequest request,
                           int threads, std::optional<RowKind> rows, std::optional<bool> exclude_self) {
  const Scheme found = FindScheme(reader, scheme);
  if (found.kind == Scheme::Kind::kNeighbors || !request.t_is.empty()) {
    ResolveRows(reader, rows, std::vector<int>(request.t_is), exclude_self, request);
  }
  return Predict(reader, prompt, std::span(&found, 1), request, "", threads).front();
}

}  // namespace actkin
