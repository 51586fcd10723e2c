#include "tools/command/flags/prompt_flags.h"

#include "query/reader/prompt_input.h"
#include "schema/error.h"
#include "schema/text.h"

namespace actkin {

void AddOnePromptOptions(CLI::App& command, OnePromptFlags& flags) {
  command.add_option("PROMPT", flags.text, "The prompt, taken literally; after -- when it begins with a dash");
  command.add_option("--ids", flags.ids, kIdsHelp);
  command.add_flag("--escapes", flags.escapes, "Read \\n, \\t, \\\" and \\\\ in the prompt");
}

PromptInput ReadOnePrompt(const CLI::App& command, const OnePromptFlags& flags) {
  const bool text = command.count("PROMPT") > 0;
  const bool ids = command.count("--ids") > 0;
  if (text && ids) FailUsage("PROMPT and --ids: give one of them");
  if (!text && !ids) FailUsage("no prompt: PROMPT is required, or its token ids with --ids");
  if (ids) return ParseTokenIds(flags.ids, "--ids");
  return flags.escapes ? Unescape(flags.text) : flags.text;
}

nlohmann::ordered_json JsonPrompt(const PromptInput& prompt) {
  if (prompt.ids) return *prompt.ids;
  return prompt.text;
}

}  // namespace actkin
