#ifndef ACTKIN_TOOLS_COMMAND_FLAGS_PROMPT_FLAGS_H_
#define ACTKIN_TOOLS_COMMAND_FLAGS_PROMPT_FLAGS_H_

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <string>

#include "actkin/index.h"

namespace actkin {

// The prompt of a command that takes one, as it was given: a text, or token ids.
struct OnePromptFlags {
  std::string text;
  std::string ids;
  bool escapes = false;
};
// Adds PROMPT, --ids and --escapes.
void AddOnePromptOptions(CLI::App& command, OnePromptFlags& flags);
// Throws Error (usage) where there is none, or two.
PromptInput ReadOnePrompt(const CLI::App& command, const OnePromptFlags& flags);

// For JSON: a text, or an array of ids.
nlohmann::ordered_json JsonPrompt(const PromptInput& prompt);

inline constexpr char kIdsHelp[] = "Token ids in a prompt's place, such as 12,7,9 ('actkin tokens' shows them)";

}  // namespace actkin

#endif  // ACTKIN_TOOLS_COMMAND_FLAGS_PROMPT_FLAGS_H_
