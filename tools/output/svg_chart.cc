#include "tools/output/svg_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <optional>

#include "schema/text.h"
#include "tools/output/terminal.h"

namespace actkin {
namespace {

// Okabe and Ito's palette without its yellow, which white swallows.
constexpr std::array kColors = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"};
constexpr std::array kDashes = {"", "7 4", "2 3"};
constexpr int kMarkerShapes = 5;

constexpr double kWidth = 860;
constexpr double kHeight = 520;
constexpr double kMargin = 24;
constexpr double kTitleSize = 19;
constexpr double kTextSize = 13;
constexpr double kLegendKey = 34;
constexpr double kLine = 1.4;  // of the text size, from line to line

// As people read it, without the two characters that are none of XML's.
std::string Visible(std::string_view text) {
  std::string visible = Printable(text);
  for (const std::string_view none : {"\uFFFE", "\uFFFF"}) {
    for (std::size_t at = 0; (at = visible.find(none, at)) != std::string::npos;) {
      visible.replace(at, none.size(), "\uFFFD");
    }
  }
  return visible;
}

std::string Escape(std::string_view text) {
  std::string escaped;
  for (const char c : Visible(text)) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

// Generous: fonts differ from viewer to viewer.
double TextWidth(std::string_view text, double size) { return 0.6 * size * DisplayWidth(Visible(text)); }

struct Box {
  double left = 0;
  double top = 0;
  double right = 0;
  double bottom = 0;

  bool Overlaps(const Box& other) const {
    return left < other.right && other.left < right && top < other.bottom && other.top < bottom;
  }
  bool Holds(const Box& other) const {
    return left <= other.left && other.right <= right && top <= other.top && other.bottom <= bottom;
  }
};

const char* Color(std::size_t series) { return kColors[series % kColors.size()]; }

// The elements of a drawing, one a line. Coordinates are in pixels from the top left corner.
class Drawing {
 public:
  explicit Drawing(const std::string& title) {
    svg_ = fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" role=\"img\" "
        "font-family=\"DejaVu Sans, Verdana, Helvetica, Arial, sans-serif\" font-size=\"{2}\" fill=\"#222\">\n"
        "<title>{3}</title>\n<rect width=\"{0}\" height=\"{1}\" fill=\"#fff\"/>\n",
        kWidth, kHeight, kTextSize, Escape(title));
  }

  // anchor: start, middle or end. attributes: further ones, each after a space.
  void Text(double x, double y, const std::string& text, const char* anchor, const std::string& attributes = "") {
    svg_ += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\" xml:space=\"preserve\"{}>{}</text>\n", x, y,
                        anchor, attributes, Escape(text));
  }

  void Rule(double x1, double y1, double x2, double y2, const char* color, double width = 1) {
    svg_ += fmt::format(
        "<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"{}\" stroke-width=\"{}\"/>\n", x1, y1,
        x2, y2, color, width);
  }

  void Bar(const Box& box, const char* color, const std::string& tooltip) {
    svg_ += fmt::format(
        "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" fill=\"{}\"><title>{}</title></rect>\n",
        box.left, box.top, box.right - box.left, box.bottom - box.top, color, Escape(tooltip));
  }

  // points: "x,y x,y ...".
  void Path(const std::string& points, std::size_t series) {
    const char* dash = kDashes[series / kColors.size() % kDashes.size()];
    svg_ += fmt::format("<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"{}/>\n", points,
                        Color(series), *dash == '\0' ? "" : fmt::format(" stroke-dasharray=\"{}\"", dash));
  }

  // A circle, square, triangle, diamond or overturned triangle.
  void Marker(double x, double y, std::size_t series, const std::string& tooltip) {
    constexpr double kRadius = 4.5;
    const int shape = static_cast<int>(series % kMarkerShapes);
    const std::string end = fmt::format(" fill=\"{}\" stroke=\"#fff\" stroke-width=\"0.8\"><title>{}</title>",
                                        Color(series), Escape(tooltip));
    if (shape == 0) {
      svg_ += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{}\"{}</circle>\n", x, y, kRadius, end);
      return;
    }
    // Corners, and where the first stands: 0 is to the right, a quarter turn is down.
    constexpr std::array kCorners = {0, 4, 3, 4, 3};
    constexpr std::array kTurns = {0.0, 0.125, -0.25, 0.0, 0.25};
    std::string corners;
    for (int corner = 0; corner < kCorners[static_cast<std::size_t>(shape)]; ++corner) {
      const double turn = kTurns[static_cast<std::size_t>(shape)] +
                          static_cast<double>(corner) / kCorners[static_cast<std::size_t>(shape)];
      const double angle = 2 * std::numbers::pi * turn;
      corners += fmt::format("{}{:.1f},{:.1f}", corner > 0 ? " " : "", x + 1.2 * kRadius * std::cos(angle),
                             y + 1.2 * kRadius * std::sin(angle));
    }
    svg_ += fmt::format("<polygon points=\"{}\"{}</polygon>\n", corners, end);
  }

  std::string Finish() { return svg_ + "</svg>\n"; }

 private:
  std::string svg_;
};

// Title, subtitle, the legend to the right, the value axis and what is left for the plot.
class Frame {
 public:
  Frame(Drawing& drawing, const std::string& title, const std::string& subtitle, const std::vector<std::string>& names,
        bool bars, double bottom_room)
      : drawing_(drawing) {
    plot_ = {kMargin, kMargin, kWidth - kMargin, kHeight - kMargin - bottom_room};
    if (!title.empty()) {
      drawing_.Text(kMargin, kMargin + kTitleSize, title, "start",
                    fmt::format(" font-size=\"{}\" font-weight=\"bold\"", kTitleSize));
      plot_.top += kLine * kTitleSize + 6;
    }
    if (!subtitle.empty()) {
      drawing_.Text(kMargin, plot_.top + kTextSize, subtitle, "start", " fill=\"#555\"");
      plot_.top += kLine * kTextSize + 4;
    }
    plot_.top += 10;
    if (names.size() > 1) Legend(names, bars);
  }

  // REQUIRES: called once, before plot() is used.
  void ValueAxis(const AxisRange& range, const std::string& title) {
    double widest = 0;
    for (const Tick& tick : range.ticks()) widest = std::max(widest, TextWidth(tick.label, kTextSize));
    plot_.left += widest + 10 + (title.empty() ? 0 : kLine * kTextSize);
    for (const Tick& tick : range.ticks()) {
      const double y = Y(range, tick.value);
      drawing_.Rule(plot_.left, y, plot_.right, y, tick.label.empty() ? "#f2f2f2" : "#dcdcdc");
      drawing_.Text(plot_.left - 8, y + 0.35 * kTextSize, tick.label, "end");
    }
    const double middle = (plot_.top + plot_.bottom) / 2;
    const double x = kMargin + 0.8 * kTextSize;
    if (!title.empty())
      drawing_.Text(x, middle, title, "middle", fmt::format(" transform=\"rotate(-90 {:.1f} {:.1f})\"", x, middle));
  }

  void BottomTitle(const std::string& title) {
    if (!title.empty()) drawing_.Text((plot_.left + plot_.right) / 2, kHeight - kMargin, title, "middle");
  }

  const Box& plot() const { return plot_; }
  double X(const AxisRange& range, double value) const {
    return plot_.left + range.Fraction(value) * (plot_.right - plot_.left);
  }
  double Y(const AxisRange& range, double value) const {
    return plot_.bottom - range.Fraction(value) * (plot_.bottom - plot_.top);
  }

 private:
  void Legend(const std::vector<std::string>& names, bool bars) {
    double widest = 0;
    for (const std::string& name : names) widest = std::max(widest, TextWidth(name, kTextSize));
    const double left = std::max(kWidth / 2, kWidth - kMargin - kLegendKey - widest);
    plot_.right = left - 16;
    for (std::size_t series = 0; series < names.size(); ++series) {
      const double y = plot_.top + kTextSize + kLine * kTextSize * static_cast<double>(series);
      if (bars) {
        drawing_.Bar({left + 8, y - 5, left + 20, y + 7}, Color(series), names[series]);
      } else {
        drawing_.Path(fmt::format("{:.1f},{:.1f} {:.1f},{:.1f}", left, y, left + 26, y), series);
        drawing_.Marker(left + 13, y, series, names[series]);
      }
      drawing_.Text(left + kLegendKey, y + 0.35 * kTextSize, names[series], "start");
    }
  }

  Drawing& drawing_;
  Box plot_;
};

template <typename Series>
std::vector<std::string> Names(const std::vector<Series>& series) {
  std::vector<std::string> names;
  for (const Series& one : series) names.push_back(one.name);
  return names;
}

// Places labels beside points where they cover neither a point nor one another, as far as there is room.
class LabelPlaces {
 public:
  LabelPlaces(const Box& plot, std::vector<Box> taken) : plot_(plot), taken_(std::move(taken)) {}

  struct Place {
    double x = 0;
    double y = 0;
    const char* anchor = "start";
  };

  // None: there is no room.
  std::optional<Place> Find(double x, double y, const std::string& label) {
    const double width = TextWidth(label, kLabelSize);
    const std::array<Place, 6> places = {{{x + 8, y + 16, "start"},
                                          {x + 8, y - 7, "start"},
                                          {x - 8, y - 7, "end"},
                                          {x - 8, y + 16, "end"},
                                          {x, y + 22, "middle"},
                                          {x, y - 14, "middle"}}};
    for (const Place& place : places) {
      const double left = *place.anchor == 's' ? place.x : place.x - (*place.anchor == 'e' ? width : width / 2);
      const Box box{left, place.y - 0.8 * kLabelSize, left + width, place.y + 0.2 * kLabelSize};
      if (!plot_.Holds(box) || std::ranges::any_of(taken_, [&](const Box& other) { return box.Overlaps(other); }))
        continue;
      taken_.push_back(box);
      return place;
    }
    return std::nullopt;
  }

  static constexpr double kLabelSize = 11;

 private:
  Box plot_;
  std::vector<Box> taken_;
};

void DrawSeries(Drawing& drawing, const Frame& frame, const AxisRange& x_range, const AxisRange& y_range,
                const std::vector<ChartSeries>& all) {
  struct Dot {
    double x = 0;
    double y = 0;
    std::size_t series = 0;
    const ChartPoint* point = nullptr;
  };
  std::vector<Dot> dots;
  std::vector<Box> taken;
  for (std::size_t series = 0; series < all.size(); ++series) {
    std::string path;
    for (const ChartPoint& point : all[series].points) {
      if (!x_range.Shows(point.x) || !y_range.Shows(point.y)) continue;
      const Dot dot{frame.X(x_range, point.x), frame.Y(y_range, point.y), series, &point};
      path += fmt::format("{}{:.1f},{:.1f}", path.empty() ? "" : " ", dot.x, dot.y);
      taken.push_back({dot.x - 5, dot.y - 5, dot.x + 5, dot.y + 5});
      dots.push_back(dot);
    }
    if (all[series].line && !path.empty()) drawing.Path(path, series);
  }
  LabelPlaces places({frame.plot().left, frame.plot().top - 14, frame.plot().right, frame.plot().bottom}, taken);
  for (const Dot& dot : dots) {
    drawing.Marker(dot.x, dot.y, dot.series,
                   fmt::format("{}: {:.6g}, {:.6g}{}{}", all[dot.series].name, dot.point->x, dot.point->y,
                               dot.point->label.empty() ? "" : "  ", dot.point->label));
    if (dot.point->label.empty()) continue;
    if (const auto place = places.Find(dot.x, dot.y, dot.point->label)) {
      drawing.Text(place->x, place->y, dot.point->label, place->anchor,
                   fmt::format(" font-size=\"{}\" fill=\"{}\"", LabelPlaces::kLabelSize, Color(dot.series)));
    }
  }
}

}  // namespace

std::string LineChartSvg(const LineChart& chart) {
  std::vector<double> xs;
  std::vector<double> ys;
  for (const ChartSeries& series : chart.series) {
    for (const ChartPoint& point : series.points) {
      xs.push_back(point.x);
      ys.push_back(point.y);
    }
  }
  const AxisRange x_range(chart.x, xs);
  const AxisRange y_range(chart.y, ys);
  Drawing drawing(chart.title);
  Frame frame(drawing, chart.title, chart.subtitle, Names(chart.series), false,
              kLine * kTextSize * (chart.x.title.empty() ? 1 : 2.4));
  frame.ValueAxis(y_range, chart.y.title);
  const Box& plot = frame.plot();
  for (const Tick& tick : x_range.ticks()) {
    const double x = frame.X(x_range, tick.value);
    drawing.Rule(x, plot.top, x, plot.bottom, tick.label.empty() ? "#f2f2f2" : "#dcdcdc");
    drawing.Text(x, plot.bottom + kLine * kTextSize, tick.label, "middle");
  }
  drawing.Rule(plot.left, plot.bottom, plot.right, plot.bottom, "#555");
  drawing.Rule(plot.left, plot.top, plot.left, plot.bottom, "#555");
  frame.BottomTitle(chart.x.title);
  DrawSeries(drawing, frame, x_range, y_range, chart.series);
  return drawing.Finish();
}

std::string BarChartSvg(const BarChart& chart) {
  std::vector<double> values;
  for (const BarSeries& series : chart.series) values.insert(values.end(), series.values.begin(), series.values.end());
  Axis axis = chart.value;
  axis.scale = Axis::Scale::kLinear;
  axis.from_zero = true;
  const AxisRange range(axis, values);

  double widest = 0;
  for (const std::string& category : chart.categories) widest = std::max(widest, TextWidth(category, kTextSize));
  // Names that do not fit side by side are slanted, by 40 degrees.
  const double count = std::max<double>(1, static_cast<double>(chart.categories.size()));
  const bool slanted = widest > 0.6 * kWidth / count;
  const double names_room = slanted ? std::min(0.3 * kHeight, 0.65 * widest + kTextSize) : kLine * kTextSize;
  Drawing drawing(chart.title);
  Frame frame(drawing, chart.title, chart.subtitle, Names(chart.series), true,
              names_room + (chart.category_title.empty() ? 0 : kLine * kTextSize * 1.4));
  frame.ValueAxis(range, chart.value.title);
  const Box& plot = frame.plot();

  const double zero = frame.Y(range, std::clamp(0.0, range.low(), range.high()));
  const double slot = (plot.right - plot.left) / count;
  const double bar = 0.8 * slot / std::max<double>(1, static_cast<double>(chart.series.size()));
  for (std::size_t category = 0; category < chart.categories.size(); ++category) {
    const double left = plot.left + slot * (static_cast<double>(category) + 0.1);
    for (std::size_t series = 0; series < chart.series.size(); ++series) {
      const double value = chart.series[series].values[category];
      if (!std::isfinite(value)) continue;
      const double y = frame.Y(range, std::clamp(value, range.low(), range.high()));
      const double x = left + bar * static_cast<double>(series);
      drawing.Bar({x, std::min(y, zero), x + 0.94 * bar, std::max(y, zero)}, Color(series),
                  fmt::format("{}  {}: {:.6g}", chart.categories[category], chart.series[series].name, value));
    }
    const double middle = left + 0.4 * slot;
    const double y = plot.bottom + kLine * kTextSize;
    drawing.Text(middle, y, chart.categories[category], slanted ? "end" : "middle",
                 slanted ? fmt::format(" transform=\"rotate(-40 {:.1f} {:.1f})\"", middle, y) : "");
  }
  drawing.Rule(plot.left, zero, plot.right, zero, "#555");
  drawing.Rule(plot.left, plot.top, plot.left, plot.bottom, "#555");
  frame.BottomTitle(chart.category_title);
  return drawing.Finish();
}

}  // namespace actkin
