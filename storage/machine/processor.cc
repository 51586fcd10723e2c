#include "storage/machine/processor.h"

#include <hwy/targets.h>

#include <cstdlib>
#include <string_view>
#include <utility>

#include "schema/error.h"

namespace actkin {

void LimitInstructions() {
  const char* variable = std::getenv("ACTKIN_INSTRUCTIONS");
  if (variable == nullptr) return;
  for (const auto& [name, target] : {std::pair{"avx2", HWY_AVX2}, {"sse4", HWY_SSE4}, {"ssse3", HWY_SSSE3}}) {
    if (std::string_view(variable) != name) continue;
    // Of two targets the one of the lower bit is the newer.
    hwy::DisableTargets(target - 1);
    return;
  }
  FailUsage("ACTKIN_INSTRUCTIONS={}: expected avx2, sse4 or ssse3", variable);
}

}  // namespace actkin
