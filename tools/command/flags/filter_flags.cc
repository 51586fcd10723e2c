#include "tools/command/flags/filter_flags.h"

#include "schema/error.h"
#include "schema/text.h"

namespace actkin {

void AddRowFilterOptions(CLI::App& command, FilterFlags& flags) {
  command.add_option("--where", flags.where,
                     "Only rows that this condition of SQL holds for: of strings, of the columns string_id, length, "
                     "text, occurrences, last_token_id: \"occurrences > 5 AND text GLOB 'my *'\"; of positions, of "
                     "position, document_id, token_id, text, next_token_id");
  command.add_option("--max-length", flags.max_length, kMaxLengthHelp);
}

void AddFilterOptions(CLI::App& command, FilterFlags& flags) {
  AddRowFilterOptions(command, flags);
  command.add_flag(
      "--exclude-self", flags.exclude_self,
      "Leave out the prompt's own row: its string, where the corpus has it; of positions its own, or those "
      "where the corpus has the prompt");
  command.add_option("--exclude-window", flags.exclude_window,
                     "Of positions, leave out those, too, that are so many tokens before or after the prompt's own");
}

void CheckFilter(const CLI::App& command, const FilterFlags& flags) {
  if (flags.exclude_window < 0) {
    FailUsage("--exclude-window {}: expected a number of tokens, at least 0", flags.exclude_window);
  }
  if (flags.max_length && !(*flags.max_length >= 0)) {
    FailUsage("--max-length {}: expected a length, at least 0", *flags.max_length);
  }
  if (command.count("--where") == 0 || flags.where.find_first_not_of(" \t\r\n") != std::string::npos) return;
  FailUsage("--where is empty: expected a condition of SQL, such as 'occurrences > 5'");
}

std::string DescribeFilter(const std::string& where, bool exclude_self, std::uint64_t exclude_window,
                           std::optional<double> max_length) {
  std::string text;
  if (!where.empty()) text += fmt::format(", where {}", Printable(where));
  if (max_length) text += fmt::format(", rows up to {} long", *max_length);
  if (exclude_window > 0) return text + fmt::format(", without itself and {} tokens around it", exclude_window);
  if (exclude_self) text += ", without itself";
  return text;
}

std::string DescribeFilter(const NeighborQuery& query) {
  std::string text = DescribeFilter(query.where, query.exclude_self, query.exclude_window, query.max_length);
  if (query.distinct) text += fmt::format(", the best of each {}", Name(*query.distinct));
  return text;
}

void AddFilter(const std::string& where, bool exclude_self, std::uint64_t exclude_window,
               std::optional<double> max_length, nlohmann::ordered_json& json) {
  if (!where.empty()) json["where"] = where;
  if (exclude_self) json["exclude_self"] = true;
  if (exclude_window > 0) json["exclude_window"] = exclude_window;
  if (max_length) json["max_length"] = *max_length;
}

void AddRows(bool exclude_self, std::uint64_t exclude_window, nlohmann::ordered_json& json) {
  json["rows"] = Name(RowKind::kPositions);
  json["exclude_self"] = exclude_self;
  if (exclude_window > 0) json["exclude_window"] = exclude_window;
}

void AddFilter(const NeighborQuery& query, nlohmann::ordered_json& json) {
  AddFilter(query.where, query.exclude_self, query.exclude_window, query.max_length, json);
  if (query.distinct) json["distinct"] = Name(*query.distinct);
}

}  // namespace actkin
