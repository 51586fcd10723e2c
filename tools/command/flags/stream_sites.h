#ifndef ACTKIN_TOOLS_COMMAND_FLAGS_STREAM_SITES_H_
#define ACTKIN_TOOLS_COMMAND_FLAGS_STREAM_SITES_H_

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>

#include "query/experiment/experiment.h"

namespace actkin {

struct StreamOptions {
  std::filesystem::path corpus;        // the text that the index directory was made from
  std::optional<std::uint64_t> bytes;  // that sites may take on disk at once; without: most of what is free
};

// needs: in sites of proj and ffwd that are not built. Throws Error (usage) when StreamSites could not serve those that
// are not saved: another text, a directory without a model, a t_i beyond the model's context, more neighbors than rows.
void RequireStreamable(Experiment& experiment, std::span<const NeighborNeed> needs, const StreamOptions& options);

// Finds and saves what is needed of sites that are not built. Builds as many of them as there is room for, at least
// one, in an index directory of their own under partial/stream/, searches them, removes it, and goes on with the next:
// each time is one forward pass over the corpus, as far as the last of its blocks and t_is. Killed, it continues with
// the sites it had chosen, where its build or its searches stopped, if `needs` are the same. Prompts that have a row of
// their own in this directory, or among the sites built together, are compared by it, others by the forward pass of a
// single prompt: the two differ in the last digits. REQUIRES: RequireStreamable did not throw.
void StreamSites(Experiment& experiment, std::span<const NeighborNeed> needs, const StreamOptions& options);

}  // namespace actkin

#endif  // ACTKIN_TOOLS_COMMAND_FLAGS_STREAM_SITES_H_
