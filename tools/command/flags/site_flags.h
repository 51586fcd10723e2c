#ifndef ACTKIN_TOOLS_COMMAND_FLAGS_SITE_FLAGS_H_
#define ACTKIN_TOOLS_COMMAND_FLAGS_SITE_FLAGS_H_

#include <CLI/CLI.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "query/reader/index_reader.h"
#include "schema/progress.h"

namespace actkin {

// Which sites a command asks, as they were given.
struct SiteFlags {
  std::optional<std::string> streams;  // without: IndexReader::DefaultStream
  std::string blocks;                  // empty: the last of the stream that is built
  std::string t_is;                    // empty: the longest built of that block
};
// Adds --stream, --block and --t-i. streams: "embedding, proj, ffwd or residual".
void AddSiteOptions(CLI::App& command, SiteFlags& flags, const std::string& streams);
// One query a site, stream by stream and block by block, each `query` but for its site. Throws Error (usage) naming the
// flag that makes no sense.
std::vector<NeighborQuery> ReadSites(IndexReader& reader, const SiteFlags& flags, const NeighborQuery& query);

// A note where prompts are neither of the strings' lengths that they are compared with: that is no mistake. t_is: of
// proj and ffwd; empty: nothing is compared.
void NoteLengths(std::span<const Prompt> prompts, const std::vector<int>& t_is, ProgressListener& progress);

}  // namespace actkin

#endif  // ACTKIN_TOOLS_COMMAND_FLAGS_SITE_FLAGS_H_
