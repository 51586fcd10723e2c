#ifndef ACTKIN_QUERY_EXPERIMENT_TUNE_H_
#define ACTKIN_QUERY_EXPERIMENT_TUNE_H_

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "query/experiment/evaluation.h"
#include "query/experiment/experiment.h"
#include "query/predict/scheme.h"
#include "schema/site.h"

namespace actkin {

struct TuneRequest {
  std::set<Stream> streams = {Stream::kFfwd};
  std::vector<int> t_is;        // of proj and ffwd: rows of all of them count
  bool over_positions = false;  // the rows are positions: no t_i; the set is of positions, too
  // Each prompt's own row does not count (IndexReader::OwnRows); of positions, nor do so many before and after it.
  bool exclude_self = false;
  std::uint64_t exclude_window = 0;
  std::string where;                      // only rows that this condition of SQL holds for; empty: all
  std::optional<double> max_length = {};  // only rows that are at most so long
  std::uint64_t training_prompts = 0;     // the first of the set; the others are held out
  std::string name = "tuned";             // of the scheme
};

struct TuneResult {
  Scheme scheme;  // with a band, open above, and a weight for each block; in cosine
  Agreement training;
  Agreement held_out;  // no samples where no prompt is held out
};

// The similarities that bands may begin at: cosines of angles two degrees apart, to 90 degrees, of four decimals.
std::vector<double> TuningThresholds();

// Looks for the similarity from which on a block's rows count, and for what they count, so that the scheme's mean
// Hellinger distance from the model's own predictions is least over the training prompts (band_tuner.h). First all rows
// of every site are added up by similarity (band_counts.h), into files under partial/ from which a run that was killed
// continues and which are gone at the end. Deterministic. Throws Error (usage) when a site is not built or no row of
// it counts, or the sample is too large for the memory.
TuneResult Tune(Experiment& experiment, int blocks, const TuneRequest& request);

}  // namespace actkin

#endif  // ACTKIN_QUERY_EXPERIMENT_TUNE_H_
