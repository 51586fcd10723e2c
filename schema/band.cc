#include "schema/band.h"

#include <charconv>
#include <cmath>

#include "schema/error.h"
#include "schema/text.h"

namespace actkin {

Band ParseBand(std::string_view text, std::string_view what) {
  const auto refuse = [&] { FailUsage("{} {}: expected LOW:HIGH, either may be empty", what, Quote(text)); };
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) refuse();
  Band band;
  const auto parse = [&](std::string_view number, double& value) {
    if (number.empty()) return;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
    if (error != std::errc() || end != number.data() + number.size() || std::isnan(value)) refuse();
  };
  parse(text.substr(0, colon), band.low);
  parse(text.substr(colon + 1), band.high);
  if (band.low > band.high) FailUsage("{} {}: nothing lies between {} and {}", what, text, band.low, band.high);
  return band;
}

std::string FormatBand(const Band& band) {
  const Band all;
  return fmt::format("{}:{}", band.low == all.low ? "" : fmt::format("{}", band.low),
                     band.high == all.high ? "" : fmt::format("{}", band.high));
}

}  // namespace actkin
