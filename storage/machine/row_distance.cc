#include "storage/machine/row_distance.h"

#include <cstdint>
#include <vector>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "storage/machine/row_distance.cc"
#include <hwy/cache_control.h>
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include "storage/machine/int8_rows.h"
#include "storage/machine/row_sums-inl.h"

HWY_BEFORE_NAMESPACE();
namespace actkin {
namespace HWY_NAMESPACE {

template <typename Term, typename Number>
HWY_INLINE void SumOverRows(const std::byte* const* rows, std::size_t count, std::size_t dimension, const float* vector,
                            float* out) {
  constexpr std::size_t kCacheLine = 64;
  const auto fetch = [&](const std::byte* row) {
    for (std::size_t byte = 0; byte < dimension * sizeof(Number); byte += kCacheLine) hwy::Prefetch(row + byte);
  };
  if (count > 0) fetch(rows[0]);
  for (std::size_t i = 0; i < count; ++i) {
    if (i + 1 < count) fetch(rows[i + 1]);
    out[i] = OneSum<Term>(reinterpret_cast<const Number*>(rows[i]), vector, dimension);
  }
}

void ScatteredDistances32(const std::byte* const* rows, std::size_t count, std::size_t dimension, const float* vector,
                          float* out) {
  SumOverRows<Difference, float>(rows, count, dimension, vector, out);
}

void ScatteredDistances16(const std::byte* const* rows, std::size_t count, std::size_t dimension, const float* vector,
                          float* out) {
  SumOverRows<Difference, std::uint16_t>(rows, count, dimension, vector, out);
}

void ScatteredProducts32(const std::byte* const* rows, std::size_t count, std::size_t dimension, const float* vector,
                         float* out) {
  SumOverRows<Product, float>(rows, count, dimension, vector, out);
}

void ScatteredProducts16(const std::byte* const* rows, std::size_t count, std::size_t dimension, const float* vector,
                         float* out) {
  SumOverRows<Product, std::uint16_t>(rows, count, dimension, vector, out);
}

}  // namespace HWY_NAMESPACE
}  // namespace actkin
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace actkin {

HWY_EXPORT(ScatteredDistances32);
HWY_EXPORT(ScatteredDistances16);
HWY_EXPORT(ScatteredProducts32);
HWY_EXPORT(ScatteredProducts16);

namespace {

using Kernel = void (*)(const std::byte* const* rows, std::size_t count, std::size_t dimension, const float* vector,
                        float* out);

// Rows of int8, each widened first.
void OfInt8(std::span<const std::byte* const> rows, std::size_t dimension, const float* vector, float* out,
            Kernel of_float32) {
  std::vector<float> numbers(dimension);
  const auto* widened = reinterpret_cast<const std::byte*>(numbers.data());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    DecodeInt8Row(rows[i], dimension, numbers.data());
    of_float32(&widened, 1, dimension, vector, out + i);
  }
}

}  // namespace

void SquaredDistancesTo(std::span<const std::byte* const> rows, Element element, std::size_t dimension,
                        const float* vector, float* out) {
  if (element == Element::kInt8) {
    OfInt8(rows, dimension, vector, out, &HWY_DYNAMIC_DISPATCH(ScatteredDistances32));
  } else if (element == Element::kFloat32) {
    HWY_DYNAMIC_DISPATCH(ScatteredDistances32)(rows.data(), rows.size(), dimension, vector, out);
  } else {
    HWY_DYNAMIC_DISPATCH(ScatteredDistances16)(rows.data(), rows.size(), dimension, vector, out);
  }
}

void DotProductsWith(std::span<const std::byte* const> rows, Element element, std::size_t dimension,
                     const float* vector, float* out) {
  if (element == Element::kInt8) {
    OfInt8(rows, dimension, vector, out, &HWY_DYNAMIC_DISPATCH(ScatteredProducts32));
  } else if (element == Element::kFloat32) {
    HWY_DYNAMIC_DISPATCH(ScatteredProducts32)(rows.data(), rows.size(), dimension, vector, out);
  } else {
    HWY_DYNAMIC_DISPATCH(ScatteredProducts16)(rows.data(), rows.size(), dimension, vector, out);
  }
}

}  // namespace actkin
#endif  // HWY_ONCE
