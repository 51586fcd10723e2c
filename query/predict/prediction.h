#ifndef ACTKIN_QUERY_PREDICT_PREDICTION_H_
#define ACTKIN_QUERY_PREDICT_PREDICTION_H_

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "query/predict/neighbor_pool.h"
#include "query/predict/scheme.h"
#include "query/predict/token_values.h"
#include "query/reader/index_reader.h"

namespace actkin {

// The distribution of the next token that a scheme makes of a prompt's neighbors.
struct Prediction {
  Scheme scheme;
  PoolRequest request;                    // with what the scheme brings
  std::vector<TokenValue> probabilities;  // a distribution; empty where nothing follows
  std::vector<std::string> notes;         // what the user should know, a line each; one where the distribution is empty
};

// One prediction for each scheme, in their order; neighbors are found once for all of them. request: each scheme
// brings what it leaves open (ApplyScheme). prompt_set: as FindTermNeighbors has it. Throws Error (usage) when a site
// is needed that is neither built nor imported.
std::vector<Prediction> Predict(IndexReader& reader, const Prompt& prompt, std::span<const Scheme> schemes,
                                const PoolRequest& request, const std::string& prompt_set, int threads);

// The same for one scheme by its name, built in or saved (FindScheme). request.t_is may count from the end of L; they,
// and rows and exclude_self, are as ResolveRows has them (saved_schemes.h).
Prediction PredictByScheme(IndexReader& reader, const Prompt& prompt, const std::string& scheme, PoolRequest request,
                           int threads, std::optional<RowKind> rows = std::nullopt,
                           std::optional<bool> exclude_self = std::nullopt);

}  // namespace actkin

#endif  // ACTKIN_QUERY_PREDICT_PREDICTION_H_
