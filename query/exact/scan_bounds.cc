#include "query/exact/scan_bounds.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace actkin {
namespace {

// The standard model of rounding (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., sections 2.2
// and 3.1): fl(a op b) = (a op b)(1 + delta) with |delta| <= u = 2^-24, and k such factors in a product amount to a
// relative error of at most gamma_k = k u / (1 - k u). In a sum of n terms, added in any order, a term passes at most n
// - 1 additions (n with the zero that an accumulator starts from); fused multiply-add only leaves factors out.
//
// l2. A term (x - q)^2 carries the subtraction's factor twice and the multiplication's once; it then passes at most n
// additions. All terms are positive, so with s the exact sum and S the float32 one
//     |S - s| <= gamma_{n+3} s + a,
// where a covers what underflow takes: a result below 2^-126 may be flushed to zero (a host program may have switched
// that on), at most four times a term. S is infinite only if the sum without a largest float would exceed that, so
// infinity is treated as "at least the largest float".
//
// cosine. With unit query q and float32 numbers p = q(1 + delta), the dot product D carries at most n + 2 factors a
// term:
//     |D - x.q| <= gamma_{n+2} sum |x_i q_i| <= gamma_{n+2} |x|   (Cauchy-Schwarz),
// and the squared norm N = |x|^2 (1 + theta) with |theta| <= gamma_{n+1}. The raw value D / sqrt(N), with three more
// roundings, is off by at most |D - x.q| / sqrt(N) + |cos| (1 / sqrt(1 - gamma) - 1) + 3u(1 + ...); for gamma <= 1/7
// that is below 2 gamma_{n+8}. Underflow is kept out by CosineScale's range: n 2^-126 is nothing beside |x| >= 2^-30.
//
// centered cosine. In double precision rows differ from those of the exact distance by nothing that counts. In float32
// the row z = x - m is used as z' = fl(x - fl(m)), with |z' - z| <= u |z'| + u |m| + underflow; CenteredScale leaves
// out rows with |m| > 2^7 |z'|, so that |z' - z| <= 2^-17 (1 + 2^-6) |z|, and moving a vector by e |z| moves its cosine
// with anything by at most 2 e: less than 2^-15.
//
// dot. With the unit query p as for cosine, D differs from x.q / |q| by at most gamma_{n+2} |x|, |x| <= longest, and by
// what underflow takes, 4 n 2^-126.
//
// What is called exact here is itself rounded, in double: its relative error of about n 2^-53 is far below the u that
// n + 8 leaves over. Products of these double bounds are widened by 2^-40 for their own rounding.
constexpr double kUnit = 0x1p-24;
constexpr double kSmallestNormal = 0x1p-126;
constexpr double kWiden = 1 + 0x1p-40;
constexpr double kNarrow = 1 - 0x1p-40;
constexpr double kLargest = std::numeric_limits<float>::max();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

double Gamma(std::size_t terms) {
  const double k = static_cast<double>(terms) + 8;
  return k * kUnit / (1 - k * kUnit);
}

float RoundUp(double number) {
  if (number > kLargest) return kInfinity;
  if (number < -kLargest) return std::numeric_limits<float>::lowest();
  const float rounded = static_cast<float>(number);
  return rounded < number ? std::nextafter(rounded, kInfinity) : rounded;
}

float RoundDown(double number) {
  if (number > kLargest) return std::numeric_limits<float>::max();
  if (number < -kLargest) return -kInfinity;
  const float rounded = static_cast<float>(number);
  return rounded > number ? std::nextafter(rounded, -kInfinity) : rounded;
}

}  // namespace

ScanBounds ScanBounds::SquaredL2(std::size_t terms) {
  const double absolute = 4 * (static_cast<double>(terms) + 1) * kSmallestNormal;
  return {true, Gamma(terms), absolute};
}

ScanBounds ScanBounds::Cosine(std::size_t terms) { return {false, 0, 2 * Gamma(terms)}; }

ScanBounds ScanBounds::CenteredCosine(std::size_t terms) { return {false, 0, 2 * Gamma(terms) + 0x1p-15}; }

float ScanBounds::CenteredScale(float squared_norm, double mean_norm) {
  const double least = mean_norm * 0x1p-7;
  return squared_norm >= least * least * (1 + 0x1p-10) ? CosineScale(squared_norm)
                                                       : std::numeric_limits<float>::quiet_NaN();
}

ScanBounds ScanBounds::Dot(std::size_t terms, double query_norm, double longest) {
  const double underflow = 4 * (static_cast<double>(terms) + 1) * kSmallestNormal;
  return {false, 0, 2 * Gamma(terms) * longest + underflow, query_norm};
}

float ScanBounds::CosineScale(float squared_norm) {
  const bool in_range = squared_norm >= 0x1p-60F && squared_norm <= 0x1p120F;
  return in_range ? 1 / std::sqrt(squared_norm) : std::numeric_limits<float>::quiet_NaN();
}

double ScanBounds::Slack(double similarity) const {
  const double rounding = std::isfinite(similarity) && scale_ > 0 ? std::abs(similarity / scale_) * 0x1p-40 : 0;
  return absolute_ * kWiden + rounding;
}

float ScanBounds::HighestRaw(double distance) const {
  if (!squared_) return scale_ > 0 ? RoundUp(distance / scale_ + Slack(distance)) : kInfinity;
  const double widest = std::max(distance, 0.0);
  return RoundUp(widest * widest * (1 + relative_) * kWiden + absolute_);
}

float ScanBounds::LowestRaw(double distance) const {
  if (!squared_) return scale_ > 0 ? RoundDown(distance / scale_ - Slack(distance)) : -kInfinity;
  const double narrowest = distance * kNarrow;
  if (narrowest <= 0) return -kInfinity;
  return RoundDown(narrowest * narrowest * (1 - relative_) * kNarrow - absolute_);
}

double ScanBounds::HighestDistance(float raw) const {
  if (!squared_) return (raw + Slack(raw * scale_)) * scale_;
  return std::sqrt((raw + absolute_) / (1 - relative_)) * kWiden;
}

double ScanBounds::LowestDistance(float raw) const {
  if (!squared_) return (raw - Slack(raw * scale_)) * scale_;
  const double square = std::max(std::min<double>(raw, kLargest) * kNarrow - absolute_, 0.0);
  return std::sqrt(square / (1 + relative_)) * kNarrow;
}

}  // namespace actkin
