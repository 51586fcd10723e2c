#include "storage/machine/float16.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace actkin {
namespace {

// The value of a binary16, from its definition (IEEE 754-2008, section 3.4).
double Value(std::uint16_t encoded) {
  const int exponent = encoded >> 10 & 0x1F;
  const int fraction = encoded & 0x3FF;
  const double magnitude = exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
  return (encoded & 0x8000) != 0 ? -magnitude : magnitude;
}

TEST(Float16Test, EveryFiniteValueDecodesToItselfAndBack) {
  std::vector<std::uint16_t> encoded;
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    if ((bits & 0x7C00) != 0x7C00) encoded.push_back(static_cast<std::uint16_t>(bits));
  }
  std::vector<float> values(encoded.size());
  DecodeFloat16(encoded.data(), encoded.size(), values.data());
  std::vector<std::uint16_t> again(encoded.size());
  EncodeFloat16(values.data(), values.size(), again.data());
  for (std::size_t i = 0; i < encoded.size(); ++i) {
    ASSERT_EQ(values[i], Value(encoded[i])) << encoded[i];
    ASSERT_EQ(again[i], encoded[i]);
  }
}

TEST(Float16Test, RoundsToNearestWhateverTheCount) {
  for (std::size_t count = 0; count < 40; ++count) {
    std::vector<float> values(count);
    for (std::size_t i = 0; i < count; ++i) values[i] = 0.1F * static_cast<float>(i) - 1.7F;
    std::vector<std::uint16_t> encoded(count + 1, 0xABCD);
    EncodeFloat16(values.data(), count, encoded.data());
    EXPECT_EQ(encoded[count], 0xABCD);
    for (std::size_t i = 0; i < count; ++i) {
      EXPECT_LE(std::abs(Value(encoded[i]) - values[i]), std::abs(values[i]) * 0x1p-11) << values[i];
    }
  }
}

}  // namespace
}  // namespace actkin
