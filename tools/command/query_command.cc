#include <memory>
#include <nlohmann/json.hpp>

#include "query/reader/index_reader.h"
#include "query/reader/prompt_input.h"
#include "query/reader/prompt_set.h"
#include "schema/error.h"
#include "schema/text.h"
#include "tools/command/commands.h"
#include "tools/command/flags/filter_flags.h"
#include "tools/command/flags/given_vectors.h"
#include "tools/command/flags/prompt_flags.h"
#include "tools/command/flags/site_flags.h"
#include "tools/command/neighbor_report.h"
#include "tools/command/shown_tokens.h"
#include "tools/output/json_output.h"
#include "tools/output/terminal.h"

namespace actkin {
namespace {

using OrderedJson = nlohmann::ordered_json;

struct QueryFlags {
  std::string directory;
  std::vector<std::string> prompts;
  std::vector<std::string> ids;
  std::string prompts_file;
  std::string unknown = "error";
  SiteFlags sites;
  std::int64_t k = 10;
  std::string metric = "l2";
  bool center = false;
  std::string order = "nearest";
  std::string within;
  FilterFlags filter;
  std::string distinct;
  bool over_positions = false;
  std::vector<std::int64_t> positions;
  std::string vectors;
  int at = -1;
  std::string context = "12,4";
  std::int64_t occurrences = 0;
  std::string index = kExactIndexName;
  std::string parameters;
  int threads = 1;
  bool escapes = false;
  bool json = false;
};

// On stderr: an approximate index that finds few of the rows should be asked otherwise.
void SayWhatWasFilledUp(const std::vector<Neighbors>& answers, const std::string& index) {
  std::uint64_t rows = 0;
  std::uint64_t filled_up = 0;
  for (const Neighbors& answer : answers) {
    if (answer.filled_up == 0) continue;
    rows += answer.rows.size();
    filled_up += answer.filled_up;
  }
  if (filled_up == 0) return;
  PrintError(fmt::format("{} found {} of {} rows: exact search filled up {}\n", index, Grouped(rows - filled_up),
                         Grouped(rows), Grouped(filled_up)));
}

// What every site is asked.
NeighborQuery ReadQuery(const CLI::App& command, const QueryFlags& flags) {
  NeighborQuery query;
  query.index_name = flags.index;
  query.search.metric = Centered(ParseMetric(flags.metric), flags.center);
  query.search.order = ParseOrder(flags.order);
  if (flags.k < 1) FailUsage("-k {}: expected at least 1", flags.k);
  query.search.k = static_cast<std::uint64_t>(flags.k);
  query.fewer_will_do = command.count("-k") == 0;
  if (!flags.within.empty()) {
    query.search.within = ParseBand(flags.within, "--within");
    if (command.count("-k") == 0) query.search.k.reset();
  }
  query.where = flags.filter.where;
  query.exclude_self = flags.filter.exclude_self;
  query.exclude_window = static_cast<std::uint64_t>(flags.filter.exclude_window);
  query.max_length = flags.filter.max_length;
  if (flags.over_positions) query.rows = RowKind::kPositions;
  if (!flags.distinct.empty()) query.distinct = ParseDistinct(flags.distinct);
  query.search.parameters = flags.parameters;
  query.search.threads = flags.threads;
  query.next_tokens = true;
  return query;
}

std::vector<PromptInput> ReadInputs(const QueryFlags& flags) {
  std::vector<PromptInput> inputs(flags.prompts.begin(), flags.prompts.end());
  if (!flags.prompts_file.empty()) {
    const std::vector<PromptInput> more = ReadPrompts(flags.prompts_file);
    inputs.insert(inputs.end(), more.begin(), more.end());
  }
  if (flags.escapes) {
    for (PromptInput& input : inputs) input.text = Unescape(input.text);
  }
  for (const std::string& ids : flags.ids) inputs.emplace_back(ParseTokenIds(ids, "--ids"));
  return inputs;
}

// What is asked, in the order of the answers: prompts, positions, vectors.
struct Asked {
  std::vector<BatchPrompt> prompts;  // positions among them
  GivenVectors vectors;
};

Asked ReadAsked(const QueryFlags& flags, const std::vector<PromptInput>& inputs, IndexReader& reader) {
  Asked asked;
  if (!flags.vectors.empty()) asked.vectors = ReadVectors(flags.vectors);
  asked.prompts = EncodePrompts(reader, inputs, ParseUnknownPrompts(flags.unknown));
  for (const std::int64_t position : flags.positions) {
    asked.prompts.push_back({PromptInput(""), reader.PromptAt(position), ""});
  }
  for (BatchPrompt& one : asked.prompts) {
    if (one.prompt) one.prompt = reader.UpTo(*std::move(one.prompt), flags.at);
  }
  return asked;
}

ReportOptions ReadReport(const QueryFlags& flags) {
  ReportOptions options;
  ReadContext(flags.context, options);
  if (flags.occurrences < 0) FailUsage("--occurrences {}: expected at least 0", flags.occurrences);
  options.occurrences = static_cast<std::uint64_t>(flags.occurrences);
  return options;
}

// Answers to all that is asked of one site.
std::vector<Neighbors> Ask(const Asked& asked, const std::vector<Prompt>& prompts, const NeighborQuery& query,
                           IndexReader& reader) {
  std::vector<Neighbors> answers = reader.FindNeighbors(prompts, query);
  for (std::uint64_t i = 0; i < asked.vectors.count; ++i) {
    answers.push_back(reader.FindNeighborsOf(asked.vectors.Of(i), query));
  }
  return answers;
}

OrderedJson JsonHead(const BatchPrompt& one) {
  if (!one.prompt->position) return {{"prompt", one.prompt->text}};
  return {{"position", *one.prompt->position}};
}

std::string Heading(const BatchPrompt& one, IndexReader& reader, NeighborReport& report) {
  if (one.prompt->position) return report.Heading(*one.prompt);
  return ShownPrompt(reader, *one.prompt);
}

void Run(const CLI::App& command, const QueryFlags& flags) {
  CheckFilter(command, flags.filter);
  const NeighborQuery of_all = ReadQuery(command, flags);
  ParseUnknownPrompts(flags.unknown);
  const ReportOptions options = ReadReport(flags);
  const std::vector<PromptInput> inputs = ReadInputs(flags);
  if (inputs.empty() && flags.positions.empty() && flags.vectors.empty()) {
    FailUsage(
        "no prompt: give one, its token ids with --ids, a file with --prompts, a place of the corpus with --position, "
        "or "
        "a vector with --vector");
  }
  IndexReader reader(GivenDirectory(flags.directory));
  const std::vector<NeighborQuery> queries = ReadSites(reader, flags.sites, of_all);
  const Asked asked = ReadAsked(flags, inputs, reader);
  std::vector<Prompt> prompts;
  for (const BatchPrompt& one : asked.prompts) {
    if (one.prompt) prompts.push_back(*one.prompt);
  }
  // What is not built is found before anything is searched.
  std::vector<Site> sites;
  for (const NeighborQuery& query : queries) {
    const Site site = reader.ResolveSite(query, 0);
    if (!site.of_codes()) sites.push_back(site);
  }
  reader.RequireSites(sites);
  std::vector<std::vector<Neighbors>> answers;  // a query each
  for (const NeighborQuery& query : queries) {
    answers.push_back(Ask(asked, prompts, query, reader));
    SayWhatWasFilledUp(answers.back(), query.index_name);
  }

  std::vector<int> t_is;
  for (const Site& site : sites) {
    if (!site.over_positions()) t_is.push_back(site.t_i);
  }
  std::vector<Prompt> texts = prompts;
  std::erase_if(texts, [](const Prompt& prompt) { return prompt.position.has_value(); });
  ProgressBar progress;
  NoteLengths(texts, t_is, progress);
  NeighborReport report(reader, options);
  std::string text;
  OrderedJson json = OrderedJson::array();
  const auto add = [&](std::size_t number, const std::string& heading, const OrderedJson& head,
                       const std::optional<std::vector<TokenId>>& ids, bool is_new) {
    for (std::size_t i = 0; i < queries.size(); ++i) {
      const Neighbors& answer = answers[i][number];
      if (flags.json) {
        json.push_back(report.Json(head, answer, queries[i]));
        if (ids) json.back()["ids"] = *ids;
      } else {
        const bool unknown = is_new && !answer.site.over_positions();
        text += (text.empty() ? "" : "\n") + report.Human(heading, answer, queries[i], unknown);
      }
    }
  };
  std::size_t number = 0;
  for (const BatchPrompt& one : asked.prompts) {
    if (!one.prompt) {
      json.push_back({{"prompt", JsonPrompt(one.input)}, {"error", one.error}});
      text += fmt::format("{}{}\n", text.empty() ? "" : "\n", one.error);
      continue;
    }
    const bool is_new = !one.prompt->string_id && !one.prompt->position;
    add(number++, Heading(one, reader, report), JsonHead(one), one.input.ids, is_new);
  }
  for (std::uint64_t i = 0; i < asked.vectors.count; ++i) {
    const std::string name = asked.vectors.count == 1 ? flags.vectors : fmt::format("{} row {}", flags.vectors, i);
    add(number++, "vector " + Printable(name), {{"vector", flags.vectors}, {"vector_row", i}}, std::nullopt, false);
  }
  if (flags.json) {
    PrintJson(json.size() == 1 ? std::move(json[0]) : std::move(json));
  } else {
    Print(text);
  }
}

}  // namespace

void AddQueryCommand(CLI::App& app) {
  CLI::App* command = app.add_subcommand("query", "Neighbors of prompts, with distances and next tokens");
  auto flags = std::make_shared<QueryFlags>();
  command->add_option("DIRECTORY", flags->directory, "The index directory, NAME.actkin")->required();
  command->add_option("PROMPT", flags->prompts, "Prompts, taken literally; after -- when one begins with a dash");
  command->add_option(
      "--prompts", flags->prompts_file,
      "File of prompts: a JSON array of strings or of arrays of token ids, or one a line; - is standard "
      "input");
  command->add_option("--ids", flags->ids, kIdsHelp)->allow_extra_args(false);
  command
      ->add_option("--unknown", flags->unknown,
                   "What to do with prompts that cannot be asked, such as of a character outside the vocabulary: "
                   "error answers nothing, skip marks them and answers the others")
      ->capture_default_str();
  AddSiteOptions(*command, flags->sites, "embedding, proj, ffwd or residual");
  command->add_option("-k", flags->k, "How many neighbors; where fewer rows count, all of them unless -k asks for more")
      ->capture_default_str();
  command
      ->add_option("--metric", flags->metric,
                   "l2 (distance: Euclidean), cosine (distance: 1 - similarity) or dot (distance: the inner product "
                   "negated)")
      ->capture_default_str();
  command->add_flag("--center", flags->center, "With cosine: of prompt and rows less the mean of the site's rows");
  command->add_option("--order", flags->order, "nearest or farthest")->capture_default_str();
  command->add_option(
      "--within", flags->within,
      "LOW:HIGH, only rows at such a distance (l2) or of such a similarity (cosine, dot); without -k all of them");
  command->add_flag("--positions", flags->over_positions,
                    "Compare with positions of the corpus, seen with the tokens before them, not with strings (default "
                    "where --t-i is not given and only those are built)");
  command->add_option("--position", flags->positions, "A position of the corpus in a prompt's place")
      ->allow_extra_args(false);
  command->add_option("--vector", flags->vectors,
                      "File of a vector, or of several, one a row, in a prompt's place: a NumPy array");
  command
      ->add_option("--at", flags->at,
                   "Which token of a prompt is asked, from 0, or negative from its end; what a model puts out there "
                   "depends on none that comes later")
      ->capture_default_str();
  AddFilterOptions(*command, flags->filter);
  command->add_option("--distinct", flags->distinct,
                      "The best row alone of each text, token (of a string its last) or document (of positions)");
  command->add_option("--context", flags->context, "How many tokens before and after are shown around a position")
      ->capture_default_str();
  command->add_option("--occurrences", flags->occurrences, "Of each string, show so many places of the corpus")
      ->capture_default_str();
  command->add_option("--index", flags->index, "Which index to ask")->capture_default_str();
  command->add_option("--param", flags->parameters, "Search parameters of the index, such as efSearch=64");
  command->add_flag("--escapes", flags->escapes, "Read \\n, \\t, \\\" and \\\\ in prompts");
  command->add_flag("--json", flags->json, "Print JSON");
  AddThreadsOption(*command, flags->threads);
  command->footer(
      "Examples, on the index that the example of 'actkin build --help' makes:\n"
      "  actkin query gpl.actkin 'the licens' --stream proj --block 1\n"
      "  actkin query gpl.actkin 'the licens' --metric cosine --within 0.9: --json\n"
      "  actkin query gpl.actkin 'the licens' --metric cosine --center -k 5\n"
      "  actkin query gpl.actkin --escapes 'This\\nis' -k 5\n"
      "  actkin query gpl.actkin 'the licens' --stream proj,ffwd --block 0,-1 -k 3\n"
      "  actkin query gpl.actkin 'the licens' --exclude-self --where \"occurrences > 2 AND text GLOB '* *'\"\n"
      "  printf 'the licens\\na program\\n' | actkin query gpl.actkin --prompts - --unknown skip --json");
  command->callback([command, flags] { Run(*command, *flags); });
}

}  // namespace actkin
