#include "query/exact/sketch_query.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "query/exact/exact_distance.h"

namespace actkin {
namespace {

// Why a sketch bounds a distance. Let P draw a point in to a ball around the center c, with z = P x - c and w = P q -
// c: |x - q| >= |z - w|, for a projection on a convex set takes no two points farther apart (so does clamping to a box,
// which is the projection on it). Let Q be an orthonormal basis of what the first n axes A span, and t(z) what Q leaves
// of z. Then
//
//     |z - w|^2 = |Q (z - w)|^2 + |t(z) - t(w)|^2,   | |t(z)| - |t(w)| | <= |t(z) - t(w)| <= |t(z)| + |t(w)|.
//
// The stored axes are float32: with |A A^T - 1| <= d < 1/2 their singular values lie in [1 - d, 1 + d], so that
// |A (z - w)| / (1 + d) <= |Q (z - w)| <= |A (z - w)| / (1 - d). A level has some of the coordinates A z, and the
// length |t(z)| of what all axes so far leave. Of these, clamped, the codes stand for numbers within e(rows) + e(query)
// of the true ones together; with r the squared distance of the codes along the axes and s a step, the level's part of
// |A (z - w)| is at least s sqrt(r) - e, and likewise for the rest, whose code distance is u steps of s':
//
//     |x - q|^2 >= (sum over levels of max(s sqrt(r) - e, 0)^2 + max(s' u - e', 0)^2) / (1 + d)^2.
//
// From above, for rows that lie in the ball and codes that were not clamped (their errors say how far they were), with
// the rest's length negated in the query:
//
//     |x - q|^2 <= (sum over levels of (s sqrt(r) + e)^2 + (s' u + e')^2) / (1 - d)^2.
//
// e(rows) is measured over all rows when the sketches are made, with an allowance for that computation's float32
// rounding (indexer/build/sketch_encoder.cc); the query's numbers are computed here in double precision, whose
// rounding, of some 1e-13 of the numbers added, kSlack covers a thousandfold.
//
// With m = |x|, b the bound and Q = |q|^2, all from zero or, for the centered cosine, all less the mean, x.q = (m^2 + Q
// - |x - q|^2) / 2. So a row is nearer than D, or more similar than S, only if
//
//     l2: b <= D^2.   dot: b - m^2 <= Q - 2 S.   cosine: (b - m^2 - Q) / m <= -2 S |q|,
//
// and farther, or less similar, only if the same hold with >= and the upper bound. The left sides are keys, negated on
// the far side. In float32 the bound's operations, some 20 of them, are off by less than 2^-19 of it, and e is made
// larger by 2^-20 for the difference that it is subtracted in; b, m^2 and Q are each moved outwards by 2^-18, which
// also leaves room for the rounding of what follows. In a box the best key is at one end of the range of m: b - m^2
// falls with m; (b - Q) / m - m falls, or is concave where b < Q. The worst, for the far side, is at the smallest m, or
// where its slope is zero, at -2 sqrt(Q - b).
//
// Rows that are computed anew are within `tolerance` times their length of those that the sketches were made of. So a
// point within the ball is at most tolerance (|c| + reach) away, and one beyond it, drawn in, no farther, for it comes
// nearer as it is drawn in: e is larger by that, and 1 % for the squares of `tolerance`. A length is off by that share
// of itself, a square by twice that, the quotient that a cosine's key is by once that again.
constexpr double kSlack = 1e-9;
constexpr float kUp = 1 + 0x1p-18F;
constexpr float kDown = 1 - 0x1p-18F;
constexpr float kInfinity = std::numeric_limits<float>::infinity();
// Shorter rows count as so long: only their keys' sign matters.
constexpr float kShortest = 1e-30F;
constexpr double kLargestError = 1e30;

float RoundUp(double number) {
  if (number >= std::numeric_limits<float>::max()) return kInfinity;
  if (number <= std::numeric_limits<float>::lowest()) return std::numeric_limits<float>::lowest();
  const float rounded = static_cast<float>(number);
  return rounded < number ? std::nextafter(rounded, kInfinity) : rounded;
}

double Norm(std::span<const double> numbers) { return std::sqrt(SquaredNorm(numbers)); }

double Dot(const float* axis, std::span<const double> numbers) {
  std::array<double, 8> sums{};
  std::size_t i = 0;
  for (; i + 8 <= numbers.size(); i += 8) {
    for (std::size_t lane = 0; lane < 8; ++lane) sums[lane] += axis[i + lane] * numbers[i + lane];
  }
  for (; i < numbers.size(); ++i) sums[i % 8] += axis[i] * numbers[i];
  double sum = 0;
  for (const double part : sums) sum += part;
  return sum;
}

// From where the metric measures lengths; none for l2.
std::span<const float> LengthsFor(const SketchFile& file, Metric metric) {
  if (metric == Metric::kL2) return {};
  return file.Lengths(metric == Metric::kCenteredCosine ? LengthFrom::kMean : LengthFrom::kZero);
}

}  // namespace

bool SketchQuery::CanTell(const SketchFile& file, std::span<const float> query) {
  double square = 0;
  for (const float number : query) square += static_cast<double>(number) * number;
  return file.scales().reach > 0 && file.scales().longest <= kLargestReach && square <= kLargestReach * kLargestReach;
}

SketchQuery::SketchQuery(const SketchFile& file, Metric metric, Side side, std::span<const float> query,
                         double tolerance)
    : file_(file),
      metric_(metric),
      side_(side),
      up_(static_cast<float>(kUp * (1 + 2.02 * tolerance))),
      down_(static_cast<float>(kDown * (1 - 2.02 * tolerance))),
      key_slack_(static_cast<float>(1.02 * tolerance)),
      lengths_(LengthsFor(file, metric)) {
  const std::size_t dimension = query.size();
  const SketchScales& scales = file.scales();
  std::vector<double> rest(query.begin(), query.end());
  if (metric == Metric::kCenteredCosine) {
    for (std::size_t i = 0; i < dimension; ++i) rest[i] -= file.mean()[i];
  }
  norm_ = Norm(rest);
  squared_norm_ = static_cast<float>(norm_ * norm_);
  if (side == Side::kFar) {
    from_mean_ = file.Lengths(LengthFrom::kMean);
    reach_ = -RoundUp(-scales.reach);
  }
  for (std::size_t i = 0; i < dimension; ++i) rest[i] = static_cast<double>(query[i]) - file.center()[i];
  const double distance = Norm(rest);
  if (side == Side::kNear && distance > scales.reach) {
    for (double& number : rest) number *= scales.reach / distance;
  }
  const double length = Norm(rest);

  const std::size_t axis_count = FirstAxis(file.level_count());
  std::vector<double> along(axis_count);
  for (std::size_t axis = 0; axis < axis_count; ++axis) {
    along[axis] = Dot(file.axes().data() + axis * dimension, rest);
  }
  for (std::size_t axis = 0; axis < axis_count; ++axis) {
    const float* direction = file.axes().data() + axis * dimension;
    for (std::size_t i = 0; i < dimension; ++i) rest[i] -= along[axis] * direction[i];
  }
  // What the axes leave is computed to within the axes' own defect, as it is for the rows.
  const std::vector<double> center(file.center().begin(), file.center().end());
  const double slack = (kSlack + 2 * scales.axis_defect) * length + 1.01 * tolerance * (Norm(center) + scales.reach);
  double square = SquaredNorm(rest);
  for (std::size_t level = file.level_count(); level-- > 0;) {
    const auto of_level = std::span(along).subspan(FirstAxis(level), LevelAxes(level));
    Encode(of_level, level, std::sqrt(square), slack);
    square += SquaredNorm(of_level);
  }
}

void SketchQuery::Encode(std::span<const double> along, std::size_t level, double rest, double slack) {
  const LevelScales& scales = file_.scales().levels[level];
  const double defect = file_.scales().axis_defect;
  const bool near = side_ == Side::kNear;
  LevelQuery& query = levels_[level];
  query.count = kLevelCodes[level];
  query.exponents = scales.exponents;
  const int limit = near ? kCodeLimit : QueryCodeLimit(query.count);
  double square = 0;
  // The nearest code; what it misses of the number, which is clamped on the near side.
  const auto code_of = [&](double number, double step, double& missed) {
    if (near) number = std::clamp(number, -limit * step, limit * step);
    const double code = std::clamp<double>(std::round(number / step), -limit, limit);
    missed = number - code * step;
    return static_cast<std::int16_t>(code);
  };
  for (std::size_t axis = 0; axis < along.size(); ++axis) {
    double missed = 0;
    query.codes[axis] =
        code_of(along[axis], std::ldexp(scales.step, static_cast<int>(scales.exponents[axis / 2])), missed);
    square += missed * missed;
  }
  double rest_missed = 0;
  query.rest = code_of((near ? rest : -rest) - scales.rest_center, scales.rest_step, rest_missed);

  const auto error = [&](double near_error, double far_error, double missed) {
    const double sum = (near ? near_error : far_error) + std::abs(missed) + slack;
    return static_cast<float>(std::min(sum * (1 + 0x1p-20), kLargestError) * (near ? 1 : -1));
  };
  LevelTerms& terms = terms_[level];
  terms.step = static_cast<float>(scales.step);
  terms.error = error(scales.near_error, scales.far_error, std::sqrt(square));
  terms.rest_step = static_cast<float>(scales.rest_step);
  terms.rest_error = error(scales.rest_near_error, scales.rest_far_error, rest_missed);
  terms.factor = static_cast<float>(near ? kDown / ((1 + defect) * (1 + defect)) : kUp / ((1 - defect) * (1 - defect)));
}

float SketchQuery::Limit(double distance) const {
  const bool near = side_ == Side::kNear;
  if (metric_ == Metric::kL2) {
    if (near) return distance < 0 ? -1.0F : RoundUp(distance * distance * (1 + 0x1p-30));
    return distance > 0 ? RoundUp(-distance * distance * (1 - 0x1p-30)) : 0.0F;
  }
  if (std::isinf(distance)) return near == (distance < 0) ? kInfinity : std::numeric_limits<float>::lowest();
  const double sign = near ? 1 : -1;
  if (metric_ == Metric::kDot) {
    const double square = norm_ * norm_;
    return RoundUp(sign * (square - 2 * distance) + 0x1p-30 * (square + std::abs(distance)));
  }
  return RoundUp(sign * -2 * distance * norm_ + 0x1p-30 * (std::abs(distance) + 1) * norm_);
}

template <typename Place>
void SketchQuery::Keys(const Place& place, std::span<const float> bounds, float* keys) const {
  if (side_ == Side::kNear) {
    switch (metric_) {
      case Metric::kL2:
        std::ranges::copy(bounds, keys);
        return;
      case Metric::kDot:
        for (std::size_t i = 0; i < bounds.size(); ++i) {
          const float length = lengths_[place(i)];
          keys[i] = bounds[i] - length * length * up_;
        }
        return;
      default:
        for (std::size_t i = 0; i < bounds.size(); ++i) {
          const float length = lengths_[place(i)];
          keys[i] = NearCosine(bounds[i], length);
        }
        return;
    }
  }
  for (std::size_t i = 0; i < bounds.size(); ++i) {
    float key = bounds[i];
    if (metric_ != Metric::kL2) {
      const float length = lengths_[place(i)];
      key -= (length * length + (metric_ == Metric::kDot ? 0 : squared_norm_)) * down_;
      if (metric_ != Metric::kDot) {
        key /= std::max(length, kShortest);
        key *= key > 0 ? 1 + key_slack_ : 1 - key_slack_;
      }
    }
    keys[i] = from_mean_[place(i)] > reach_ ? -kInfinity : -key;
  }
}

void SketchQuery::RowKeys(std::uint64_t first_place, std::span<const float> bounds, float* keys) const {
  Keys([first_place](std::size_t i) { return first_place + i; }, bounds, keys);
}

void SketchQuery::RowKeys(std::span<const std::uint32_t> places, std::span<const float> bounds, float* keys) const {
  Keys([places](std::size_t i) { return places[i]; }, bounds, keys);
}

void SketchQuery::BoxKeys(BoxOf of, std::uint64_t first, std::span<const float> bounds, float* keys) const {
  if (metric_ == Metric::kL2 && side_ == Side::kNear) {
    std::ranges::copy(bounds, keys);
    return;
  }
  const LengthFrom from = metric_ == Metric::kCenteredCosine ? LengthFrom::kMean : LengthFrom::kZero;
  const auto shortest = file_.Shortest(of, from).subspan(first, bounds.size());
  const auto longest = file_.Longest(of, from).subspan(first, bounds.size());
  if (side_ == Side::kNear) {
    for (std::size_t i = 0; i < bounds.size(); ++i) {
      if (metric_ == Metric::kDot) {
        keys[i] = bounds[i] - longest[i] * longest[i] * up_;
      } else {
        keys[i] = std::min(NearCosine(bounds[i], shortest[i]), NearCosine(bounds[i], longest[i]));
      }
    }
    return;
  }
  const auto from_mean = file_.Longest(of, LengthFrom::kMean).subspan(first, bounds.size());
  for (std::size_t i = 0; i < bounds.size(); ++i) {
    float key = bounds[i];
    if (metric_ == Metric::kDot) {
      key -= shortest[i] * shortest[i] * down_;
    } else if (metric_ != Metric::kL2) {
      key = FarCosineOfBox(bounds[i], shortest[i]);
    }
    keys[i] = from_mean[i] > reach_ ? -kInfinity : -key;
  }
}

float SketchQuery::NearCosine(float bound, float length) const {
  const float key = (bound - (length * length + squared_norm_) * up_) / std::max(length, kShortest);
  return key * (key > 0 ? 1 - key_slack_ : 1 + key_slack_);
}

float SketchQuery::FarCosineOfBox(float bound, float shortest) const {
  const float beyond = bound - squared_norm_ * down_;
  if (beyond < 0) return -2 * std::sqrt(-beyond) * down_;
  return beyond / std::max(shortest, kShortest) * up_ - shortest * down_;
}

}  // namespace actkin
