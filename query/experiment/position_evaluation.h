#ifndef ACTKIN_QUERY_EXPERIMENT_POSITION_EVALUATION_H_
#define ACTKIN_QUERY_EXPERIMENT_POSITION_EVALUATION_H_

#include <span>
#include <vector>

#include "query/experiment/evaluation.h"
#include "query/experiment/experiment.h"
#include "schema/site.h"

namespace actkin {

// The sites over positions that the runs ask, in the order of terms. REQUIRES: schemes have the terms of `blocks`
// blocks.
std::vector<Site> PositionSitesOf(std::span<const EvaluationRun> runs, int blocks);

// The agreement of every run over positions with ReferenceOf(experiment), over the prompts [prompts.begin, prompts.end)
// of the experiment's set, which is of positions. Every prompt is searched by itself, since each leaves out other rows;
// how it agrees is kept in a file under partial/, from which a run that was killed continues and which is gone at the
// end. Throws Error (usage) when a site is not built.
std::vector<Agreement> EvaluatePositions(Experiment& experiment, int blocks, std::span<const EvaluationRun> runs,
                                         RowRange prompts);

}  // namespace actkin

#endif  // ACTKIN_QUERY_EXPERIMENT_POSITION_EVALUATION_H_
