#include "tools/command/evaluation_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

#include "query/experiment/experiment.h"
#include "schema/number_list.h"
#include "schema/text.h"
#include "tools/command/flags/filter_flags.h"
#include "tools/command/flags/site_flags.h"
#include "tools/output/json_output.h"
#include "tools/output/svg_chart.h"
#include "tools/output/table.h"
#include "tools/output/terminal.h"

namespace actkin {
namespace {

using OrderedJson = nlohmann::ordered_json;

// What a run was, part by part: "l2", "k 10", "t_i 7-9, without itself", "nearest merge", "within 0.9:". Empty where a
// part says nothing.
std::vector<std::string> PartsOf(const EvaluationRun& run, const std::string& within) {
  const std::optional<std::uint64_t> k = NeighborsCounted(run.request);
  return {std::string(Name(run.request.metric)), fmt::format("k {}", k ? Grouped(*k) : "all"),
          (run.request.over_positions ? "over positions" : fmt::format("t_i {}", FormatNumberList(run.request.t_is))) +
              DescribeFilter(run.request.where, run.request.exclude_self, run.request.exclude_window,
                             run.request.max_length),
          run.request.t_is.size() > 1 ? fmt::format("{} merge", Name(run.request.merge)) : "",
          !within.empty()             ? "within " + within
          : run.request.bands.empty() ? ""
                                      : "within its bands"};
}

std::string JoinParts(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) {
    if (!part.empty()) text += (text.empty() ? "" : "  ") + part;
  }
  return text;
}

std::string Heading(const EvaluationRun& run, const std::string& within) { return JoinParts(PartsOf(run, within)); }

std::string HumanTable(const std::vector<EvaluationResult>& results, const std::string& within) {
  std::vector<Table::Column> columns{{Heading(results.front().run, within)}, {""}};
  for (std::size_t n = 1; n <= kLongestTopList; ++n) {
    columns.push_back({fmt::format("n {}", n), Table::Align::kRight});
  }
  columns.push_back({"Hellinger", Table::Align::kRight});
  Table table(columns);
  for (const EvaluationResult& result : results) {
    const Agreement& agreement = result.agreement;
    const auto add = [&](const std::string& name, const char* order, const auto& fractions, const std::string& last) {
      std::vector<std::string> line{name, order};
      for (const double fraction : fractions) line.push_back(fmt::format("{:.3f}", fraction));
      line.push_back(last);
      table.Add(std::move(line));
    };
    add(QuoteIfEscaped(result.run.scheme.name), "nth token equal", agreement.top_n,
        fmt::format("{:.3f}", agreement.hellinger_mean));
    add("", "first n as a set", agreement.top_n_any_order, "");
  }
  return table.Text(StdoutColor());
}

// The runs that a chart shows: the best ones by Hellinger distance, each distribution once (prompt_only is the same
// whatever the neighbors, and a merge of one position changes nothing), in their own order.
std::vector<const EvaluationResult*> ChartedResults(const std::vector<EvaluationResult>& results) {
  constexpr std::size_t kMostCurves = 8;
  std::vector<const EvaluationResult*> charted;
  const auto same = [](const EvaluationResult& a, const EvaluationResult& b) {
    if (a.run.scheme.name != b.run.scheme.name) return false;
    if (a.run.scheme.kind == Scheme::Kind::kPromptOnly) return true;
    const PoolRequest& one = a.run.request;
    const PoolRequest& other = b.run.request;
    return one.metric == other.metric && one.k == other.k && one.t_is == other.t_is &&
           (one.merge == other.merge || one.t_is.size() == 1);
  };
  for (const EvaluationResult& result : results) {
    if (std::ranges::none_of(charted, [&](const EvaluationResult* other) { return same(*other, result); })) {
      charted.push_back(&result);
    }
  }
  if (charted.size() <= kMostCurves) return charted;
  std::vector<double> distances;
  for (const EvaluationResult* result : charted) distances.push_back(result->agreement.hellinger_mean);
  std::ranges::sort(distances);
  std::erase_if(charted, [&](const EvaluationResult* result) {
    return result->agreement.hellinger_mean > distances[kMostCurves - 1];
  });
  return charted;
}

}  // namespace

std::optional<std::uint64_t> NeighborsCounted(const PoolRequest& request) {
  if (request.k || !request.bands.empty()) return request.k;
  return kDefaultPoolCount;
}

std::string HumanEvaluations(const std::vector<EvaluationResult>& results, const std::string& within) {
  std::vector<std::vector<EvaluationResult>> tables;
  for (const EvaluationResult& result : results) {
    const auto same = [&](const std::vector<EvaluationResult>& table) {
      return Heading(table.front().run, within) == Heading(result.run, within);
    };
    auto table = std::ranges::find_if(tables, same);
    if (table == tables.end()) table = tables.insert(table, std::vector<EvaluationResult>());
    table->push_back(result);
  }
  std::string text;
  for (const std::vector<EvaluationResult>& table : tables) text += "\n" + HumanTable(table, within);
  return text;
}

OrderedJson JsonEvaluation(const EvaluationResult& result, const std::string& within) {
  const PoolRequest& request = result.run.request;
  const std::optional<std::uint64_t> k = NeighborsCounted(request);
  OrderedJson json{{"scheme", result.run.scheme.name},
                   {"k", k ? OrderedJson(*k) : OrderedJson(nullptr)},
                   {"metric", Name(request.metric)},
                   {"t_i", request.over_positions ? OrderedJson(nullptr) : OrderedJson(request.t_is)},
                   {"merge", Name(request.merge)},
                   {"within", within.empty() ? OrderedJson(nullptr) : OrderedJson(within)},
                   {"top_n", result.agreement.top_n},
                   {"top_n_any_order", result.agreement.top_n_any_order},
                   {"hellinger_mean", result.agreement.hellinger_mean}};
  if (request.over_positions) {
    AddRows(request.exclude_self, request.exclude_window, json);
    AddFilter(request.where, false, 0, request.max_length, json);
  } else {
    AddFilter(request.where, request.exclude_self, 0, request.max_length, json);
  }
  return json;
}

std::string EvaluationChart(const std::vector<EvaluationResult>& results, const std::string& within,
                            std::uint64_t samples) {
  const std::vector<const EvaluationResult*> charted = ChartedResults(results);
  std::vector<std::vector<std::string>> parts;
  for (const EvaluationResult* result : charted) {
    std::vector<std::string>& of_one = parts.emplace_back(std::vector{result->run.scheme.name});
    const std::vector<std::string> more = PartsOf(result->run, within);
    if (result->run.scheme.kind == Scheme::Kind::kPromptOnly) {
      of_one.resize(1 + more.size());
    } else {
      of_one.insert(of_one.end(), more.begin(), more.end());
    }
  }
  const auto is_common = [&](std::size_t part) {
    std::string first;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (charted[i]->run.scheme.kind == Scheme::Kind::kPromptOnly && part > 0) continue;
      if (first.empty()) first = parts[i][part];
      if (parts[i][part] != first) return false;
    }
    return true;
  };
  std::vector<std::string> common{fmt::format("{} prompts", Grouped(samples))};
  for (std::size_t part = 0; part < parts[0].size(); ++part) {
    if (!is_common(part)) continue;
    std::string shared;
    for (std::vector<std::string>& of_one : parts) {
      if (!of_one[part].empty()) shared = of_one[part];
      of_one[part].clear();
    }
    common.push_back(shared);
  }
  LineChart chart;
  chart.title = "The first n tokens are the model's, as a set";
  chart.subtitle = JoinParts(common);
  if (charted.size() < results.size()) chart.subtitle += fmt::format("  the best {} runs", charted.size());
  chart.x.title = "n (H: mean Hellinger distance)";
  chart.x.whole_numbers = true;
  chart.x.low = 1;
  chart.x.high = kLongestTopList;
  chart.y.title = "fraction of prompts";
  chart.y.low = 0;
  chart.y.high = 1;
  for (std::size_t i = 0; i < charted.size(); ++i) {
    ChartSeries& series = chart.series.emplace_back();
    const Agreement& agreement = charted[i]->agreement;
    const std::string name = JoinParts(parts[i]);
    series.name = fmt::format("{}{}H {:.3f}", name, name.empty() ? "" : "  ", agreement.hellinger_mean);
    for (std::size_t n = 0; n < kLongestTopList; ++n) {
      series.points.push_back({static_cast<double>(n + 1), agreement.top_n_any_order[n]});
    }
  }
  return LineChartSvg(chart);
}

}  // namespace actkin
