#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "query/experiment/evaluation.h"
#include "query/predict/prediction.h"
#include "query/predict/saved_schemes.h"
#include "query/predict/token_totals.h"
#include "query/reader/index_reader.h"
#include "schema/error.h"
#include "schema/text.h"
#include "storage/machine/file.h"
#include "tools/command/commands.h"
#include "tools/command/flags/filter_flags.h"
#include "tools/command/flags/prompt_flags.h"
#include "tools/command/flags/site_flags.h"
#include "tools/command/flags/study_flags.h"
#include "tools/command/neighbor_report.h"
#include "tools/command/shown_tokens.h"
#include "tools/output/json_output.h"
#include "tools/output/svg_chart.h"
#include "tools/output/table.h"
#include "tools/output/terminal.h"
#include "tools/output/visible_text.h"

namespace actkin {
namespace {

using OrderedJson = nlohmann::ordered_json;

// Columns of a cell.
constexpr int kBarAt = 11;
constexpr int kBarWidth = 20;

struct PredictFlags {
  std::string directory;
  OnePromptFlags prompt;
  std::vector<std::string> schemes;
  PoolFlags pool;
  FilterFlags filter;
  bool over_positions = false;
  bool include_self = false;
  std::optional<std::int64_t> position;
  int at = -1;
  std::string plot;
  int threads = 1;
  bool json = false;
};

struct Answer {
  Prompt prompt;
  PoolRequest request;
  std::vector<Prediction> predictions;
  std::vector<float> model;  // empty: the directory has no model
};

// What the neighbors were: "  l2  k 10  t_i 7,8,9  nearest merge".
std::string DescribeRequest(const PoolRequest& request) {
  std::string text = fmt::format("  {}", Name(request.metric));
  if (request.k || request.bands.empty()) {
    text += fmt::format("  k {}", Grouped(request.k.value_or(kDefaultPoolCount)));
  }
  if (!request.bands.empty()) text += "  within bands";
  text += request.over_positions ? "  over positions" : fmt::format("  t_i {}", JoinNumbers(request.t_is));
  if (request.t_is.size() > 1) text += fmt::format("  {} merge", Name(request.merge));
  return text + DescribeFilter(request.where, request.exclude_self, request.exclude_window, request.max_length);
}

// Of all schemes that have neighbors, where it is the same; else empty, as where none has any.
std::string DescribeRequests(const Answer& answer) {
  std::string text;
  for (const Prediction& prediction : answer.predictions) {
    if (prediction.scheme.kind != Scheme::Kind::kNeighbors) continue;
    const std::string one = DescribeRequest(prediction.request);
    if (!text.empty() && text != one) return "";
    text = one;
  }
  return text;
}

template <typename Numbers>
std::vector<TokenProbability> ListedTokens(IndexReader& reader, const Numbers& probabilities) {
  return ByProbability(reader.vocabulary(), probabilities, kLongestTopList);
}

std::string Cell(IndexReader& reader, const std::vector<TokenProbability>& tokens, std::size_t rank, bool bar) {
  if (rank >= tokens.size()) return "";
  const double probability = tokens[rank].probability;
  std::string cell = fmt::format("{} {:.3f}", ShownToken(reader, tokens[rank].token_id), probability + 0.0);
  if (bar) {
    const int width = static_cast<int>(std::clamp(probability, 0.0, 1.0) * kBarWidth + 0.5);
    cell += std::string(static_cast<std::size_t>(std::max(1, kBarAt - DisplayWidth(cell))), ' ');
    for (int i = 0; i < width; ++i) cell += "\u2588";
  }
  return cell;
}

std::string HumanAnswer(IndexReader& reader, const Answer& answer) {
  const bool is_new = !answer.prompt.string_id && !answer.request.over_positions && !answer.prompt.position;
  std::string text = fmt::format(
      "{}{}{}\n",
      answer.prompt.position ? NeighborReport(reader, {}).Heading(answer.prompt) : ShownPrompt(reader, answer.prompt),
      DescribeRequests(answer), is_new ? "  (not in the corpus)" : "");
  std::vector<Table::Column> columns{{"rank", Table::Align::kRight}};
  std::vector<std::vector<TokenProbability>> tokens;
  std::size_t rows = 0;
  for (const Prediction& prediction : answer.predictions) {
    columns.push_back({QuoteIfEscaped(prediction.scheme.name)});
    tokens.push_back(ListedTokens(reader, prediction.probabilities));
    rows = std::max(rows, tokens.back().size());
  }
  const std::vector<TokenProbability> model = ListedTokens(reader, answer.model);
  rows = std::max(rows, model.size());
  if (!answer.model.empty()) columns.push_back({"model"});
  const bool bars = answer.predictions.size() == 1;
  Table table(columns);
  for (std::size_t rank = 0; rank < rows; ++rank) {
    std::vector<std::string> line{Grouped(rank + 1)};
    for (std::size_t i = 0; i < answer.predictions.size(); ++i) {
      line.push_back(Cell(reader, tokens[i], rank, bars));
    }
    if (!answer.model.empty()) line.push_back(Cell(reader, model, rank, bars));
    table.Add(std::move(line));
  }
  if (!answer.model.empty()) {
    std::vector<std::string> line{"Hellinger"};
    for (const Prediction& prediction : answer.predictions) {
      line.push_back(
          fmt::format("{:.3f}", ComparedDistribution(answer.model).HellingerDistance(prediction.probabilities)));
    }
    line.emplace_back();
    table.Add(std::move(line));
  }
  text += table.Text(StdoutColor());
  const bool apart = DescribeRequests(answer).empty();
  for (const Prediction& prediction : answer.predictions) {
    if (apart && prediction.scheme.kind == Scheme::Kind::kNeighbors) {
      text += fmt::format("{}:{}\n", QuoteIfEscaped(prediction.scheme.name), DescribeRequest(prediction.request));
    }
    for (const std::string& note : prediction.notes) text += note + "\n";
  }
  return text;
}

template <typename Numbers>
OrderedJson JsonTokens(IndexReader& reader, const Numbers& probabilities) {
  OrderedJson tokens = OrderedJson::array();
  for (const TokenProbability& one : ListedTokens(reader, probabilities)) {
    tokens.push_back({{"token", one.token}, {"probability", one.probability}});
  }
  return tokens;
}

// What the neighbors were; nothing but nulls where there are none. k: null where all rows of the bands count.
OrderedJson JsonRequest(const Prediction& prediction) {
  if (prediction.scheme.kind != Scheme::Kind::kNeighbors) {
    return {{"metric", nullptr}, {"k", nullptr}, {"t_i", nullptr}, {"merge", nullptr}};
  }
  const PoolRequest& request = prediction.request;
  const bool all = !request.k && !request.bands.empty();
  OrderedJson json{{"metric", Name(request.metric)},
                   {"k", all ? OrderedJson(nullptr) : OrderedJson(request.k.value_or(kDefaultPoolCount))},
                   {"t_i", request.over_positions ? OrderedJson(nullptr) : OrderedJson(request.t_is)},
                   {"merge", Name(request.merge)}};
  if (request.over_positions) json["rows"] = Name(RowKind::kPositions);
  AddFilter(request.where, request.exclude_self, request.exclude_window, request.max_length, json);
  return json;
}

OrderedJson JsonAnswer(IndexReader& reader, const Answer& answer) {
  OrderedJson all = OrderedJson::array();
  for (const Prediction& prediction : answer.predictions) {
    OrderedJson json{{"prompt", answer.prompt.text}};
    if (answer.prompt.position) json = {{"position", *answer.prompt.position}};
    json["scheme"] = prediction.scheme.name;
    json.update(JsonRequest(prediction));
    json.update(
        {{"tokens", JsonTokens(reader, prediction.probabilities)}, {"model", JsonTokens(reader, answer.model)}});
    if (!answer.model.empty())
      json["hellinger"] = ComparedDistribution(answer.model).HellingerDistance(prediction.probabilities);
    if (!prediction.notes.empty()) json["notes"] = prediction.notes;
    all.push_back(std::move(json));
  }
  return all.size() == 1 ? all[0] : all;
}

// A token alone, on an axis.
std::string VisibleToken(IndexReader& reader, TokenId token) {
  const std::string bytes = reader.vocabulary().Bytes(std::span(&token, 1));
  return bytes.empty() ? reader.vocabulary().Text(token) : VisibleText(bytes);
}

// The tokens that stand in anybody's list, in the order of the model's probabilities, else of the first scheme's.
std::string Chart(IndexReader& reader, const Answer& answer) {
  std::vector<TokenId> tokens;
  const auto add = [&](const std::vector<TokenId>& more) {
    for (const TokenId token : more) {
      if (std::ranges::find(tokens, token) == tokens.end()) tokens.push_back(token);
    }
  };
  add(TopTokens(answer.model, kLongestTopList));
  for (const Prediction& prediction : answer.predictions) add(TopTokens(prediction.probabilities, kLongestTopList));
  const auto probability = [&](TokenId token) {
    if (!answer.model.empty()) return static_cast<double>(answer.model[token]);
    return ValueOf(answer.predictions[0].probabilities, token);
  };
  std::ranges::stable_sort(tokens, std::ranges::greater(), probability);

  BarChart chart;
  chart.title = fmt::format("What follows {}", ShownPrompt(reader, answer.prompt));
  chart.subtitle = DescribeRequests(answer);
  chart.subtitle.erase(0, chart.subtitle.find_first_not_of(' '));
  chart.category_title = "next token";
  chart.value.title = "probability";
  chart.value.from_zero = true;
  for (const TokenId token : tokens) chart.categories.push_back(VisibleToken(reader, token));
  if (!answer.model.empty()) {
    BarSeries& series = chart.series.emplace_back();
    series.name = "model";
    for (const TokenId token : tokens) series.values.push_back(answer.model[token]);
  }
  for (const Prediction& prediction : answer.predictions) {
    BarSeries& series = chart.series.emplace_back();
    series.name = prediction.scheme.name;
    for (const TokenId token : tokens) {
      series.values.push_back(ValueOf(prediction.probabilities, token));
    }
  }
  return BarChartSvg(chart);
}

void Run(const CLI::App& command, const PredictFlags& flags) {
  CheckFilter(command, flags.filter);
  IndexReader reader(GivenDirectory(flags.directory));
  ProgressBar progress;
  Answer answer;
  if (flags.position) {
    if (command.count("PROMPT") > 0 || command.count("--ids") > 0)
      FailUsage("--position and a prompt: give one of them");
    answer.prompt = reader.PromptAt(*flags.position);
  } else {
    answer.prompt = reader.Encode(ReadOnePrompt(command, flags.prompt));
  }
  answer.prompt = reader.UpTo(std::move(answer.prompt), flags.at);
  const ChosenSchemes chosen = ChooseSchemes(reader, flags.schemes);
  // prompt_only alone needs neither a model nor a site.
  const bool neighbors =
      std::ranges::any_of(chosen.schemes, [](const Scheme& scheme) { return scheme.kind == Scheme::Kind::kNeighbors; });
  const bool over_positions =
      flags.over_positions || (flags.pool.t_is.empty() && neighbors && OnlyPositionsAreBuilt(reader));
  if (neighbors) answer.request = ReadPoolRequest(command, flags.pool, reader, BlocksOf(reader), over_positions);
  answer.request.where = flags.filter.where;
  if (flags.include_self && (flags.filter.exclude_self || flags.filter.exclude_window > 0)) {
    FailUsage("--include-self and --exclude-{}: give one of them", flags.filter.exclude_self ? "self" : "window");
  }
  answer.request.exclude_self = flags.filter.exclude_self || (over_positions && !flags.include_self);
  answer.request.exclude_window = static_cast<std::uint64_t>(flags.filter.exclude_window);
  answer.request.max_length = flags.filter.max_length;
  answer.predictions = Predict(reader, answer.prompt, SchemesFor(chosen, answer.request, progress), answer.request,
                               flags.pool.prompt_set, flags.threads);
  if (reader.catalog().Model()) answer.model = reader.Forward().NextTokenProbabilities(answer.prompt.tokens);
  SaveFileSchemes(reader, chosen, progress);
  if (!answer.prompt.position) NoteLengths(std::span(&answer.prompt, 1), answer.request.t_is, progress);
  if (!flags.plot.empty()) WriteGivenFile(flags.plot, Chart(reader, answer));
  if (flags.json) {
    PrintJson(JsonAnswer(reader, answer));
  } else {
    Print(HumanAnswer(reader, answer));
  }
}

}  // namespace

void AddPredictCommand(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("predict", "The next token by what follows a prompt's neighbors, beside the model's own");
  auto flags = std::make_shared<PredictFlags>();
  command->add_option("DIRECTORY", flags->directory, "The index directory, NAME.actkin")->required();
  AddOnePromptOptions(*command, flags->prompt);
  AddSchemeOption(*command, flags->schemes);
  AddPoolOptions(*command, flags->pool);
  command->add_flag("--positions", flags->over_positions,
                    "By neighbors among positions of the corpus, each with what came next there, and without the "
                    "prompt's own (default where --t-i is not given and only those are built)");
  command->add_option("--position", flags->position, "A position of the corpus in the prompt's place");
  command->add_option("--at", flags->at, "Which token of the prompt is asked, from 0, or negative from its end")
      ->capture_default_str();
  AddFilterOptions(*command, flags->filter);
  command->add_flag("--include-self", flags->include_self, "Over positions, let the prompt's own row count");
  command->add_option("--plot", flags->plot, "Draw the distributions side by side, as SVG");
  command->add_flag("--json", flags->json, "Print JSON");
  AddThreadsOption(*command, flags->threads);
  command->footer(
      "A scheme of your own is JSON: {\"name\": \"mine\", \"kernel\": \"inverse_distance\", \"embedding\": 1,\n"
      "\"proj\": {\"3\": 0.5}, \"ffwd\": {\"3\": 4}}; it is saved in the index under its name. Bands of a metric, one "
      "a\n"
      "block: \"metric\": \"cosine\", \"k\": 100, \"within\": {\"ffwd\": {\"3\": \"0.9:\"}}; without a k all rows of a "
      "band.\n"
      "Examples:\n"
      "  actkin predict gpl.actkin 'the licens' --scheme all\n"
      "  echo '{\"name\": \"mine\", \"ffwd\": {\"3\": 4}, \"k\": 100}' > my.json\n"
      "  actkin predict gpl.actkin 'the licens' --scheme my.json --plot prediction.svg\n"
      "  actkin predict gpl.actkin 'the licens' --metric cosine --within 0.9:\n"
      "  actkin predict gpl.actkin 'the licens' --exclude-self");
  command->callback([command, flags] { Run(*command, *flags); });
}

}  // namespace actkin
