#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "storage/machine/int8_rows.cc"
#include "storage/machine/int8_rows.h"

#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <numeric>
#include <vector>

HWY_BEFORE_NAMESPACE();
namespace actkin::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

void ScaleCodesKernel(const std::int8_t* HWY_RESTRICT codes, std::size_t count, float scale,
                      float* HWY_RESTRICT numbers) {
  const hn::ScalableTag<float> f32;
  const hn::Rebind<std::int32_t, decltype(f32)> i32;
  const hn::Rebind<std::int8_t, decltype(f32)> i8;
  const std::size_t lanes = hn::Lanes(f32);
  const auto scales = hn::Set(f32, scale);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto wide = hn::ConvertTo(f32, hn::PromoteTo(i32, hn::LoadU(i8, codes + i)));
    hn::StoreU(hn::Mul(wide, scales), f32, numbers + i);
  }
  for (; i < count; ++i) numbers[i] = static_cast<float>(codes[i]) * scale;
}

}  // namespace actkin::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace actkin {

HWY_EXPORT(ScaleCodesKernel);

namespace {

constexpr float kLargestCode = 127;
// A number in so many is kept apart, and one more.
constexpr std::size_t kNumbersAnOutlier = 128;

template <typename Number>
Number Load(const std::byte* from) {
  Number number;
  std::memcpy(&number, from, sizeof(number));
  return number;
}

template <typename Number>
void Store(std::byte* to, Number number) {
  std::memcpy(to, &number, sizeof(number));
}

// Where in a row what stands.
struct Layout {
  explicit Layout(std::size_t dimension)
      : outliers(Int8Outliers(dimension)), values(4 + 4 * outliers), codes(4 + 8 * outliers) {}

  std::size_t outliers;
  std::size_t places = 4;
  std::size_t values;
  std::size_t codes;
};

// The smallest one that reaches `largest` with a code of 127, and no number beyond float32.
float ScaleFor(float largest) {
  float scale = largest / kLargestCode;
  while (!std::isfinite(scale * kLargestCode)) scale = std::nextafter(scale, 0.0F);
  return scale;
}

}  // namespace

std::size_t Int8Outliers(std::size_t dimension) { return std::min(dimension, 1 + dimension / kNumbersAnOutlier); }

std::size_t Int8RowBytes(std::size_t dimension) { return 4 + 8 * Int8Outliers(dimension) + (dimension + 3) / 4 * 4; }

void EncodeInt8Row(const float* numbers, std::size_t dimension, std::byte* row) {
  const Layout layout(dimension);
  std::memset(row, 0, Int8RowBytes(dimension));
  std::vector<std::uint32_t> places(dimension);
  std::iota(places.begin(), places.end(), 0U);
  const auto outliers_end = places.begin() + static_cast<std::ptrdiff_t>(layout.outliers);
  if (outliers_end != places.end()) {
    std::ranges::nth_element(places, outliers_end, [&](std::uint32_t a, std::uint32_t b) {
      const float one = std::abs(numbers[a]);
      const float other = std::abs(numbers[b]);
      return one != other ? one > other : a < b;
    });
  }
  float largest = 0;
  for (auto place = outliers_end; place != places.end(); ++place) {
    largest = std::max(largest, std::abs(numbers[*place]));
  }
  const float scale = ScaleFor(largest);
  std::ranges::sort(places.begin(), outliers_end);
  Store(row, scale);
  for (std::size_t i = 0; i < layout.outliers; ++i) {
    Store(row + layout.places + 4 * i, places[i]);
    Store(row + layout.values + 4 * i, numbers[places[i]]);
  }
  if (scale == 0) return;
  for (auto place = outliers_end; place != places.end(); ++place) {
    const double code = std::round(static_cast<double>(numbers[*place]) / scale);
    Store(row + layout.codes + *place, static_cast<std::int8_t>(std::clamp<double>(code, -kLargestCode, kLargestCode)));
  }
}

void DecodeInt8Row(const std::byte* row, std::size_t dimension, float* numbers) {
  const Layout layout(dimension);
  HWY_DYNAMIC_DISPATCH(ScaleCodesKernel)
  (reinterpret_cast<const std::int8_t*>(row + layout.codes), dimension, Load<float>(row), numbers);
  for (std::size_t i = 0; i < layout.outliers; ++i) {
    const auto place = Load<std::uint32_t>(row + layout.places + 4 * i);
    if (place < dimension) numbers[place] = Load<float>(row + layout.values + 4 * i);
  }
}

bool IsInt8Row(const std::byte* row, std::size_t dimension) {
  const Layout layout(dimension);
  const auto scale = Load<float>(row);
  if (!(scale >= 0) || !std::isfinite(scale * kLargestCode)) return false;
  std::int64_t before = -1;
  for (std::size_t i = 0; i < layout.outliers; ++i) {
    const auto place = Load<std::uint32_t>(row + layout.places + 4 * i);
    if (place <= before || place >= dimension) return false;
    if (!std::isfinite(Load<float>(row + layout.values + 4 * i))) return false;
    before = place;
  }
  return std::none_of(row + layout.codes, row + layout.codes + dimension,
                      [](std::byte code) { return code == std::byte{0x80}; });
}

}  // namespace actkin
#endif
