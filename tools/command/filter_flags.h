#ifndef ACTKIN_TOOLS_COMMAND_FILTER_FLAGS_H_
#define ACTKIN_TOOLS_COMMAND_FILTER_FLAGS_H_

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <string>

namespace actkin {

// Which strings count: --where and --exclude-self.
struct FilterFlags {
  std::string where;  // empty: not given
  bool exclude_self = false;
};

void AddFilterOptions(CLI::App& command, FilterFlags& flags);
// Throws Error (usage) where the condition was given empty.
void CheckFilter(const CLI::App& command, const FilterFlags& flags);

// For the line above a table: ", where CONDITION, without itself"; empty where all strings count.
std::string DescribeFilter(const std::string& where, bool exclude_self);
// "where" and "exclude_self", each where it was asked for.
void AddFilter(const std::string& where, bool exclude_self, nlohmann::ordered_json& json);

}  // namespace actkin

#endif  // ACTKIN_TOOLS_COMMAND_FILTER_FLAGS_H_
