#include "tools/benchmarks/memory_scan.h"

#include <thread>
#include <vector>

// clang-format off
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tools/benchmarks/memory_scan.cc"
#include <hwy/foreach_target.h>
// clang-format on
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace actkin::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

float Sum(const float* values, std::size_t count) {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  // Four sums: an addition need not wait for the one before.
  auto a = hn::Zero(d);
  auto b = a;
  auto c = a;
  auto e = a;
  std::size_t i = 0;
  for (; i + 4 * lanes <= count; i += 4 * lanes) {
    a = hn::Add(a, hn::LoadU(d, values + i));
    b = hn::Add(b, hn::LoadU(d, values + i + lanes));
    c = hn::Add(c, hn::LoadU(d, values + i + 2 * lanes));
    e = hn::Add(e, hn::LoadU(d, values + i + 3 * lanes));
  }
  float sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(a, b), hn::Add(c, e))));
  for (; i < count; ++i) sum += values[i];
  return sum;
}

}  // namespace actkin::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace actkin {

HWY_EXPORT(Sum);

float SumByThreads(const float* values, std::size_t count, int threads) {
  const auto parts = static_cast<std::size_t>(threads);
  std::vector<float> sums(parts);
  const auto sum_part = [&](std::size_t part) {
    const std::size_t begin = count / parts * part;
    const std::size_t end = part + 1 == parts ? count : begin + count / parts;
    sums[part] = HWY_DYNAMIC_DISPATCH(Sum)(values + begin, end - begin);
  };
  {
    std::vector<std::jthread> others;
    for (std::size_t part = 1; part < parts; ++part) others.emplace_back(sum_part, part);
    sum_part(0);
  }
  float total = 0;
  for (const float sum : sums) total += sum;
  return total;
}

}  // namespace actkin
#endif  // HWY_ONCE
