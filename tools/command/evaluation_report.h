#ifndef ACTKIN_TOOLS_COMMAND_EVALUATION_REPORT_H_
#define ACTKIN_TOOLS_COMMAND_EVALUATION_REPORT_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "query/experiment/evaluation.h"

namespace actkin {

struct EvaluationResult {
  EvaluationRun run;
  Agreement agreement;
};

// How many neighbors a run counts: none where all rows of a band count.
std::optional<std::uint64_t> NeighborsCounted(const PoolRequest& request);

// Results for people, as JSON and as a chart. within: the bands as the flag has them, empty where a scheme brings its
// own. REQUIRES: there are results.
// Runs with the same heading beside each other: schemes that bring their own metric, bands or k stand apart.
std::string HumanEvaluations(const std::vector<EvaluationResult>& results, const std::string& within);
nlohmann::ordered_json JsonEvaluation(const EvaluationResult& result, const std::string& within);
// SVG. One curve a run. What all runs have in common is in the subtitle, what tells them apart in the legend.
std::string EvaluationChart(const std::vector<EvaluationResult>& results, const std::string& within,
                            std::uint64_t samples);

}  // namespace actkin

#endif  // ACTKIN_TOOLS_COMMAND_EVALUATION_REPORT_H_
