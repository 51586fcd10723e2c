#ifndef ACTKIN_TOOLS_OUTPUT_CHART_AXIS_H_
#define ACTKIN_TOOLS_OUTPUT_CHART_AXIS_H_

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace actkin {

// How an axis of a chart is drawn.
struct Axis {
  enum class Scale { kLinear, kLog };

  std::string title;
  Scale scale = Scale::kLinear;
  std::optional<double> low;  // where the axis begins and ends; without: chosen from the values
  std::optional<double> high;
  bool whole_numbers = false;  // ticks at whole numbers only
  bool from_zero = false;      // a linear axis that shows zero whatever the values are
};

struct Tick {
  double value = 0;
  std::string label;  // empty: a minor tick
};

// An axis with its ends and ticks chosen. Immutable.
class AxisRange {
 public:
  // values: what is to be shown; those that the axis cannot show do not count. The ends lie at ticks where the axis
  // does not say them. Works for any values, also none.
  AxisRange(const Axis& axis, std::span<const double> values);

  double low() const { return low_; }
  double high() const { return high_; }
  const std::vector<Tick>& ticks() const { return ticks_; }  // ascending, all within low()..high()
  // Whether the axis can show the value at all: it is finite, positive on a logarithmic axis, and within the ends.
  bool Shows(double value) const;
  // 0 at low(), 1 at high(). REQUIRES: Shows(value).
  double Fraction(double value) const;

 private:
  void ChooseLinear(const Axis& axis, double least, double largest);
  void ChooseLog(const Axis& axis, double least, double largest);

  Axis::Scale scale_;
  double low_ = 0;
  double high_ = 1;
  std::vector<Tick> ticks_;
};

}  // namespace actkin

#endif  // ACTKIN_TOOLS_OUTPUT_CHART_AXIS_H_
