#include "query/predict/prediction.h"

#include <algorithm>
#include <utility>

#include "query/predict/next_token_counts.h"
#include "query/predict/saved_schemes.h"
#include "query/predict/term_neighbors.h"
#include "query/predict/token_totals.h"
#include "schema/text.h"

namespace actkin {
namespace {

void PredictFromPrompt(const Prompt& prompt, const NextTokenCounts& counts, Prediction& prediction) {
  if (!prompt.string_id) {
    prediction.notes.push_back(
        fmt::format("prompt {} is not in the corpus: nothing is known to follow it", Quote(prompt.text)));
    return;
  }
  TokenAccumulator sums(counts.vocabulary_size());
  counts.Add(*prompt.string_id, 1, sums);
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
  const CatalogNextTokenCounts counts(reader.catalog(), reader.vocabulary().size());
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
      PredictFromPrompt(prompt, counts, prediction);
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
    PredictFromNeighbors(shared->second, counts, prediction);
  }
  return predictions;
}

Prediction PredictByScheme(IndexReader& reader, const Prompt& prompt, const std::string& scheme, PoolRequest request,
                           int threads) {
  const Scheme found = FindScheme(reader, scheme);
  if (!request.t_is.empty()) {
    request.t_is = ResolveTIs(reader, request.t_is);
  } else if (found.kind == Scheme::Kind::kNeighbors) {
    request.t_is = DefaultTIs(reader);
  }
  return Predict(reader, prompt, std::span(&found, 1), request, "", threads).front();
}

}  // namespace actkin
