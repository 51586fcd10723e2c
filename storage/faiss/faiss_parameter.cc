#include "storage/faiss/faiss_parameter.h"

#include <cmath>

#include "schema/error.h"

namespace actkin {

void CheckFaissParameter(const std::string& name, double value, double largest) {
  const bool whole = name != "k_factor" && name != "k_factor_rf";
  const bool may_be_off = name.ends_with("ht") || name.ends_with("max_codes");
  const int least = may_be_off ? 0 : 1;
  if (value >= least && value <= largest && (!whole || value == std::floor(value))) return;
  FailUsage("parameter {}={}: expected a {}number from {} to {}", name, value, whole ? "whole " : "", least, largest);
}

}  // namespace actkin
