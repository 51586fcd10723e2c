#ifndef ACTKIN_TOOLS_COMMAND_FLAGS_FLAG_VALUES_H_
#define ACTKIN_TOOLS_COMMAND_FLAGS_FLAG_VALUES_H_

#include <CLI/CLI.hpp>

namespace actkin {

// Lets --help say what the flags and arguments of every subcommand take, where that is a choice, a file or a folder:
// "l2|cosine", "exact|NAME", "FILE", "NAME.actkin"; with ",..." where it may be several. Words in capitals stand for
// others. Completion reads it there. Call it once all subcommands are added.
void ShowFlagValues(CLI::App& app);

}  // namespace actkin

#endif  // ACTKIN_TOOLS_COMMAND_FLAGS_FLAG_VALUES_H_
