#include "tools/output/chart_axis.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace actkin {
namespace {

constexpr int kWantedTicks = 6;
// Beyond these a double cannot tell ticks apart, or overflows on the way.
constexpr double kLargest = 1e300;
constexpr double kLeastPositive = 1e-300;

// The step of the form 1, 2 or 5 times a power of ten that divides `length` into about kWantedTicks.
double NiceStep(double length) {
  const double rough = length / kWantedTicks;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= rough * 0.999) return factor * power;
  }
  return 10 * power;
}

std::string LinearLabel(double value, double step) {
  if (std::abs(value) >= 1e7 || step < 1e-6) return fmt::format("{:.6g}", value);
  const int decimals = std::max(0, static_cast<int>(std::ceil(-std::log10(step) - 1e-9)));
  return fmt::format("{:.{}f}", value == 0 ? 0.0 : value, decimals);
}

}  // namespace

AxisRange::AxisRange(const Axis& axis, std::span<const double> values) : scale_(axis.scale) {
  double least = std::numeric_limits<double>::infinity();
  double largest = -least;
  for (const double value : values) {
    if (!std::isfinite(value) || std::abs(value) > kLargest) continue;
    if (scale_ == Axis::Scale::kLog && value < kLeastPositive) continue;
    least = std::min(least, value);
    largest = std::max(largest, value);
  }
  if (least > largest) least = largest = 1;
  if (scale_ == Axis::Scale::kLog) {
    ChooseLog(axis, least, largest);
  } else {
    ChooseLinear(axis, least, largest);
  }
}

void AxisRange::ChooseLinear(const Axis& axis, double least, double largest) {
  if (axis.from_zero) {
    least = std::min(least, 0.0);
    largest = std::max(largest, 0.0);
  }
  low_ = axis.low.value_or(least);
  high_ = axis.high.value_or(largest);
  if (!(low_ < high_)) {
    const double room = std::max(std::abs(low_) * 0.1, 0.5);
    if (!axis.low) low_ -= room;
    if (!axis.high || !(low_ < high_)) high_ = low_ + 2 * room;
  }
  double step = NiceStep(high_ - low_);
  if (axis.whole_numbers) step = high_ - low_ <= 2 * kWantedTicks ? 1 : std::round(step);
  // Rounding may put a multiple of the step on the wrong side of the value that it equals.
  if (!axis.low) low_ = std::min(low_, std::floor(low_ / step + 1e-9) * step);
  if (!axis.high) high_ = std::max(high_, std::ceil(high_ / step - 1e-9) * step);
  const double first = std::ceil(low_ / step - 1e-9);
  for (int i = 0; i < 10 * kWantedTicks; ++i) {
    const double value = (first + i) * step;
    if (value > high_ + step * 1e-9) break;
    ticks_.push_back({std::clamp(value, low_, high_), LinearLabel(value, step)});
  }
}

void AxisRange::ChooseLog(const Axis& axis, double least, double largest) {
  low_ = std::max(axis.low.value_or(least), kLeastPositive);
  high_ = std::max(axis.high.value_or(largest), kLeastPositive);
  if (!(low_ < high_)) {
    if (!axis.low) low_ /= 2;
    high_ = low_ * 4;
  }
  const double decades = std::log10(high_ / low_);
  // Which multiples of a power of ten carry labels, and how many powers lie between two labelled ones.
  const bool dense = decades < 1.5;
  const bool medium = decades < 3.5;
  const int stride = std::max(1, static_cast<int>(std::ceil(decades / 10)));
  const auto labelled = [&](int multiple, int power) {
    if (multiple == 1) return power % stride == 0;
    if (medium && (multiple == 2 || multiple == 5)) return true;
    return dense && decades < 0.7 && multiple != 7 && multiple != 9;
  };
  const int first_power = static_cast<int>(std::floor(std::log10(low_))) - 1;
  const int last_power = static_cast<int>(std::ceil(std::log10(high_))) + 1;
  std::vector<Tick> all;
  for (int power = first_power; power <= last_power; ++power) {
    for (int multiple = 1; multiple <= 9; ++multiple) {
      const double value = multiple * std::pow(10, power);
      if (!std::isfinite(value) || value <= 0) continue;
      all.push_back({value, labelled(multiple, power) ? fmt::format("{:g}", value) : ""});
    }
  }
  // The ends reach out to labelled ticks, so that every value stands between two of them.
  if (!axis.low) {
    for (const Tick& tick : all) {
      if (!tick.label.empty() && tick.value <= least * (1 + 1e-9)) low_ = std::min(tick.value, least);
    }
  }
  if (!axis.high) {
    const auto end = std::ranges::find_if(
        all, [&](const Tick& tick) { return !tick.label.empty() && tick.value >= high_ * (1 - 1e-9); });
    if (end != all.end()) high_ = std::max(end->value, high_);
  }
  for (Tick& tick : all) {
    if (tick.value < low_ * (1 - 1e-9) || tick.value > high_ * (1 + 1e-9)) continue;
    if (tick.label.empty() && decades > 4) continue;
    tick.value = std::clamp(tick.value, low_, high_);
    ticks_.push_back(std::move(tick));
  }
}

bool AxisRange::Shows(double value) const { return std::isfinite(value) && value >= low_ && value <= high_; }

double AxisRange::Fraction(double value) const {
  if (scale_ == Axis::Scale::kLog) return std::log(value / low_) / std::log(high_ / low_);
  return (value - low_) / (high_ - low_);
}

}  // namespace actkin
