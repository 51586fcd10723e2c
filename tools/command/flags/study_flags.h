#ifndef ACTKIN_TOOLS_COMMAND_FLAGS_STUDY_FLAGS_H_
#define ACTKIN_TOOLS_COMMAND_FLAGS_STUDY_FLAGS_H_

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "query/experiment/evaluation.h"
#include "query/predict/neighbor_pool.h"
#include "query/predict/scheme.h"
#include "query/reader/index_reader.h"
#include "query/reader/prompt_sample.h"
#include "query/reader/prompt_set.h"
#include "schema/progress.h"
#include "storage/catalog/experiment_writer.h"
#include "tools/command/flags/filter_flags.h"

namespace actkin {

// Which prompts a command asks, as they were given.
struct PromptFlags {
  std::uint64_t sample = 20'000;
  std::uint64_t seed = kDefaultSampleSeed;
  std::string file;
  std::string unknown = "error";
  std::string prompt_set;
};
enum class SampleSeed { kOption, kNoOption };
// Adds --sample, --prompts, --unknown, --prompt-set (where AddPoolOptions has not) and, where it is an option, --seed.
// `before`: put before what they say.
void AddPromptOptions(CLI::App& command, PromptFlags& flags, SampleSeed seed = SampleSeed::kOption,
                      const std::string& before = "");
// Throws Error (usage) where more than one is given, and what makes the set. Prompts that are left out become a note.
PromptSet ChoosePromptSet(const CLI::App& command, const PromptFlags& flags, IndexReader& reader,
                          ProgressListener& progress);

// Flags of the commands whose prompts may be positions of the corpus.
struct PositionFlags {
  bool over_positions = false;
  bool include_self = false;
  FilterFlags filter = {};
};
// Adds --positions and --include-self, and what AddFilterOptions adds.
void AddPositionOptions(CLI::App& command, PositionFlags& flags);
// Whether each prompt's own row is left out: of positions unless it was asked for, of strings where that was.
bool LeavesOutSelf(const PositionFlags& flags, bool over_positions);
// Whether positions are meant: asked for, or all that is built where no t_i is given. Throws Error (usage) naming a
// flag that goes with them alone, and was given without, or flags that contradict each other.
bool AsksPositions(const PositionFlags& flags, bool t_i_is_given, IndexReader& reader);
// Throws Error (usage) naming the first of these flags that was given.
void RefuseWithPositions(const CLI::App& command, std::span<const char* const> refused);
// --prompt-set, or a sample of the positions that a site has rows of: 1,000 where none is given, or all.
PromptSet ChoosePositionSet(const CLI::App& command, const PromptFlags& flags, IndexReader& reader, const Site& site);
// "1,000 positions of the corpus, seed 1337"
std::string DescribePositions(const PromptSet& set);

// Flags of the commands that pool a prompt's neighbors over blocks and positions, as they were given.
struct PoolFlags {
  std::string metric = "l2";
  bool center = false;
  std::int64_t k = 10;
  std::string t_is;  // empty: DefaultTIs
  std::string merge = "nearest";
  std::string within;  // empty: the scheme's own bands
  std::string prompt_set;
};
// Adds --metric, --center, -k, --t-i, --merge, --within and --prompt-set.
void AddPoolOptions(CLI::App& command, PoolFlags& flags);
// What --metric and -k do not say is left open. over_positions: there are no t_is. Throws Error (usage) naming the flag
// that makes no sense.
PoolRequest ReadPoolRequest(const CLI::App& command, const PoolFlags& flags, IndexReader& reader, int blocks,
                            bool over_positions = false);

// -k, at least 1.
std::uint64_t CheckCount(std::int64_t k);

// --within: one band for proj and ffwd of all blocks, or one for each block, separated by commas. The embedding has
// none.
std::vector<std::optional<Band>> ParseBlockBands(const std::string& text, int blocks);

// What a command that finds a scheme is given: how much of its prompts to find it with, and the scheme's name.
struct NewSchemeFlags {
  double train_fraction = 0.5;
  std::string name;
};
// Adds --train-fraction and --name, whose default is the flags' name. purpose: "to learn from".
void AddNewSchemeOptions(CLI::App& command, NewSchemeFlags& flags, const std::string& purpose);
// Throws Error (usage) naming the flag that makes no sense.
void CheckNewScheme(const NewSchemeFlags& flags);
// How many of the prompts, from the first on: at least one.
std::uint64_t TrainingPrompts(const NewSchemeFlags& flags, std::uint64_t prompts);

// Saves a scheme under its name; another of that name it replaces, with a note.
void SaveScheme(IndexReader& reader, ExperimentWriter& writer, const Scheme& scheme, ProgressListener& progress);

// What the catalog keeps of an evaluation of a scheme, over prompts from `first_prompt` on; what was asked is the
// caller's to add.
EvaluationRow EvaluationOf(const Scheme& scheme, const Agreement& agreement, std::uint64_t first_prompt,
                           Reference reference);

// Schemes named on the command line: built-in or saved ones, "all" of those, or JSON files.
struct ChosenSchemes {
  std::vector<Scheme> schemes;
  std::vector<Scheme> from_files;
  std::vector<std::string> by_all;  // names of those that nothing but "all" asked for
};
// Adds --scheme, which may be repeated.
void AddSchemeOption(CLI::App& command, std::vector<std::string>& names);
// Throws Error (usage) naming the file and what is wrong with it, or the scheme that is unknown.
ChosenSchemes ChooseSchemes(IndexReader& reader, const std::vector<std::string>& names);
// The one scheme of that name, or of that file.
Scheme ChooseScheme(IndexReader& reader, const std::string& name);
// Those that a request can be answered with: of "all" not those whose bands are in another metric, which a note says.
std::vector<Scheme> SchemesFor(const ChosenSchemes& chosen, const PoolRequest& request, ProgressListener& progress);
// Saves those that came from files in the catalog, where it does not have them as they are. What prevents that becomes
// a note.
void SaveFileSchemes(IndexReader& reader, const ChosenSchemes& chosen, ProgressListener& progress);

// "7,8,9"
std::string JoinNumbers(const std::vector<int>& numbers);

}  // namespace actkin

#endif  // ACTKIN_TOOLS_COMMAND_FLAGS_STUDY_FLAGS_H_
