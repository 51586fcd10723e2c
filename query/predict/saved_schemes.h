#ifndef ACTKIN_QUERY_PREDICT_SAVED_SCHEMES_H_
#define ACTKIN_QUERY_PREDICT_SAVED_SCHEMES_H_

#include <optional>
#include <string>
#include <vector>

#include "query/predict/neighbor_pool.h"
#include "query/predict/scheme.h"
#include "query/reader/index_reader.h"

namespace actkin {

// How many blocks the schemes of an index weigh: those of its model, else those of its sites or of imported neighbors.
// Throws Error (usage) when there are none.
int BlocksOf(IndexReader& reader);

// The built-in schemes, then those saved in the catalog, by name. Throws Error when a saved one is damaged.
std::vector<Scheme> AllSchemes(IndexReader& reader);

// A built-in or saved one. Throws Error (usage) naming those that are there.
Scheme FindScheme(IndexReader& reader, const std::string& name);

// Gives the request what the scheme brings and the request leaves open: its metric; its bands; its k, where the bands
// are not the request's. Throws Error (usage) when the scheme's bands are in another metric than was asked for.
void ApplyScheme(const Scheme& scheme, PoolRequest& request);

// The positions of proj and ffwd that are meant where none are named: L - 1 where it is built, else the last that is,
// else the last of imported neighbors. Throws Error (usage) when there is none.
std::vector<int> DefaultTIs(IndexReader& reader);

// Whether nothing but sites over positions is built of proj and ffwd: then these are meant where nothing else is said.
bool OnlyPositionsAreBuilt(IndexReader& reader);

// What a request's rows are, where that was left open: of positions where those are asked for, or where no t_i is given
// and only they are built; else of the strings at `t_is` or, where there are none, at the default ones. Over positions
// the prompt's own row is left out unless that was said. Throws Error (usage) where both are asked for.
void ResolveRows(IndexReader& reader, std::optional<RowKind> rows, const std::vector<int>& t_is,
                 std::optional<bool> exclude_self, PoolRequest& request);

// Positions given by a user, of which negative ones count from the end of L, each once. Throws Error (usage) when one
// lies outside the strings.
std::vector<int> ResolveTIs(IndexReader& reader, std::vector<int> t_is);

}  // namespace actkin

#endif  // ACTKIN_QUERY_PREDICT_SAVED_SCHEMES_H_
