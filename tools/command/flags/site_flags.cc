#include "tools/command/flags/site_flags.h"

#include <algorithm>
#include <set>
#include <sstream>

#include "schema/error.h"
#include "schema/number_list.h"
#include "schema/text.h"
#include "tools/output/terminal.h"

namespace actkin {
namespace {

std::vector<std::optional<int>> ReadNumbers(const std::string& list, const char* flag) {
  if (list.empty()) return {std::nullopt};
  const std::vector<int> numbers = ParseNumberList(list, flag);
  return {numbers.begin(), numbers.end()};
}

}  // namespace

void AddSiteOptions(CLI::App& command, SiteFlags& flags, const std::string& streams) {
  command.add_option("--stream", flags.streams,
                     streams +
                         ", or as it was recorded; several separated by commas, each on its own (default: ffwd, or "
                         "without a model the only one there is)");
  command.add_option("--block", flags.blocks,
                     "Transformer blocks, such as 1,3 or 0-5, each on its own; -1 is the model's last (default: the "
                     "last that is built)");
  command.add_option("--t-i", flags.t_is,
                     "Compare with the strings of t_i + 1 tokens; such as 9 or 7-9, each on its own; -1 is the longest "
                     "(default: the longest built of the block; for embedding the prompt's own length)");
}

std::vector<NeighborQuery> ReadSites(IndexReader& reader, const SiteFlags& flags, const NeighborQuery& query) {
  std::vector<NeighborQuery> queries;
  const std::string streams = flags.streams ? *flags.streams : std::string(Name(reader.DefaultStream()));
  std::istringstream list(streams);
  std::set<std::string> seen;
  for (std::string text; std::getline(list, text, ',');) {
    if (!seen.insert(text).second) continue;
    const StreamName name = ParseStreamName(text);
    // The embedding has no blocks.
    const bool embedding = name.stream == Stream::kEmbedding;
    for (const std::optional<int> block : ReadNumbers(embedding ? "" : flags.blocks, "--block")) {
      for (const std::optional<int> t_i : ReadNumbers(flags.t_is, "--t-i")) {
        NeighborQuery& one = queries.emplace_back(query);
        one.stream = name.stream;
        one.block = BlockOf(name, block);
        one.t_i = t_i;
      }
    }
  }
  if (queries.empty()) ParseStream(streams);
  return queries;
}

void NoteLengths(std::span<const Prompt> prompts, const std::vector<int>& t_is, ProgressListener& progress) {
  if (t_is.empty()) return;
  const auto is_other = [&](const Prompt& prompt) {
    return std::ranges::find(t_is, static_cast<int>(prompt.tokens.size()) - 1) == t_is.end();
  };
  const auto first = std::ranges::find_if(prompts, is_other);
  if (first == prompts.end()) return;
  std::vector<int> lengths;
  for (const int t_i : t_is) lengths.push_back(t_i + 1);
  std::ranges::sort(lengths);
  const auto others = std::ranges::count_if(prompts, is_other);
  progress.Note(fmt::format(
      "prompt {} has {} token{}{}: compared, by its own output at its last one, with strings of {}", Quote(first->text),
      first->tokens.size(), first->tokens.size() == 1 ? "" : "s",
      others > 1 ? fmt::format(" (and {} more of {} are of another length)", others - 1, Grouped(prompts.size())) : "",
      FormatNumberList(lengths)));
}

}  // namespace actkin
