#include <unistd.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "query/reader/index_reader.h"
#include "query/reader/prompt_input.h"
#include "query/reader/prompt_set.h"
#include "schema/error.h"
#include "schema/text.h"
#include "tools/command/commands.h"
#include "tools/command/filter_flags.h"
#include "tools/command/prompt_flags.h"
#include "tools/command/site_flags.h"
#include "tools/output/json_output.h"
#include "tools/output/table.h"
#include "tools/output/terminal.h"

namespace actkin {
namespace {

using OrderedJson = nlohmann::ordered_json;

struct Flags {
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
  std::string index = kExactIndexName;
  std::string parameters;
  int threads = 1;
  bool escapes = false;
  bool json = false;
};

std::string NextTokenCell(const std::vector<NextToken>& tokens, int width) {
  if (tokens.empty()) return "none (the corpus ends here)";
  std::string cell;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const std::string next =
        fmt::format("{}{} {}", i == 0 ? "" : ", ", Quote(tokens[i].token), Grouped(tokens[i].count));
    const std::string more = fmt::format(", {} more", tokens.size() - i);
    const bool last = i + 1 == tokens.size();
    if (i > 0 && DisplayWidth(cell) + DisplayWidth(next) + (last ? 0 : static_cast<int>(more.size())) > width) {
      return cell + more;
    }
    cell += next;
  }
  return cell;
}

std::string HumanAnswer(const Prompt& prompt, const Neighbors& answer, const NeighborQuery& query) {
  std::string text =
      fmt::format("{}  {}  {}{}{}{}\n", Quote(prompt.text), Describe(answer.site), Name(query.search.metric),
                  query.search.order == Order::kFarthest ? ", farthest first" : "",
                  DescribeFilter(query.where, query.exclude_self), prompt.string_id ? "" : "  (not in the corpus)");
  if (answer.rows.empty()) {
    const bool filtered = query.exclude_self || !query.where.empty();
    return text + (query.search.within ? "no rows in this band\n"
                   : filtered          ? "no rows pass the filter\n"
                                       : "no rows\n");
  }
  int widest = 6;
  for (const Neighbor& row : answer.rows) widest = std::max(widest, DisplayWidth(Quote(row.text)));
  const int room = (StdoutIsTerminal() ? TerminalWidth(STDOUT_FILENO) : 120) - widest - 4 - 10 - 6;
  Table table({{"rank", Table::Align::kRight},
               {query.search.metric == Metric::kL2 ? "distance" : "similarity", Table::Align::kRight},
               {"string"},
               {"next tokens"}});
  for (const Neighbor& row : answer.rows) {
    table.Add({Grouped(row.rank), fmt::format("{:.3f}", row.similarity.value_or(row.distance) + 0.0), Quote(row.text),
               NextTokenCell(row.next_tokens, std::max(room, 20))});
  }
  return text + table.Text(StdoutColor());
}

OrderedJson JsonAnswer(const Prompt& prompt, const Neighbors& answer, const NeighborQuery& query) {
  OrderedJson rows = OrderedJson::array();
  for (const Neighbor& row : answer.rows) {
    OrderedJson next_tokens = OrderedJson::object();
    for (const NextToken& next : row.next_tokens) {
      // Two tokens may have the same text.
      const bool taken = next_tokens.contains(next.token);
      next_tokens[taken ? fmt::format("{} <{}>", next.token, next.token_id) : next.token] = next.count;
    }
    rows.push_back({{"rank", row.rank},
                    {"string_id", row.string_id},
                    {"text", row.text},
                    {"distance", row.distance},
                    {"similarity", row.similarity ? OrderedJson(*row.similarity) : OrderedJson(nullptr)},
                    {"next_tokens", std::move(next_tokens)}});
  }
  OrderedJson json{{"prompt", prompt.text},  {"stream", Name(answer.site.stream)},  {"block", answer.site.block},
                   {"t_i", answer.site.t_i}, {"metric", Name(query.search.metric)}, {"index", query.index_name}};
  if (query.search.metric == Metric::kCenteredCosine) {
    json["metric"] = Name(Metric::kCosine);
    json["center"] = true;
  }
  AddFilter(query.where, query.exclude_self, json);
  json["neighbors"] = std::move(rows);
  return json;
}

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
NeighborQuery ReadQuery(const CLI::App& command, const Flags& flags) {
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
  query.search.parameters = flags.parameters;
  query.search.threads = flags.threads;
  query.next_tokens = true;
  return query;
}

std::vector<PromptInput> ReadInputs(const Flags& flags) {
  std::vector<PromptInput> inputs(flags.prompts.begin(), flags.prompts.end());
  if (!flags.prompts_file.empty()) {
    const std::vector<PromptInput> more = ReadPrompts(flags.prompts_file);
    inputs.insert(inputs.end(), more.begin(), more.end());
  }
  if (flags.escapes) {
    for (PromptInput& input : inputs) input.text = Unescape(input.text);
  }
  for (const std::string& ids : flags.ids) inputs.emplace_back(ParseTokenIds(ids, "--ids"));
  if (inputs.empty()) FailUsage("no prompt: give one, its token ids with --ids, or a file with --prompts");
  return inputs;
}

void Run(const CLI::App& command, const Flags& flags) {
  CheckFilter(command, flags.filter);
  const std::vector<NeighborQuery> queries = ReadSites(flags.sites, ReadQuery(command, flags));
  const UnknownPrompts unknown = ParseUnknownPrompts(flags.unknown);
  const std::vector<PromptInput> inputs = ReadInputs(flags);
  IndexReader reader(GivenDirectory(flags.directory));
  const std::vector<BatchPrompt> batch = EncodePrompts(reader, inputs, unknown);
  std::vector<Prompt> prompts;
  for (const BatchPrompt& one : batch) {
    if (one.prompt) prompts.push_back(*one.prompt);
  }
  // What is not built is found before anything is searched.
  std::vector<Site> sites;
  for (const NeighborQuery& query : queries) {
    if (query.stream != Stream::kEmbedding) sites.push_back(reader.ResolveSite(query, 0));
  }
  reader.RequireSites(sites);
  std::vector<std::vector<Neighbors>> answers;  // a query each
  for (const NeighborQuery& query : queries) {
    answers.push_back(reader.FindNeighbors(prompts, query));
    SayWhatWasFilledUp(answers.back(), query.index_name);
  }

  std::vector<int> t_is;
  for (const Site& site : sites) t_is.push_back(site.t_i);
  ProgressBar progress;
  NoteLengths(prompts, t_is, progress);
  std::string text;
  OrderedJson json = OrderedJson::array();
  std::size_t asked = 0;
  for (const BatchPrompt& one : batch) {
    if (!one.prompt) {
      json.push_back({{"prompt", JsonPrompt(one.input)}, {"error", one.error}});
      text += fmt::format("{}{}\n", text.empty() ? "" : "\n", one.error);
      continue;
    }
    for (std::size_t i = 0; i < queries.size(); ++i) {
      const Neighbors& answer = answers[i][asked];
      if (flags.json) {
        json.push_back(JsonAnswer(*one.prompt, answer, queries[i]));
        if (one.input.ids) json.back()["ids"] = *one.input.ids;
      } else {
        text += (text.empty() ? "" : "\n") + HumanAnswer(*one.prompt, answer, queries[i]);
      }
    }
    ++asked;
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
  auto flags = std::make_shared<Flags>();
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
  AddFilterOptions(*command, flags->filter);
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
