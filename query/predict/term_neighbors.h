#ifndef ACTKIN_QUERY_PREDICT_TERM_NEIGHBORS_H_
#define ACTKIN_QUERY_PREDICT_TERM_NEIGHBORS_H_

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "query/predict/neighbor_pool.h"
#include "query/reader/index_reader.h"

namespace actkin {

// The merged neighbors of one prompt, by term (scheme.h).
struct TermNeighbors {
  std::vector<std::vector<PooledNeighbor>> terms;  // a term each; empty where it was not wanted
  std::vector<std::string> notes;                  // what the user should know, a line each
};

// Finds the neighbors of a prompt at every term that `wanted` is true for. A site that is built is searched; for one
// that is not, neighbors of this prompt that were saved or imported are taken, where they are as many. `prompt_set`:
// the name of a set whose saved neighbors are to be taken in any case; empty: none. Distances are as precise as saved
// ones are: float32. With a condition or without the prompt's own string every site must be built: saved neighbors are
// of all strings. Throws Error (usage) when neither is there, naming the command line that builds all that is
// missing.
TermNeighbors FindTermNeighbors(IndexReader& reader, const Prompt& prompt, const PoolRequest& request, int blocks,
                                const std::function<bool(std::size_t term)>& wanted, const std::string& prompt_set,
                                int threads);

}  // namespace actkin

#endif  // ACTKIN_QUERY_PREDICT_TERM_NEIGHBORS_H_
