#include <unistd.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "query/predict/saved_schemes.h"
#include "query/predict/term_neighbors.h"
#include "query/reader/index_reader.h"
#include "schema/error.h"
#include "schema/number_list.h"
#include "tools/command/commands.h"
#include "tools/command/flags/prompt_flags.h"
#include "tools/command/flags/site_flags.h"
#include "tools/command/flags/study_flags.h"
#include "tools/command/shown_tokens.h"
#include "tools/output/json_output.h"
#include "tools/output/table.h"
#include "tools/output/terminal.h"

namespace actkin {
namespace {

using OrderedJson = nlohmann::ordered_json;

struct SimilarFlags {
  std::string directory;
  OnePromptFlags prompt;
  PoolFlags pool;
  std::string lengths;
  std::string scheme;
  int threads = 1;
  bool json = false;
};

// The neighbors of every block under one merge.
struct Part {
  std::vector<int> t_is;
  std::vector<std::vector<PooledNeighbor>> terms;
};

struct SimilarAnswer {
  Prompt prompt;
  PoolRequest request;
  int blocks = 0;
  std::vector<PooledNeighbor> embedding;
  std::vector<Part> parts;  // one; with --lengths one a length
  std::vector<std::string> notes;
};

SimilarAnswer Find(const CLI::App& command, const SimilarFlags& flags, IndexReader& reader) {
  SimilarAnswer answer;
  answer.blocks = BlocksOf(reader);
  answer.prompt = reader.Encode(ReadOnePrompt(command, flags.prompt));
  answer.request = ReadPoolRequest(command, flags.pool, reader, answer.blocks);
  std::optional<Scheme> scheme;
  if (!flags.scheme.empty()) {
    scheme = ChooseScheme(reader, flags.scheme);
    if (scheme->kind != Scheme::Kind::kNeighbors) FailUsage("--scheme {}: it has no neighbors", flags.scheme);
    ApplyScheme(*scheme, answer.request);
  }
  std::vector<std::vector<int>> merges{answer.request.t_is};
  if (!flags.lengths.empty()) {
    if (!flags.pool.t_is.empty()) FailUsage("--lengths and --t-i: give one of them");
    merges.clear();
    for (const int length : ParseNumberList(flags.lengths, "--lengths")) {
      if (length < 1 || length > reader.string_length()) {
        FailUsage("--lengths {}: strings have 1 to {} tokens", length, reader.string_length());
      }
      merges.push_back({length - 1});
    }
  }
  for (const std::vector<int>& t_is : merges) {
    PoolRequest request = answer.request;
    request.t_is = t_is;
    const bool first = answer.parts.empty();
    TermNeighbors found = FindTermNeighbors(
        reader, answer.prompt, request, answer.blocks,
        [&](std::size_t term) { return (first || term > 0) && (!scheme || scheme->Uses(term)); }, flags.pool.prompt_set,
        flags.threads);
    if (first) {
      answer.embedding = found.terms[0];
      answer.notes = found.notes;
    }
    answer.parts.push_back({t_is, std::move(found.terms)});
  }
  std::vector<int> t_is;
  for (const std::vector<int>& merge : merges) t_is.insert(t_is.end(), merge.begin(), merge.end());
  ProgressBar progress;
  NoteLengths(std::span(&answer.prompt, 1), t_is, progress);
  return answer;
}

// A string that is somebody's neighbor, where it appeared first.
struct Contributor {
  StringId string_id = 0;
  Term term;
};

// Embedding neighbors, then block by block proj and ffwd, each string once.
std::vector<Contributor> Contributors(const SimilarAnswer& answer) {
  std::vector<Contributor> contributors;
  std::set<StringId> seen;
  const auto add = [&](const std::vector<PooledNeighbor>& neighbors, const Term& term) {
    for (const PooledNeighbor& neighbor : neighbors) {
      if (seen.insert(neighbor.string_id).second) contributors.push_back({neighbor.string_id, term});
    }
  };
  add(answer.embedding, {});
  for (int block = 0; block < answer.blocks; ++block) {
    for (const Stream stream : {Stream::kProj, Stream::kFfwd}) {
      const Term term{stream, block};
      for (const Part& part : answer.parts) add(part.terms[Terms(answer.blocks).Number(term)], term);
    }
  }
  return contributors;
}

double Sum(const std::vector<NextToken>& tokens) {
  double sum = 0;
  for (const NextToken& token : tokens) sum += static_cast<double>(token.count);
  return sum;
}

struct Column {
  std::string title;
  const std::vector<PooledNeighbor>* neighbors = nullptr;
};

// Lists side by side, each with its distances; as many beside each other as the terminal has room for.
std::string SideBySide(IndexReader& reader, const std::vector<Column>& columns) {
  std::vector<std::vector<std::string>> cells;
  std::vector<int> widths;
  std::size_t rows = 0;
  for (const Column& column : columns) {
    std::vector<std::string>& texts = cells.emplace_back();
    int width = DisplayWidth(column.title);
    for (const PooledNeighbor& neighbor : *column.neighbors) {
      texts.push_back(fmt::format("{} {:.3f}", ShownString(reader, neighbor.string_id), neighbor.distance + 0.0));
      width = std::max(width, DisplayWidth(texts.back()));
    }
    widths.push_back(width);
    rows = std::max(rows, texts.size());
  }
  const int room = StdoutIsTerminal() ? TerminalWidth(STDOUT_FILENO) : 140;
  std::string text;
  for (std::size_t begin = 0; begin < columns.size();) {
    std::size_t end = begin;
    for (int used = 4; end < columns.size() && (end == begin || used + 2 + widths[end] <= room); ++end) {
      used += 2 + widths[end];
    }
    std::vector<Table::Column> titles{{"rank", Table::Align::kRight}};
    for (std::size_t c = begin; c < end; ++c) titles.push_back({columns[c].title});
    Table table(titles);
    for (std::size_t row = 0; row < rows; ++row) {
      std::vector<std::string> line{Grouped(row + 1)};
      for (std::size_t c = begin; c < end; ++c) line.push_back(row < cells[c].size() ? cells[c][row] : "");
      table.Add(std::move(line));
    }
    text += table.Text(StdoutColor());
    begin = end;
    if (begin < columns.size()) text += "\n";
  }
  return text;
}

std::string NextTokenText(IndexReader& reader, StringId string_id) {
  const std::vector<NextToken> tokens = reader.NextTokens(string_id);
  if (tokens.empty()) return "none (the corpus ends here)";
  std::string text;
  for (const NextToken& token : tokens) {
    text += fmt::format("{}{} {:.3f}", text.empty() ? "" : ", ", ShownToken(reader, token.token_id),
                        static_cast<double>(token.count) / Sum(tokens));
  }
  return text;
}

std::string HumanAnswer(IndexReader& reader, const SimilarAnswer& answer) {
  const PoolRequest& request = answer.request;
  std::string text =
      fmt::format("{}  {}  k {}", ShownPrompt(reader, answer.prompt),
                  fmt::format("{} {}", Name(request.metric), request.metric == Metric::kL2 ? "distance" : "similarity"),
                  request.k               ? Grouped(*request.k)
                  : request.bands.empty() ? "10"
                                          : "all");
  if (answer.parts.size() == 1) {
    text += fmt::format("  t_i {}{}", JoinNumbers(request.t_is),
                        request.merge == Merge::kFarthest ? "  farthest merge, farthest first" : "");
  }
  text += answer.prompt.string_id ? "\n" : "  (not in the corpus)\n";
  for (const std::string& note : answer.notes) text += note + "\n";
  if (!answer.embedding.empty()) text += "\n" + SideBySide(reader, {{Describe(Term{}), &answer.embedding}});
  if (answer.parts.size() == 1) {
    for (const Stream stream : {Stream::kProj, Stream::kFfwd}) {
      std::vector<Column> columns;
      for (int block = 0; block < answer.blocks; ++block) {
        columns.push_back(
            {Describe(Term{stream, block}), &answer.parts[0].terms[Terms(answer.blocks).Number({stream, block})]});
      }
      text += "\n" + SideBySide(reader, columns);
    }
  } else {
    for (int block = 0; block < answer.blocks; ++block) {
      for (const Stream stream : {Stream::kProj, Stream::kFfwd}) {
        std::vector<Column> columns;
        for (const Part& part : answer.parts) {
          columns.push_back(
              {Describe(Site{stream, block, part.t_is[0]}), &part.terms[Terms(answer.blocks).Number({stream, block})]});
        }
        text += "\n" + SideBySide(reader, columns);
      }
    }
  }
  Table table({{"contributor"}, {"first in"}, {"next tokens"}});
  for (const Contributor& contributor : Contributors(answer)) {
    table.Add({ShownString(reader, contributor.string_id), Describe(contributor.term),
               NextTokenText(reader, contributor.string_id)});
  }
  return text + "\n" + table.Text(StdoutColor());
}

OrderedJson JsonNeighbors(IndexReader& reader, Metric metric, const std::vector<PooledNeighbor>& neighbors) {
  OrderedJson rows = OrderedJson::array();
  for (const PooledNeighbor& neighbor : neighbors) {
    const std::optional<double> similarity = SimilarityOf(metric, neighbor.distance);
    rows.push_back({{"rank", rows.size() + 1},
                    {"string_id", neighbor.string_id},
                    {"text", reader.catalog().String(neighbor.string_id).text},
                    {"distance", DistanceOf(metric, neighbor.distance)},
                    {"similarity", similarity ? OrderedJson(*similarity) : OrderedJson(nullptr)}});
  }
  return rows;
}

OrderedJson JsonAnswer(IndexReader& reader, const SimilarAnswer& answer) {
  const PoolRequest& request = answer.request;
  OrderedJson parts = OrderedJson::array();
  for (const Part& part : answer.parts) {
    OrderedJson blocks = OrderedJson::array();
    for (int block = 0; block < answer.blocks; ++block) {
      const auto neighbors = [&](Stream stream) {
        return JsonNeighbors(reader, request.metric, part.terms[Terms(answer.blocks).Number({stream, block})]);
      };
      blocks.push_back({{"block", block}, {"proj", neighbors(Stream::kProj)}, {"ffwd", neighbors(Stream::kFfwd)}});
    }
    parts.push_back({{"t_i", part.t_is}, {"blocks", std::move(blocks)}});
  }
  OrderedJson contributors = OrderedJson::array();
  for (const Contributor& contributor : Contributors(answer)) {
    const std::vector<NextToken> tokens = reader.NextTokens(contributor.string_id);
    OrderedJson next_tokens = OrderedJson::array();
    for (const NextToken& token : tokens) {
      next_tokens.push_back({{"token", token.token},
                             {"count", token.count},
                             {"probability", static_cast<double>(token.count) / Sum(tokens)}});
    }
    contributors.push_back({{"string_id", contributor.string_id},
                            {"text", reader.catalog().String(contributor.string_id).text},
                            {"stream", Name(contributor.term.stream)},
                            {"block", contributor.term.block},
                            {"next_tokens", std::move(next_tokens)}});
  }
  OrderedJson json{{"prompt", answer.prompt.text},
                   {"metric", Name(request.metric)},
                   {"k", request.k               ? OrderedJson(*request.k)
                         : request.bands.empty() ? OrderedJson(kDefaultPoolCount)
                                                 : OrderedJson(nullptr)},
                   {"merge", Name(request.merge)},
                   {"embedding", JsonNeighbors(reader, request.metric, answer.embedding)}};
  if (answer.parts.size() == 1) {
    json.update(parts[0]);
  } else {
    json["lengths"] = std::move(parts);
  }
  json["contributors"] = std::move(contributors);
  if (!answer.notes.empty()) json["notes"] = answer.notes;
  return json;
}

}  // namespace

void AddSimilarCommand(CLI::App& app) {
  CLI::App* command = app.add_subcommand("similar", "Neighbors of a prompt in every block, side by side");
  auto flags = std::make_shared<SimilarFlags>();
  command->add_option("DIRECTORY", flags->directory, "The index directory, NAME.actkin")->required();
  AddOnePromptOptions(*command, flags->prompt);
  AddPoolOptions(*command, flags->pool);
  command->add_option("--lengths", flags->lengths,
                      "Strings of these lengths beside each other instead of merged positions, such as 3,5,9");
  command->add_option(
      "--scheme", flags->scheme,
      "Only the neighbors that this scheme weighs: saved, built-in or a file of your own (- is standard "
      "input). It brings its metric, bands and k where the flags do not say otherwise");
  command->add_flag("--json", flags->json, "Print JSON");
  AddThreadsOption(*command, flags->threads);
  command->footer(
      "Then the strings that contribute to a prediction: neighbors of the embedding, then of each block's proj and "
      "ffwd,\n"
      "each once, with all that follows it in the corpus.\n"
      "Examples:\n"
      "  actkin similar gpl.actkin 'the licens' -k 5\n"
      "  actkin similar gpl.actkin 'the licens' --t-i 7,8,9 --merge farthest   # after 'build --t-i 2,4,7-8'\n"
      "  actkin similar gpl.actkin 'the licens' --lengths 3,5,9\n"
      "  actkin similar gpl.actkin 'the licens' --scheme last_ffwd_only -k 20");
  command->callback([command, flags] {
    IndexReader reader(GivenDirectory(flags->directory));
    const SimilarAnswer answer = Find(*command, *flags, reader);
    if (flags->json) {
      PrintJson(JsonAnswer(reader, answer));
    } else {
      Print(HumanAnswer(reader, answer));
    }
  });
}

}  // namespace actkin
