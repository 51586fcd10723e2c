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
// A point within a convex set is even farther from a point outside it, by the square of how far that is from the set:
// the angle at its projection is not acute. So where all rows of a box lie within the ball, for a query b > 0 beyond
// it |x - q|^2 >= |z - w|^2 + b^2; or b^2 - 2 b f for rows that rounding has f farther out than it says. Likewise a
// coordinate that is not clamped, or a rest, because its code is not the one that the query's clamped one has, is as
// far from it as it lies beyond, besides: whole steps of that, `beyond`, are added to the distance of the codes.
//
// The stored axes are float32: with |A A^T - 1| <= d < 1/2 their singular values lie in [1 - d, 1 + d], so that
// |A (z - w)| / (1 + d) <= |Q (z - w)| <= |A (z - w)| / (1 - d). A level has some of the coordinates A z, and the
// length |t(z)| of what all axes so far leave. Of these, clamped, the codes stand for numbers within e(rows) + e(query)
// of the true ones together; with r the squared distance of the codes along the axes and s a step, the level's part of
// |A (z - w)| is at least s sqrt(r) - e, and likewise for the rest, whose code distance is u steps of s'. (The kernels
// count no difference as more than kFarthestNear steps, or kFarthestWide, which makes r and u smaller.)
//
//     |x - q|^2 >= (sum over levels of max(s sqrt(r) - e, 0)^2 + max(s' u - e', 0)^2) / (1 + d)^2.
//
// From above, for rows that lie in the ball and codes that were not clamped (their errors say how far they were), with
// the rest's length negated in the query:
//
//     |x - q|^2 <= (sum over levels of (s sqrt(r) + e)^2 + (s' u + e')^2) / (1 - d)^2.
//
// e(rows) is measured over all rows when the sketches are made, with an allowance for that computation's float32
// rounding (indexer/sketches/sketch_encoder.cc); the query's numbers are computed here in double precision, whose
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
// Rows that are computed anew are within t = `tolerance` times their length of those that the sketches were made of. So
// a point within the ball is at most t (|c| + reach) away, and one beyond it no farther when it is drawn in: e is
// larger by that, and by 1 % for the squares of t. A length m is off by t m, so that b - m^2 is by 2 t m^2, which
// divided by m is 2 t m, and the quotient is off by that share t of itself again.
constexpr double kSlack = 1e-9;
constexpr float kUp = kKeyUp;
constexpr float kDown = 1 - 0x1p-18F;
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr double kLargestError = 1e30;
// A query is wide where so large a share of its square lies so many steps out.
constexpr double kFarOut = 80;
constexpr double kFarOutShare = 0.05;
// Where the axes leave less than this share of the square, it is not found as a difference of squares.
constexpr double kSmallRest = 0.01;

float RoundUp(double number) {
  if (number >= std::numeric_limits<float>::max()) return kInfinity;
  if (number <= std::numeric_limits<float>::lowest()) return std::numeric_limits<float>::lowest();
  const float rounded = static_cast<float>(number);
  return rounded < number ? std::nextafter(rounded, kInfinity) : rounded;
}

double Norm(std::span<const double> numbers) { return std::sqrt(SquaredNorm(numbers)); }

// Of a level's bounds: what codes miss of rows, and what is not known of the query.
float ErrorOf(double rows, double query) {
  return static_cast<float>(std::min((rows + query) * (1 + 0x1p-20), kLargestError));
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
      tolerance_(static_cast<float>(tolerance)),
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
  }
  for (std::size_t i = 0; i < dimension; ++i) rest[i] = static_cast<double>(query[i]) - file.center()[i];
  const double distance = Norm(rest);
  const std::vector<double> center(file.center().begin(), file.center().end());
  const double moved = 1.01 * tolerance * (Norm(center) + scales.reach);
  reach_ = -RoundUp(-scales.reach);
  if (side == Side::kNear && distance > scales.reach) {
    const double beyond = distance - scales.reach;
    const double farther = 1e-6 * (Norm(center) + scales.reach) + moved;
    beyond_ = std::max(-RoundUp(-beyond * (beyond - 2 * farther) * (1 - 1e-6)), 0.0F);
    for (double& number : rest) number *= scales.reach / distance;
  }
  const double length = Norm(rest);

  // Of what the first n axes A leave of z, |t|^2 = |z|^2 - |Q z|^2, where |Q z| is |A z| to within a factor of 1 + d
  // and 1 - d. That is too little known where little is left: then it is found by taking the axes from z, which d |z|
  // bounds.
  const SketchLevels& levels = file.levels();
  std::vector<double> along(levels.axis_count());
  AxisProducts(file.axes().data(), along.size(), dimension, rest.data(), along.data());
  std::array<Rest, kMostLevels> rests;
  double square = length * length;
  for (std::size_t level = 0; level < levels.count; ++level) {
    square -= SquaredNorm(std::span(along).subspan(levels.FirstAxis(level), levels.axes(level)));
    if (square < kSmallRest * length * length) {
      TakeAxes(file, along, rest, level, rests);
      break;
    }
    const double left_out = length * length - square;
    const double most = square + left_out * (1 - 1 / std::pow(1 + scales.axis_defect, 2));
    const double least = square - left_out * (1 / std::pow(1 - scales.axis_defect, 2) - 1);
    rests[level].length = std::sqrt(square);
    rests[level].slack =
        std::max(std::sqrt(most) - rests[level].length, rests[level].length - std::sqrt(std::max(least, 0.0))) +
        kSlack * length;
  }
  for (std::size_t level = 0; level < levels.count; ++level) {
    rests[level].slack += moved;
    Encode(std::span(along).subspan(levels.FirstAxis(level), levels.axes(level)), level, kSlack * length + moved,
           rests[level]);
  }
}

void SketchQuery::TakeAxes(const SketchFile& file, std::span<const double> along, std::vector<double>& z,
                           std::size_t first_level, std::array<Rest, kMostLevels>& rests) {
  const SketchLevels& levels = file.levels();
  const double slack = (kSlack + 2 * file.scales().axis_defect) * Norm(z);
  for (std::size_t axis = 0; axis < along.size(); ++axis) {
    const float* direction = file.axes().data() + axis * z.size();
    for (std::size_t i = 0; i < z.size(); ++i) z[i] -= along[axis] * direction[i];
  }
  double square = SquaredNorm(z);
  for (std::size_t level = levels.count; level-- > first_level;) {
    rests[level] = {std::sqrt(square), slack};
    square += SquaredNorm(along.subspan(levels.FirstAxis(level), levels.axes(level)));
  }
}

void SketchQuery::Encode(std::span<const double> along, std::size_t level, double slack, const Rest& rest) {
  const LevelScales& scales = file_.scales().levels[level];
  const double defect = file_.scales().axis_defect;
  const bool near = side_ == Side::kNear;
  LevelQuery& query = levels_[level];
  query.side = side_;
  query.count = file_.levels().codes[level];
  query.exponents = scales.exponents;
  const int limit = QueryCodeLimit(side_, query.count);
  double square = 0;
  double length = 0;  // squared, of the coordinates, and of those that are far out
  double far_out = 0;
  // The nearest code; what it misses of the number, which is clamped on the near side.
  const auto code_of = [&](double number, double step, double& missed) {
    if (near) number = std::clamp(number, -limit * step, limit * step);
    const double code = std::clamp<double>(std::round(number / step), -limit, limit);
    missed = number - code * step;
    return static_cast<std::int16_t>(code);
  };
  for (std::size_t axis = 0; axis < along.size(); ++axis) {
    double missed = 0;
    const double step = std::ldexp(scales.step, static_cast<int>(scales.exponents[axis / kQuad]));
    query.codes[axis] = code_of(along[axis], step, missed);
    square += missed * missed;
    length += along[axis] * along[axis];
    if (std::abs(along[axis]) > kFarOut * step) far_out += along[axis] * along[axis];
    if (near) {
      const double beyond = std::floor(std::abs(along[axis]) / step) - limit;
      query.beyond[axis] = static_cast<std::uint8_t>(std::clamp<double>(beyond, 0, kFarthestWide - kFarthestNear));
    }
  }
  double rest_missed = 0;
  const double rest_from_center = (near ? rest.length : -rest.length) - scales.rest_center;
  query.codes[along.size()] = code_of(rest_from_center, scales.rest_step, rest_missed);
  query.Prepare();

  unknown_[level] = {std::sqrt(square) + slack, std::abs(rest_missed) + rest.slack};
  LevelTerms& terms = terms_[level];
  terms.step = static_cast<float>(scales.step);
  terms.rest_step = static_cast<float>(scales.rest_step);
  terms.error = ErrorOf(scales.near_error, unknown_[level].axes);
  terms.rest_error = ErrorOf(scales.rest_near_error, unknown_[level].rest);
  query.wide = near && (far_out > kFarOutShare * length || std::abs(rest_from_center) > kFarOut * scales.rest_step);
  if (near) {
    const double beyond = std::abs(rest_from_center) - limit * scales.rest_step;
    terms.rest_beyond = std::max(-RoundUp(-beyond * (1 - 0x1p-20)), 0.0F);
  }
  terms.factor = static_cast<float>(near ? kDown / ((1 + defect) * (1 + defect)) : kUp / ((1 - defect) * (1 - defect)));
}

LevelTerms SketchQuery::FarTerms(std::size_t level, BoxOf of, std::uint64_t box) const {
  LevelTerms terms = terms_[level];
  terms.error = -ErrorOf(file_.FarErrors(of, level, CodesOf::kAxes)[box], unknown_[level].axes);
  terms.rest_error = -ErrorOf(file_.FarErrors(of, level, CodesOf::kRest)[box], unknown_[level].rest);
  return terms;
}

void SketchQuery::BoundBoxes(BoxOf of, std::uint64_t first, std::span<const std::int32_t> sums,
                             const std::int32_t* rests, float* bounds) const {
  std::array<float, kBlockRows> along{};
  if (side_ == Side::kNear) {
    for (std::size_t i = 0; beyond_ > 0 && i < sums.size(); ++i) along[i] = Beyond(of, first + i);
    return BoundDistances(sums.data(), rests, sums.size(), terms_[0], along.data(), bounds);
  }
  for (std::size_t i = 0; i < sums.size(); ++i) {
    BoundDistances(sums.data() + i, rests + i, 1, FarTerms(0, of, first + i), along.data() + i, bounds + i);
  }
}

float SketchQuery::Beyond(BoxOf of, std::uint64_t box) const {
  return file_.Longest(of, LengthFrom::kMean)[box] <= reach_ ? beyond_ : 0.0F;
}

void SketchQuery::BoundBlock(std::uint64_t block, std::span<const std::int32_t> sums, const std::int32_t* rests,
                             float* along, float* bounds) const {
  std::fill_n(along, sums.size(), beyond_ > 0 ? Beyond(BoxOf::kBlock, block) : 0.0F);
  BoundDistances(sums.data(), rests, sums.size(), side_ == Side::kNear ? terms_[0] : FarTerms(0, BoxOf::kBlock, block),
                 along, bounds);
}

void SketchQuery::BoundRows(std::size_t level, std::span<const std::uint32_t> places, const std::int32_t* sums,
                            const std::int32_t* rests, float* along, float* bounds) const {
  if (side_ == Side::kNear) return BoundDistances(sums, rests, places.size(), terms_[level], along, bounds);
  // Rows of a block mostly stand together.
  for (std::size_t first = 0, end = 0; first < places.size(); first = end) {
    const std::uint64_t block = places[first] / kBlockRows;
    while (end < places.size() && places[end] / kBlockRows == block) ++end;
    BoundDistances(sums + first, rests + first, end - first, FarTerms(level, BoxOf::kBlock, block), along + first,
                   bounds + first);
  }
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
void SketchQuery::FarKeys(const Place& place, const float* lengths, std::span<const float> bounds, float* keys) const {
  for (std::size_t i = 0; i < bounds.size(); ++i) {
    float key = bounds[i];
    if (metric_ != Metric::kL2) {
      key -= (lengths[i] * lengths[i] + (metric_ == Metric::kDot ? 0 : squared_norm_)) * kDown;
      if (metric_ != Metric::kDot) key /= std::max(lengths[i], kShortestLength);
    }
    keys[i] = from_mean_[place(i)] > reach_ ? -kInfinity : -key;
  }
}

namespace {

NearKey KeyOf(Metric metric) {
  if (metric == Metric::kL2) return NearKey::kBound;
  return metric == Metric::kDot ? NearKey::kDot : NearKey::kCosine;
}

}  // namespace

std::size_t SketchQuery::KeepBlock(std::uint64_t block, float limit, const RowNumbers& to) const {
  const std::uint64_t first = block * kBlockRows;
  const CoarseBlock rows{.codes = file_.Codes(0) + block * kBlockBytes,
                         .first_place = static_cast<std::uint32_t>(first),
                         .along = beyond_ > 0 ? Beyond(BoxOf::kBlock, block) : 0.0F,
                         .lengths = lengths_.empty() ? nullptr : lengths_.data() + first};
  return KeepOfCoarseBlock(rows, levels_[0], terms_[0], {KeyOf(metric_), squared_norm_}, limit, to);
}

void SketchQuery::RowKeys(std::uint64_t first_place, std::span<const float> bounds, float* keys) const {
  const float* lengths = lengths_.empty() ? nullptr : lengths_.data() + first_place;
  if (side_ == Side::kNear) {
    NearKeys(KeyOf(metric_), bounds.data(), lengths, bounds.size(), squared_norm_, keys);
  } else {
    FarKeys([first_place](std::size_t i) { return first_place + i; }, lengths, bounds, keys);
  }
  Widen(lengths, bounds.size(), keys);
}

void SketchQuery::RowKeys(std::span<const std::uint32_t> places, const float* lengths, std::span<const float> bounds,
                          float* keys) const {
  if (side_ == Side::kNear) {
    NearKeys(KeyOf(metric_), bounds.data(), lengths, bounds.size(), squared_norm_, keys);
  } else {
    FarKeys([places](std::size_t i) { return places[i]; }, lengths, bounds, keys);
  }
  Widen(lengths, bounds.size(), keys);
}

void SketchQuery::Widen(const float* lengths, std::size_t count, float* keys) const {
  if (tolerance_ == 0 || metric_ == Metric::kL2) return;
  const float twice = 2.02F * tolerance_;
  const float once = 1.02F * tolerance_;
  for (std::size_t i = 0; i < count; ++i) {
    if (metric_ == Metric::kDot) {
      keys[i] -= twice * lengths[i] * lengths[i];
    } else {
      const float key = keys[i] - twice * lengths[i];
      keys[i] = key * (key > 0 ? 1 - once : 1 + once);
    }
  }
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
        keys[i] = bounds[i] - longest[i] * longest[i] * kUp;
      } else {
        const float at_shortest =
            (bounds[i] - (shortest[i] * shortest[i] + squared_norm_) * kUp) / std::max(shortest[i], kShortestLength);
        const float at_longest =
            (bounds[i] - (longest[i] * longest[i] + squared_norm_) * kUp) / std::max(longest[i], kShortestLength);
        keys[i] = std::min(at_shortest, at_longest);
      }
    }
    return Widen(longest.data(), bounds.size(), keys);
  }
  const auto from_mean = file_.Longest(of, LengthFrom::kMean).subspan(first, bounds.size());
  for (std::size_t i = 0; i < bounds.size(); ++i) {
    float key = bounds[i];
    if (metric_ == Metric::kDot) {
      key -= shortest[i] * shortest[i] * kDown;
    } else if (metric_ != Metric::kL2) {
      key = FarCosineOfBox(bounds[i], shortest[i]);
    }
    keys[i] = from_mean[i] > reach_ ? -kInfinity : -key;
  }
  Widen(longest.data(), bounds.size(), keys);
}

float SketchQuery::FarCosineOfBox(float bound, float shortest) const {
  const float beyond = bound - squared_norm_ * kDown;
  if (beyond < 0) return -2 * std::sqrt(-beyond) * kDown;
  return beyond / std::max(shortest, kShortestLength) * kUp - shortest * kDown;
}

}  // namespace actkin
