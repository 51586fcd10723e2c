#ifndef ACTKIN_TOOLS_COMMAND_STOP_SIGNALS_H_
#define ACTKIN_TOOLS_COMMAND_STOP_SIGNALS_H_

#include <atomic>

namespace actkin {

// What SIGINT and SIGTERM do to long commands. One that the process was started with ignored, as a shell's background
// jobs have SIGINT, stays ignored. Other signals are left as they are.

// The first makes the flag true, the second ends the process at once.
const std::atomic<bool>& StopOnSignal();
// Ends the process with a line that says that the same command continues.
void EndOnSignal();

}  // namespace actkin

#endif  // ACTKIN_TOOLS_COMMAND_STOP_SIGNALS_H_
