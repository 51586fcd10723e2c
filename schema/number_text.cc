#include "schema/number_text.h"

#include <array>
#include <charconv>
#include <cmath>

namespace actkin {
namespace {

// Python writes numbers of this decimal exponent and more, or of less than the other, with an exponent.
constexpr int kLargestFixed = 16;
constexpr int kSmallestFixed = -4;

}  // namespace

std::string ShortestText(double number) {
  if (std::isnan(number)) return "NaN";
  if (std::isinf(number)) return number < 0 ? "-Infinity" : "Infinity";
  std::array<char, 32> buffer{};
  const auto write = [&](std::chars_format format) {
    return std::string(buffer.data(), std::to_chars(buffer.data(), buffer.data() + buffer.size(), number, format).ptr);
  };
  std::string scientific = write(std::chars_format::scientific);
  const std::size_t e = scientific.find('e');
  const int exponent = std::stoi(scientific.substr(e + 1));
  if (exponent >= kLargestFixed || exponent < kSmallestFixed) return scientific;
  const std::string fixed = write(std::chars_format::fixed);
  return fixed.find('.') == std::string::npos ? fixed + ".0" : fixed;
}

}  // namespace actkin
