#ifndef ACTKIN_QUERY_APPROXIMATE_INDEX_PARAMETERS_H_
#define ACTKIN_QUERY_APPROXIMATE_INDEX_PARAMETERS_H_

#include <string>
#include <string_view>
#include <vector>

#include "storage/faiss/faiss_backend.h"

namespace actkin {

// Reads faiss::ParameterSpace parameters: "efSearch=64" or "nprobe=16,max_codes=0"; an empty text is none. Throws Error
// (usage) unless it is name=number, each name once.
IndexParameters ParseIndexParameters(std::string_view text);

// The same as a text.
std::string FormatIndexParameters(const IndexParameters& parameters);

// All combinations of "efSearch=16,32,64" or "nprobe=4,16,ht=50,100": numbers without a name are further values of the
// name before them. The first name's value changes slowest. No texts, or empty ones: one combination, of nothing.
std::vector<IndexParameters> ParseParameterSweep(const std::vector<std::string>& texts);

}  // namespace actkin

#endif  // ACTKIN_QUERY_APPROXIMATE_INDEX_PARAMETERS_H_
