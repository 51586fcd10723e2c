#ifndef ACTKIN_SCHEMA_NUMBER_LIST_H_
#define ACTKIN_SCHEMA_NUMBER_LIST_H_

#include <string>
#include <string_view>
#include <vector>

namespace actkin {

// "7,8,9", "0-5", "-1" or a mixture: the numbers in the order given, each once. Throws Error (usage) naming `what`.
std::vector<int> ParseNumberList(std::string_view text, std::string_view what);

// "0-5", "3,7-9": ascending numbers, shortly.
std::string FormatNumberList(const std::vector<int>& numbers);

}  // namespace actkin

#endif  // ACTKIN_SCHEMA_NUMBER_LIST_H_
