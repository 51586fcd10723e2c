#include "tools/command/flags/study_flags.h"

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "query/predict/saved_schemes.h"
#include "schema/error.h"
#include "schema/number_list.h"
#include "schema/text.h"
#include "storage/catalog/build_lock.h"
#include "storage/catalog/experiment_writer.h"
#include "storage/machine/given_input.h"
#include "tools/output/terminal.h"

namespace actkin {
namespace {

// A scheme takes a few hundred bytes.
constexpr std::uint64_t kLargestSchemeFile = std::uint64_t{1} << 20;

bool NamesFile(const std::string& name) {
  return IsStandardInput(name) || name.ends_with(".json") || name.find('/') != std::string::npos;
}

Scheme ReadSchemeFile(IndexReader& reader, const std::string& file) {
  std::error_code error;
  const std::uint64_t bytes = std::filesystem::file_size(file, error);
  if (!error && bytes > kLargestSchemeFile) FailUsage("{}: {} bytes are too many for a scheme", file, bytes);
  const std::string name = IsStandardInput(file) ? "stdin" : std::filesystem::path(file).stem().string();
  return ParseScheme(ReadInput(file), name, InputName(file), BlocksOf(reader));
}

Scheme NamedScheme(IndexReader& reader, const std::string& name) {
  try {
    return FindScheme(reader, name);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kNotFound) throw;
    BlocksOf(reader);  // throws where it is the sites that are not there
    throw Error(fmt::format("{}, or a file NAME.json", error.what()), error.code(), error.kind());
  }
}

PromptSet LoadSetOf(IndexReader& reader, const std::string& name, RowKind rows) {
  const PromptSetRow row = RequirePromptSet(reader, name);
  if (row.rows == rows) return LoadPromptSet(reader, row);
  if (row.rows == RowKind::kPositions) {
    FailUsage("prompt set {}: of positions: ask it with --positions, or a set of strings", Quote(row.name));
  }
  FailUsage("prompt set {}: of strings: over positions a set of positions is asked", Quote(row.name));
}

}  // namespace

void AddPromptOptions(CLI::App& command, PromptFlags& flags, SampleSeed seed, const std::string& before) {
  command
      .add_option("--sample", flags.sample,
                  before + "How many of the longest strings to ask as prompts, drawn as torch.randperm draws them")
      ->capture_default_str();
  if (seed == SampleSeed::kOption) {
    command.add_option("--seed", flags.seed, before + "Of the sample")->capture_default_str();
  }
  command.add_option(
      "--prompts", flags.file,
      before +
          "Ask these instead: a JSON array of strings or of arrays of token ids, or one a line, all of one "
          "length; - is standard input");
  command
      .add_option("--unknown", flags.unknown,
                  before +
                      "What to do with those of --prompts that cannot be asked, such as of a character outside the "
                      "vocabulary: error, or skip, which leaves them out and says so")
      ->capture_default_str();
  if (command.get_option_no_throw("--prompt-set") != nullptr) return;
  command.add_option("--prompt-set", flags.prompt_set,
                     before + "Ask a set that the index has, such as an imported one");
}

PromptSet ChoosePromptSet(const CLI::App& command, const PromptFlags& flags, IndexReader& reader,
                          ProgressListener& progress) {
  const CLI::Option* const seed = command.get_option_no_throw("--seed");
  const bool seeded = seed != nullptr && seed->count() > 0 && flags.seed != kDefaultSampleSeed;
  const bool sampled = command.count("--sample") > 0 || seeded;
  if (!flags.file.empty() + !flags.prompt_set.empty() + sampled > 1) {
    FailUsage("--sample, --prompts and --prompt-set: give one of them");
  }
  const UnknownPrompts unknown = ParseUnknownPrompts(flags.unknown);
  if (!flags.file.empty()) {
    PromptSet set = ListedPromptSet(reader, ReadPrompts(flags.file), flags.file, unknown);
    if (!set.skipped.empty()) {
      progress.Note(fmt::format("{} of {} prompts left out, the first: {}", Grouped(set.skipped.size()),
                                Grouped(set.skipped.size() + set.prompts.size()), set.skipped.front().error));
    }
    return set;
  }
  if (!flags.prompt_set.empty()) return LoadSetOf(reader, flags.prompt_set, RowKind::kStrings);
  const std::uint64_t strings = reader.catalog().Lengths().back().string_count;
  // The default is what the study took; a smaller corpus is taken whole.
  const std::uint64_t count = command.count("--sample") > 0 ? flags.sample : std::min(flags.sample, strings);
  return SamplePromptSet(reader, count, flags.seed);
}

void AddPositionOptions(CLI::App& command, PositionFlags& flags) {
  command.add_flag("--positions", flags.over_positions,
                   "Of a sample of positions of the corpus (default: 1,000), by neighbors among the positions, each "
                   "without its own row (default where only those are built)");
  command.add_flag("--include-self", flags.include_self, "With --positions: let each position's own row count");
  AddFilterOptions(command, flags.filter);
}

bool LeavesOutSelf(const PositionFlags& flags, bool over_positions) {
  return flags.filter.exclude_self || (over_positions && !flags.include_self);
}

bool AsksPositions(const PositionFlags& flags, bool t_i_is_given, IndexReader& reader) {
  const bool excludes = flags.filter.exclude_self || flags.filter.exclude_window > 0;
  if (flags.include_self && excludes) {
    FailUsage("--include-self and --exclude-{}: give one of them", flags.filter.exclude_self ? "self" : "window");
  }
  if (flags.over_positions || (!t_i_is_given && OnlyPositionsAreBuilt(reader))) return true;
  if (flags.include_self || flags.filter.exclude_window > 0) {
    FailUsage("--{}: goes with --positions", flags.include_self ? "include-self" : "exclude-window");
  }
  return false;
}

void RefuseWithPositions(const CLI::App& command, std::span<const char* const> refused) {
  for (const char* flag : refused) {
    if (command.count(flag) > 0) FailUsage("{}: is not for rows over positions", flag);
  }
}

PromptSet ChoosePositionSet(const CLI::App& command, const PromptFlags& flags, IndexReader& reader, const Site& site) {
  constexpr std::uint64_t kSample = 1000;
  if (!flags.prompt_set.empty()) {
    if (command.count("--sample") > 0) FailUsage("--sample and --prompt-set: give one of them");
    return LoadSetOf(reader, flags.prompt_set, RowKind::kPositions);
  }
  const std::uint64_t rows = reader.OpenRowMap(site)->row_count();
  const std::uint64_t count = command.count("--sample") > 0 ? flags.sample : std::min(kSample, rows);
  return SamplePositionSet(reader, site, count, flags.seed);
}

std::string DescribePositions(const PromptSet& set) {
  std::string text = fmt::format("{} positions of the corpus", Grouped(set.prompts.size()));
  if (set.row.seed) text += fmt::format(", seed {}", *set.row.seed);
  return text;
}

void AddPoolOptions(CLI::App& command, PoolFlags& flags) {
  command.add_option(
      "--metric", flags.metric,
      "l2 (distance: Euclidean), cosine (distance: 1 - similarity) or dot (distance: the inner product negated) "
      "(default: the scheme's, else l2)");
  command.add_flag("--center", flags.center, "With cosine: of prompts and rows less the mean of each site's rows");
  command.add_option("-k", flags.k,
                     "How many neighbors at each position, and of all positions merged (default: the scheme's, else "
                     "10; a site of fewer "
                     "rows then gives all of them)");
  command.add_option(
      "--t-i", flags.t_is,
      "Positions of proj and ffwd, such as 9, 7,8,9 or 3-9, merged; -1 is the longest (default: the longest built)");
  command.add_option("--merge", flags.merge, "Which of the merged neighbors are kept: nearest or farthest")
      ->capture_default_str();
  command.add_option(
      "--within", flags.within,
      "LOW:HIGH, only neighbors of proj and ffwd at such a distance (l2) or of such a similarity (cosine), or one band "
      "a block, separated by commas; without -k all of them");
  command.add_option("--prompt-set", flags.prompt_set, "Take the neighbors saved of this set, such as imported ones");
}

std::uint64_t CheckCount(std::int64_t k) {
  if (k < 1) FailUsage("-k {}: expected at least 1", k);
  return static_cast<std::uint64_t>(k);
}

std::vector<std::optional<Band>> ParseBlockBands(const std::string& text, int blocks) {
  std::vector<Band> bands;
  std::istringstream list(text);
  for (std::string band; std::getline(list, band, ',');) bands.push_back(ParseBand(band, "--within"));
  if (text.ends_with(',')) bands.push_back(ParseBand("", "--within"));
  if (bands.size() != 1 && bands.size() != static_cast<std::size_t>(blocks)) {
    FailUsage("--within {}: has {} bands, expected one, or one for each of the {} blocks", Quote(text), bands.size(),
              blocks);
  }
  std::vector<std::optional<Band>> by_term(Terms(blocks).size());
  for (std::size_t term = 1; term < by_term.size(); ++term) {
    by_term[term] = bands.size() == 1 ? bands[0] : bands[static_cast<std::size_t>(Terms(blocks)[term].block)];
  }
  return by_term;
}

PoolRequest ReadPoolRequest(const CLI::App& command, const PoolFlags& flags, IndexReader& reader, int blocks,
                            bool over_positions) {
  PoolRequest request;
  request.metric = Centered(ParseMetric(flags.metric), flags.center);
  request.metric_is_open = command.count("--metric") == 0 && !flags.center;
  request.merge = ParseMerge(flags.merge);
  if (command.count("-k") > 0) request.k = CheckCount(flags.k);
  if (!flags.within.empty()) request.bands = ParseBlockBands(flags.within, blocks);
  request.over_positions = over_positions;
  if (over_positions) {
    if (!flags.t_is.empty()) FailUsage("--t-i {}: rows over positions have none", Printable(flags.t_is));
    return request;
  }
  request.t_is = flags.t_is.empty() ? DefaultTIs(reader) : ResolveTIs(reader, ParseNumberList(flags.t_is, "--t-i"));
  return request;
}

void AddNewSchemeOptions(CLI::App& command, NewSchemeFlags& flags, const std::string& purpose) {
  command
      .add_option("--train-fraction", flags.train_fraction,
                  fmt::format("How much of the prompts, from the first on, {}; the others are held out", purpose))
      ->capture_default_str();
  command.add_option("--name", flags.name, "Of the scheme that is saved")
      ->transform([](const std::string& name) { return ValidUtf8(name); })
      ->capture_default_str();
}

void CheckNewScheme(const NewSchemeFlags& flags) {
  if (!(flags.train_fraction > 0 && flags.train_fraction <= 1)) {
    FailUsage("--train-fraction {}: expected more than 0, at most 1", flags.train_fraction);
  }
  if (flags.name.empty()) FailUsage("--name: expected a name");
  if (flags.name == "all" || NamesFile(flags.name)) {
    FailUsage("--name {}: --scheme could not ask for one of that name", Quote(flags.name));
  }
  if (IsBuiltInScheme(flags.name)) FailUsage("--name {}: is the name of a built-in scheme", Quote(flags.name));
}

std::uint64_t TrainingPrompts(const NewSchemeFlags& flags, std::uint64_t prompts) {
  return std::max<std::uint64_t>(1, static_cast<std::uint64_t>(flags.train_fraction * static_cast<double>(prompts)));
}

void SaveScheme(IndexReader& reader, ExperimentWriter& writer, const Scheme& scheme, ProgressListener& progress) {
  const SchemeRow row{scheme.name, SchemeJson(scheme)};
  const std::optional<SchemeRow> saved = ExperimentCatalog(reader.catalog()).FindScheme(row.name);
  if (saved && saved->definition == row.definition) return;
  writer.SaveScheme(row);
  if (saved) progress.Note(fmt::format("scheme {} takes the place of another of that name", Quote(row.name)));
}

EvaluationRow EvaluationOf(const Scheme& scheme, const Agreement& agreement, std::uint64_t first_prompt,
                           Reference reference) {
  EvaluationRow row;
  row.first_prompt = first_prompt;
  row.samples = agreement.samples;
  row.scheme = {scheme.name, SchemeJson(scheme)};
  row.compared_with = Name(reference);
  row.hellinger_mean = agreement.hellinger_mean;
  row.top_n.assign(agreement.top_n.begin(), agreement.top_n.end());
  row.top_n_any_order.assign(agreement.top_n_any_order.begin(), agreement.top_n_any_order.end());
  return row;
}

void AddSchemeOption(CLI::App& command, std::vector<std::string>& names) {
  command
      .add_option("--scheme", names,
                  "How neighbors are weighed: progressive_ffwd_weight (default), inverse_distance, last_ffwd_only, "
                  "last_ffwd_only_inverse_distance, prompt_only, a saved one, a file of your own (- is standard "
                  "input), or all; may "
                  "be repeated. It brings its metric, bands and k where the flags do not say otherwise")
      ->allow_extra_args(false);
}

ChosenSchemes ChooseSchemes(IndexReader& reader, const std::vector<std::string>& names) {
  ChosenSchemes chosen;
  const auto add = [&](Scheme scheme) {
    const auto same = std::ranges::find(chosen.schemes, scheme.name, &Scheme::name);
    if (same == chosen.schemes.end()) {
      chosen.schemes.push_back(std::move(scheme));
    } else if (!(*same == scheme)) {
      FailUsage("--scheme: two schemes have the name {}", Quote(scheme.name));
    }
  };
  for (const std::string& name : names) {
    if (NamesFile(name)) {
      chosen.from_files.push_back(ReadSchemeFile(reader, name));
      add(chosen.from_files.back());
    } else if (name == "all") {
      for (Scheme& scheme : AllSchemes(reader)) {
        chosen.by_all.push_back(scheme.name);
        add(std::move(scheme));
      }
    } else {
      add(NamedScheme(reader, name));
    }
  }
  std::erase_if(chosen.by_all, [&](const std::string& name) {
    return std::ranges::find(names, name) != names.end() ||
           std::ranges::find(chosen.from_files, name, &Scheme::name) != chosen.from_files.end();
  });
  if (names.empty()) add(FindScheme(reader, kProgressiveFfwdWeight));
  return chosen;
}

Scheme ChooseScheme(IndexReader& reader, const std::string& name) {
  return NamesFile(name) ? ReadSchemeFile(reader, name) : NamedScheme(reader, name);
}

std::vector<Scheme> SchemesFor(const ChosenSchemes& chosen, const PoolRequest& request, ProgressListener& progress) {
  std::vector<Scheme> schemes = chosen.schemes;
  std::erase_if(schemes, [&](const Scheme& scheme) {
    const bool fits =
        request.metric_is_open || scheme.bands.empty() || scheme.metric == request.metric || !request.bands.empty();
    if (fits || std::ranges::find(chosen.by_all, scheme.name) == chosen.by_all.end()) return false;
    progress.Note(fmt::format("scheme {} is left out for {}: its bands are in {}", Quote(scheme.name),
                              Name(request.metric), Name(*scheme.metric)));
    return true;
  });
  return schemes;
}

void SaveFileSchemes(IndexReader& reader, const ChosenSchemes& chosen, ProgressListener& progress) {
  for (const Scheme& scheme : chosen.from_files) {
    const std::optional<SchemeRow> saved = ExperimentCatalog(reader.catalog()).FindScheme(scheme.name);
    if (saved && saved->definition == SchemeJson(scheme)) continue;
    try {
      const BuildLock lock(reader.directory());
      ExperimentWriter writer(reader.directory());
      SaveScheme(reader, writer, scheme, progress);
    } catch (const Error& error) {
      progress.Note(fmt::format("scheme {} is not saved: {}", Quote(scheme.name), error.what()));
    }
  }
}

std::string JoinNumbers(const std::vector<int>& numbers) { return fmt::format("{}", fmt::join(numbers, ",")); }

}  // namespace actkin
