#ifndef ACTKIN_SCHEMA_BAND_H_
#define ACTKIN_SCHEMA_BAND_H_

#include <limits>
#include <string>
#include <string_view>

namespace actkin {

// low <= value <= high, in units of the metric.
struct Band {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();

  bool Contains(double value) const { return low <= value && value <= high; }
  friend bool operator==(const Band&, const Band&) = default;
};

// "LOW:HIGH", either may be empty. Throws Error (usage) naming `what` when it is not that, or when low exceeds high.
Band ParseBand(std::string_view text, std::string_view what);

// What ParseBand reads back to the same band.
std::string FormatBand(const Band& band);

}  // namespace actkin

#endif  // ACTKIN_SCHEMA_BAND_H_
