#ifndef ACTKIN_TOOLS_COMMAND_FLAGS_FILTER_FLAGS_H_
#define ACTKIN_TOOLS_COMMAND_FLAGS_FILTER_FLAGS_H_

#include <CLI/CLI.hpp>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "query/reader/index_reader.h"

namespace actkin {

// Which rows count: --where, --exclude-self, --exclude-window and --max-length.
struct FilterFlags {
  std::string where;  // empty: not given
  bool exclude_self = false;
  std::int64_t exclude_window = 0;  // tokens
  std::optional<double> max_length = {};
};

inline constexpr char kMaxLengthHelp[] =
    "Only rows whose own Euclidean length is at most so much, whatever the metric: 'actkin info' shows how long rows "
    "are, "
    "and that a few are many times longer than the others";

void AddFilterOptions(CLI::App& command, FilterFlags& flags);
// --where and --max-length alone.
void AddRowFilterOptions(CLI::App& command, FilterFlags& flags);
// Throws Error (usage) where the condition was given empty, or a window or a length makes no sense.
void CheckFilter(const CLI::App& command, const FilterFlags& flags);

// For the line above a table: ", where CONDITION, without itself"; empty where all rows count.
std::string DescribeFilter(const std::string& where, bool exclude_self, std::uint64_t exclude_window,
                           std::optional<double> max_length);
std::string DescribeFilter(const NeighborQuery& query);
// Of rows over positions: "rows", "exclude_self" and, where it was asked for, "exclude_window".
void AddRows(bool exclude_self, std::uint64_t exclude_window, nlohmann::ordered_json& json);
// "where", "exclude_self", "exclude_window", "max_length" and "distinct", each where it was asked for.
void AddFilter(const std::string& where, bool exclude_self, std::uint64_t exclude_window,
               std::optional<double> max_length, nlohmann::ordered_json& json);
void AddFilter(const NeighborQuery& query, nlohmann::ordered_json& json);

}  // namespace actkin

#endif  // ACTKIN_TOOLS_COMMAND_FLAGS_FILTER_FLAGS_H_
