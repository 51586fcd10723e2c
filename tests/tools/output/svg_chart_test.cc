#include "tools/output/svg_chart.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <map>

#include "tools/output/visible_text.h"

namespace actkin {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// What an XML reader sees. Reads the part of XML that charts use, and is strict about it.
struct Document {
  std::map<std::string, int> elements;  // how often each stands
  std::vector<std::string> texts;       // contents of <text>, references resolved
  std::string problem;                  // empty: well-formed
};

std::string Resolve(std::string_view text, std::string& problem) {
  std::string plain;
  while (!text.empty()) {
    bool resolved = false;
    for (const auto& [reference, character] :
         {std::pair("&amp;", '&'), std::pair("&lt;", '<'), std::pair("&gt;", '>'), std::pair("&quot;", '"')}) {
      if (!text.starts_with(reference)) continue;
      plain += character;
      text.remove_prefix(std::string_view(reference).size());
      resolved = true;
      break;
    }
    if (resolved) continue;
    const char c = text.front();
    if (c == '&' || c == '<' || c == '"') problem = "an unescaped " + std::string(1, c);
    if (static_cast<unsigned char>(c) < 0x20 && c != '\n') problem = "a control character";
    plain += c;
    text.remove_prefix(1);
  }
  return plain;
}

Document Read(const std::string& svg) {
  Document document;
  std::vector<std::string> open;
  std::size_t at = 0;
  while (at < svg.size() && document.problem.empty()) {
    const std::size_t begin = svg.find('<', at);
    const std::string between = svg.substr(at, begin == std::string::npos ? std::string::npos : begin - at);
    const std::string content = Resolve(between, document.problem);
    if (!open.empty() && open.back() == "text") document.texts.push_back(content);
    if (begin == std::string::npos) break;
    const std::size_t end = svg.find('>', begin);
    if (end == std::string::npos) {
      document.problem = "a tag without end";
      break;
    }
    std::string tag = svg.substr(begin + 1, end - begin - 1);
    at = end + 1;
    if (tag.starts_with("/")) {
      if (open.empty() || open.back() != tag.substr(1)) document.problem = "</" + tag.substr(1) + "> closes nothing";
      if (!open.empty()) open.pop_back();
      continue;
    }
    const bool closed = tag.ends_with("/");
    if (std::count(tag.begin(), tag.end(), '"') % 2 != 0) document.problem = "a quote without end in <" + tag + ">";
    const std::string name = tag.substr(0, tag.find_first_of(" /"));
    ++document.elements[name];
    if (!closed) open.push_back(name);
  }
  if (document.problem.empty() && !open.empty()) document.problem = "<" + open.back() + "> without end";
  return document;
}

LineChart RecallChart() {
  LineChart chart;
  chart.title = "recall";
  chart.subtitle = "ffwd block 5";
  chart.x.title = "median ms";
  chart.x.scale = Axis::Scale::kLog;
  chart.y.title = "recall@10";
  chart.y.high = 1.0;
  chart.series = {{"HNSW32", {{0.2, 0.91, "16"}, {0.5, 0.97, "32"}, {1.1, 0.995, "64"}}},
                  {"exact", {{3.0, 1.0, ""}}, false}};
  return chart;
}

TEST(LineChartTest, HoldsEverySeriesPointAndTitle) {
  const Document document = Read(LineChartSvg(RecallChart()));
  EXPECT_THAT(document.problem, IsEmpty());
  for (const char* text : {"recall", "ffwd block 5", "median ms", "recall@10", "HNSW32", "exact", "16", "32", "64"}) {
    EXPECT_THAT(document.texts, Contains(text));
  }
  EXPECT_EQ(document.elements.at("circle"), 3 + 1);   // and the legend's
  EXPECT_EQ(document.elements.at("polygon"), 1 + 1);  // the second series has another shape
  EXPECT_EQ(document.elements.at("polyline"), 1 + 2);
}

TEST(LineChartTest, PointsThatNoAxisShowsAreLeftOut) {
  LineChart chart = RecallChart();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  chart.series = {{"one", {{0, 1, "no"}, {-1, 1, "no"}, {nan, 1, "no"}, {1, nan, "no"}, {1, 0.5, "yes"}}}};
  const Document document = Read(LineChartSvg(chart));
  EXPECT_THAT(document.problem, IsEmpty());
  EXPECT_THAT(document.texts, Contains("yes"));
  EXPECT_THAT(document.texts, Not(Contains("no")));
  EXPECT_EQ(document.elements.at("circle"), 1);
}

TEST(LineChartTest, NothingToShowIsStillAChart) {
  for (const Axis::Scale scale : {Axis::Scale::kLinear, Axis::Scale::kLog}) {
    LineChart chart;
    chart.x.scale = chart.y.scale = scale;
    const Document document = Read(LineChartSvg(chart));
    EXPECT_THAT(document.problem, IsEmpty());
  }
}

TEST(BarChartTest, EveryCategoryHasABarOfEverySeries) {
  BarChart chart;
  chart.title = "after <\"a & b\">";
  chart.category_title = "token";
  chart.categories = {VisibleText("\n"), VisibleText(" "), "\"", "<", "&", "é", "\xFF", "\x01"};
  chart.value.title = "probability";
  chart.series = {{"neighbors", {.3, .2, .1, .1, .1, .1, .05, .05}}, {"model", {.1, .2, .3, .1, -.1, .1, .05, .05}}};
  const std::string svg = BarChartSvg(chart);
  const Document document = Read(svg);
  EXPECT_THAT(document.problem, IsEmpty());
  for (const char* text : {"after <\"a & b\">", "token", "probability", "\\n", "\u2423", "\"", "<", "&", "é", "\\xff",
                           "\\x01", "neighbors", "model"}) {
    EXPECT_THAT(document.texts, Contains(text));
  }
  EXPECT_EQ(document.elements.at("rect"), 1 + 2 + 2 * 8);  // background, legend, bars
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
}

TEST(ChartAxisTest, TicksAreRoundNumbersWithinTheAxis) {
  const auto labels = [](const Axis& axis, std::vector<double> values) {
    std::vector<std::string> found;
    const AxisRange range(axis, values);
    for (const Tick& tick : range.ticks()) {
      EXPECT_TRUE(range.Shows(tick.value));
      if (!tick.label.empty()) found.push_back(tick.label);
    }
    for (const double value : values) {
      EXPECT_TRUE(range.Shows(value)) << value;
    }
    return found;
  };
  Axis axis;
  EXPECT_THAT(labels(axis, {0.13, 0.98}), ElementsAre("0.0", "0.2", "0.4", "0.6", "0.8", "1.0"));
  EXPECT_THAT(labels(axis, {0.6, 0.7, 0.3}), ElementsAre("0.3", "0.4", "0.5", "0.6", "0.7"));
  axis.from_zero = true;
  EXPECT_THAT(labels(axis, {-3, 12}), ElementsAre("-5", "0", "5", "10", "15"));
  axis = Axis();
  axis.whole_numbers = true;
  EXPECT_THAT(labels(axis, {1, 2}), ElementsAre("1", "2"));
  axis.low = 1;
  axis.high = 10;
  EXPECT_THAT(labels(axis, {1, 10}), ElementsAre("1", "2", "3", "4", "5", "6", "7", "8", "9", "10"));
  axis = Axis();
  axis.scale = Axis::Scale::kLog;
  EXPECT_THAT(labels(axis, {0.3, 40}), ElementsAre("0.2", "0.5", "1", "2", "5", "10", "20", "50"));
  EXPECT_THAT(labels(axis, {1e-3, 1e3}), ElementsAre("0.001", "0.01", "0.1", "1", "10", "100", "1000"));
}

TEST(ChartAxisTest, AnyValueHasAnAxis) {
  for (const Axis::Scale scale : {Axis::Scale::kLinear, Axis::Scale::kLog}) {
    Axis axis;
    axis.scale = scale;
    for (const double value : {0.0, 1.0, -7.0, 1e-12, 1e12, 1e299, -1e299, 1e-299, std::nan(""), HUGE_VAL}) {
      const AxisRange range(axis, std::vector{value});
      EXPECT_LT(range.low(), range.high()) << value;
      EXPECT_THAT(range.ticks(), Not(IsEmpty())) << value;
      const bool shown = std::isfinite(value) && (value > 0 || scale == Axis::Scale::kLinear);
      EXPECT_EQ(range.Shows(value), shown) << value;
    }
  }
}

}  // namespace
}  // namespace actkin
