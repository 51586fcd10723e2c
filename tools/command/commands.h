#ifndef ACTKIN_TOOLS_COMMAND_COMMANDS_H_
#define ACTKIN_TOOLS_COMMAND_COMMANDS_H_

#include <CLI/CLI.hpp>
#include <string>

#include "storage/catalog/index_directory.h"

namespace actkin {

// Each adds one subcommand, whose callback does the work and throws Error.
void AddTrainCommand(CLI::App& app);
void AddBuildCommand(CLI::App& app);
void AddQueryCommand(CLI::App& app);
void AddSimilarCommand(CLI::App& app);
void AddPredictCommand(CLI::App& app);
void AddEvaluateCommand(CLI::App& app);
void AddLearnCommand(CLI::App& app);
void AddTuneCommand(CLI::App& app);
void AddInfoCommand(CLI::App& app);
void AddVerifyCommand(CLI::App& app);
void AddExportCommand(CLI::App& app);
void AddImportCommand(CLI::App& app);
void AddIndexCommand(CLI::App& app);
void AddRecallCommand(CLI::App& app);
void AddTokensCommand(CLI::App& app);

// --threads, the same everywhere; by default all cores.
void AddThreadsOption(CLI::App& command, int& threads);

// The index directory that a command was given. A catalog that a killed writer left in WAL mode, or one whose readers
// stayed, is returned to journal_mode=DELETE where nobody else is at it, now and when the process ends.
IndexDirectory GivenDirectory(const std::string& path);

// What a command that failed must exit with although it printed its own lines.
class ExitStatus {
 public:
  explicit ExitStatus(int status) : status_(status) {}
  int status() const { return status_; }

 private:
  int status_;
};

}  // namespace actkin

#endif  // ACTKIN_TOOLS_COMMAND_COMMANDS_H_
