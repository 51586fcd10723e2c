#ifndef ACTKIN_TOOLS_OUTPUT_SVG_CHART_H_
#define ACTKIN_TOOLS_OUTPUT_SVG_CHART_H_

#include <string>
#include <vector>

#include "tools/output/chart_axis.h"

namespace actkin {

// Charts as SVG: text as text, white background, colors that the color-blind tell apart (Okabe and Ito, "Color
// Universal Design", 2008), and for each series a marker shape of its own. All texts are UTF-8 as users write them:
// escaped here, control characters and bytes that are no UTF-8 shown by their escapes (\n, \xNN).

struct ChartPoint {
  double x = 0;
  double y = 0;
  std::string label = "";  // written beside the point; may be empty
};

struct ChartSeries {
  std::string name;  // in the legend
  std::vector<ChartPoint> points = {};
  bool line = true;  // joins the points, in the order given; without: a scatter of markers
};

struct LineChart {
  std::string title;
  std::string subtitle;  // one line, may be empty
  Axis x;
  Axis y;
  std::vector<ChartSeries> series;
};

// Points that an axis cannot show (NaN, outside the ends, not positive on a logarithmic axis) are left out.
std::string LineChartSvg(const LineChart& chart);

struct BarSeries {
  std::string name;
  std::vector<double> values;  // one a category
};

// Categories side by side, in each one bar a series; bars grow from zero, up or down.
struct BarChart {
  std::string title;
  std::string subtitle;
  std::string category_title;
  std::vector<std::string> categories;
  Axis value;  // linear
  std::vector<BarSeries> series;
};

// A value that is not finite has no bar. REQUIRES: every series has as many values as there are categories.
std::string BarChartSvg(const BarChart& chart);

}  // namespace actkin

#endif  // ACTKIN_TOOLS_OUTPUT_SVG_CHART_H_
