#include "tools/command/filter_flags.h"

#include "schema/error.h"
#include "schema/text.h"

namespace actkin {

void AddFilterOptions(CLI::App& command, FilterFlags& flags) {
  command.add_option("--where", flags.where,
                     "Only strings that this condition of SQL holds for, of the columns string_id, length, text, "
                     "occurrences, last_token_id: \"occurrences > 5 AND text GLOB 'my *'\"");
  command.add_flag("--exclude-self", flags.exclude_self, "Leave out the prompt's own string, where the corpus has it");
}

void CheckFilter(const CLI::App& command, const FilterFlags& flags) {
  if (command.count("--where") == 0 || flags.where.find_first_not_of(" \t\r\n") != std::string::npos) return;
  FailUsage("--where is empty: expected a condition of SQL, such as 'occurrences > 5'");
}

std::string DescribeFilter(const std::string& where, bool exclude_self) {
  std::string text;
  if (!where.empty()) text += fmt::format(", where {}", Printable(where));
  if (exclude_self) text += ", without itself";
  return text;
}

void AddFilter(const std::string& where, bool exclude_self, nlohmann::ordered_json& json) {
  if (!where.empty()) json["where"] = where;
  if (exclude_self) json["exclude_self"] = true;
}

}  // namespace actkin
