#include "query/exact/sketch_query.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "query/exact/exact_distance.h"

namespace actkin {
namespace {

// Why a sketch bounds a distance. With x and q in the view (storage/formats/sketch_file.h), a = axes (x - center) and b
// = axes (q - center), let Q be an orthonormal basis of what the axes span, and write t(x) for what Q leaves of x -
// center. Then
//
//     |x - q|^2 = |Q (x - q)|^2 + |t(x) - t(q)|^2,   | |t(x)| - |t(q)| | <= |t(x) - t(q)| <= |t(x)| + |t(q)|.
//
// The stored axes are float32: with |axes axes^T - 1| <= d < 1/2, their singular values lie in [1 - d, 1 + d], so that
// |a - b| / (1 + d) <= |Q (x - q)| <= |a - b| / (1 - d). Hence, with h = (a, |t|) without the constant tail_center,
//
//     |x - q| >= |h(x) - h(q)| / (1 + d),   |x - q| <= |h(x) - h'(q)| / (1 - d),   h'(q) = (b, -|t(q)|).
//
// Codes stand for vectors within e(rows) of h(x) and within e(query) of h(q); with r the squared distance of the codes,
// in steps s, the triangle inequality moves each distance by at most e = e(rows) + e(query):
//
//     |x - q| >= (s sqrt(r) - e) / (1 + d),   |x - q| <= (s sqrt(r) + e) / (1 - d).
//
// Solved for r: a row with |x - q| <= D has r <= ((D (1 + d) + e) / s)^2, one with |x - q| >= D has
// r >= ((D (1 - d) - e) / s)^2. e(rows) is measured over all rows when the sketches are made, with an allowance for
// that computation's float32 rounding (indexer/build/sketch_encoder.cc); the query's h is computed here in double
// precision, whose rounding, of some 1e-13 of the numbers added, kSlack covers a thousandfold.
//
// l2: D is the distance. cosine: the squared distance of unit vectors is 2 - 2 cosine, and the cosine that
// exact_distance.h computes from n numbers is within (n + 8) 2^-52 of the true one.
constexpr double kSlack = 1e-9;

double Norm(std::span<const double> numbers) { return std::sqrt(SquaredNorm(numbers)); }

}  // namespace

SketchQuery::SketchQuery(const SketchView& view, Metric metric, Side side, std::span<const double> query)
    : metric_(metric),
      side_(side),
      axis_defect_(view.scales.axis_defect),
      cosine_slack_(4 * (static_cast<double>(query.size()) + 8) * 0x1p-52),
      coarse_step_(view.scales.coarse.step),
      fine_step_(view.scales.fine.step) {
  const SketchScales& scales = view.scales;
  const std::size_t dimension = query.size();
  std::vector<double> rest(query.begin(), query.end());
  // A dimension of its own for a vector of zeros, which has cosine 0 to everything.
  double beyond = 0;
  if (metric == Metric::kCosine) {
    const double norm = Norm(query);
    beyond = norm > 0 ? 0 : 1;
    for (double& number : rest) number = norm > 0 ? number / norm : 0;
  }
  for (std::size_t i = 0; i < dimension; ++i) rest[i] -= view.center[i];
  const double length = Norm(rest);

  std::vector<double> fine(kSketchAxes);
  const std::vector<double> centered = rest;
  for (std::size_t axis = 0; axis < kSketchAxes; ++axis) {
    const float* along = view.axes.data() + axis * dimension;
    for (std::size_t i = 0; i < dimension; ++i) fine[axis] += along[i] * centered[i];
    for (std::size_t i = 0; i < dimension; ++i) rest[i] -= fine[axis] * along[i];
  }
  constexpr std::ptrdiff_t kCoarseAxes = kCoarseCoordinates - 1;
  std::vector<double> coarse(fine.begin(), fine.begin() + kCoarseAxes);
  const double fine_tail = std::hypot(Norm(rest), beyond);
  const double coarse_tail = std::hypot(fine_tail, Norm(std::span(fine).subspan(kCoarseAxes)));
  const double sign = side == Side::kNear ? 1 : -1;
  coarse.push_back(sign * coarse_tail);
  fine.push_back(sign * fine_tail);
  // What the axes leave is computed to within the axes' own defect, as it is for the rows.
  const double slack = (kSlack + 2 * axis_defect_) * length;
  coarse_error_ = scales.coarse.error + Encode(coarse, scales.coarse, coarse_) + slack;
  fine_error_ = scales.fine.error + Encode(fine, scales.fine, fine_) + slack;
}

template <std::size_t kCoordinates>
double SketchQuery::Encode(std::span<const double> h, const LevelScales<kCoordinates>& scales,
                           LevelQuery<kCoordinates>& query) {
  query.exponents = scales.exponents;
  double square = 0;
  for (std::size_t i = 0; i < kCoordinates; ++i) {
    const std::size_t coordinate = scales.order[i];
    const double number = h[coordinate] - (coordinate + 1 == kCoordinates ? scales.tail_center : 0);
    const double step = std::ldexp(scales.step, static_cast<int>(scales.exponents[i / 2]));
    const double code = std::clamp<double>(std::round(number / step), -kQueryCodeLimit, kQueryCodeLimit);
    query.codes[i] = static_cast<std::int16_t>(code);
    square += (number - code * step) * (number - code * step);
  }
  return std::sqrt(square);
}

std::int32_t SketchQuery::Limit(double distance, double step, double error) const {
  constexpr double kLargest = std::numeric_limits<std::int32_t>::max();
  const bool near = side_ == Side::kNear;
  if (metric_ == Metric::kCosine) {
    distance = std::sqrt(std::clamp(2 - 2 * distance + (near ? cosine_slack_ : -cosine_slack_), 0.0, 5.0));
  }
  if (near) {
    const double widest = (distance * (1 + axis_defect_) * (1 + kSlack) + error) / step;
    return static_cast<std::int32_t>(std::min(std::floor(widest * widest * (1 + kSlack)), kLargest));
  }
  const double narrowest = (distance * (1 - axis_defect_) * (1 - kSlack) - error) / step;
  if (!(narrowest > 0)) return 0;
  return static_cast<std::int32_t>(std::min(std::ceil(narrowest * narrowest * (1 - kSlack)), kLargest));
}

}  // namespace actkin
