#include <algorithm>
#include <charconv>
#include <clocale>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <new>
#include <optional>
#include <string>
#include <thread>

#include "schema/error.h"
#include "schema/text.h"
#include "storage/catalog/catalog_writer.h"
#include "storage/machine/processor.h"
#include "tools/command/commands.h"
#include "tools/command/flags/flag_values.h"
#include "tools/output/terminal.h"

namespace actkin {

void AddThreadsOption(CLI::App& command, int& threads) {
  threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  command.add_option("--threads", threads, "Threads to work with")->check(CLI::Range(1, 1024))->capture_default_str();
}

namespace {

// Of this process: at its end nobody in it has the catalog open any more.
std::optional<IndexDirectory>& DirectoryToClose() {
  static std::optional<IndexDirectory> directory;
  return directory;
}

}  // namespace

IndexDirectory GivenDirectory(const std::string& path) {
  const IndexDirectory directory(path);
  CatalogWriter::CloseLeftJournal(directory);
  DirectoryToClose() = directory;
  return directory;
}

namespace {

constexpr std::uint64_t kLargestNumber = std::uint64_t{1} << 53;  // of a flag: what JSON and SQLite hold, too

// CLI11 lets a negative number wrap around, and takes the largest for one that is larger.
void RequirePlainNumbers(CLI::App& app) {
  for (CLI::App* command : app.get_subcommands({})) {
    for (CLI::Option* option : command->get_options()) {
      if (!option->get_type_name().starts_with("UINT")) continue;
      option->check([](const std::string& text) -> std::string {
        std::uint64_t number = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
        const bool plain = error == std::errc() && end == text.data() + text.size() && number <= kLargestNumber;
        return plain ? "" : fmt::format("{}: expected a number from 0 to {}", text, kLargestNumber);
      });
    }
  }
}

int Complain(const std::string& line, int status) {
  // One line, whatever names and what a library put in it.
  PrintError(fmt::format("actkin: {}\n", Printable(line.substr(0, line.find_last_not_of(" \n") + 1))));
  return status;
}

// A sentence of the library names what it was given as `t_i`: here that is the flag --t-i, where the command has it.
std::string WithFlags(const std::string& line, const CLI::App& app) {
  if (app.get_subcommands().empty()) return line;
  const CLI::App& command = *app.get_subcommands().front();
  std::string result;
  std::size_t begin = 0;
  for (;;) {
    const std::size_t open = line.find('`', begin);
    const std::size_t close = open == std::string::npos ? open : line.find('`', open + 1);
    if (close == std::string::npos) return result + line.substr(begin);
    std::string flag = "--" + line.substr(open + 1, close - open - 1);
    std::ranges::replace(flag, '_', '-');
    if (command.get_option_no_throw(flag) != nullptr) {
      result += line.substr(begin, open - begin) + flag;
      begin = close + 1;
    } else {
      result += line.substr(begin, open + 1 - begin);
      begin = open + 1;
    }
  }
}

// The first argument that nothing takes: CLI11 names them all, the last first.
std::string FirstUnexpected(const CLI::App& app, int argc, char** argv) {
  const std::vector<std::string> unexpected = app.remaining(/*recurse=*/true);
  const auto found = std::find_first_of(argv + 1, argv + argc, unexpected.begin(), unexpected.end());
  if (found != argv + argc) return *found;
  return unexpected.empty() ? "" : unexpected.front();
}

std::string SayUnexpected(const CLI::App& app, int argc, char** argv) {
  const std::string argument = Quote(FirstUnexpected(app, argc, argv));
  if (app.get_subcommands().empty()) return argument + " is no subcommand of actkin: 'actkin --help' lists them";
  const std::string command = "actkin " + app.get_subcommands().front()->get_name();
  if (argument.starts_with("\"-"))
    return fmt::format("{} is no flag of '{}' (see '{} --help')", argument, command, command);
  return fmt::format("{} was not expected: put a text with spaces in quotes (see '{} --help')", argument, command);
}

int Main(int argc, char** argv) {
  std::setlocale(LC_CTYPE, "C.UTF-8");
  CLI::App app(
      "actkin: which strings of a transformer's corpus look alike from inside the network, and what came next");
  app.set_version_flag("--version", ACTKIN_VERSION);
  app.require_subcommand(0, 1);
  app.get_formatter()->column_width(34);
  app.footer(
      "Example, with a text that every Debian has:\n"
      "  actkin train /usr/share/common-licenses/GPL-3 --out gpl.safetensors --minutes 0.2\n"
      "  actkin build /usr/share/common-licenses/GPL-3 --model gpl.safetensors --out gpl.actkin\n"
      "  actkin query gpl.actkin 'the licens'\n"
      "'actkin SUBCOMMAND --help' says more of each.");
  AddTrainCommand(app);
  AddBuildCommand(app);
  AddIndexCommand(app);
  AddQueryCommand(app);
  AddSimilarCommand(app);
  AddPredictCommand(app);
  AddEvaluateCommand(app);
  AddLearnCommand(app);
  AddTuneCommand(app);
  AddInfoCommand(app);
  AddVerifyCommand(app);
  AddExportCommand(app);
  AddImportCommand(app);
  AddRecallCommand(app);
  AddTokensCommand(app);
  RequirePlainNumbers(app);
  ShowFlagValues(app);
  try {
    LimitInstructions();
    app.parse(argc, argv);
    if (app.get_subcommands().empty()) FailUsage("no subcommand given (see 'actkin --help')");
    return 0;
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ExtrasError&) {
    return Complain(SayUnexpected(app, argc, argv), 2);
  } catch (const CLI::ParseError& error) {
    std::string command = "actkin";
    for (const CLI::App* subcommand : app.get_subcommands()) command += " " + subcommand->get_name();
    return Complain(fmt::format("{} (see '{} --help')", error.what(), command), 2);
  } catch (const ExitStatus& status) {
    return status.status();
  } catch (const Error& error) {
    return Complain(WithFlags(error.what(), app), error.kind() == Error::Kind::kUsage ? 2 : 1);
  } catch (const std::bad_alloc&) {
    return Complain("out of memory", 1);
  } catch (const std::filesystem::filesystem_error& error) {
    return Complain(fmt::format("{}: cannot be read: {}", error.path1().string(), error.code().message()), 1);
  } catch (const std::exception& error) {
    return Complain(error.what(), 1);
  }
}

}  // namespace
}  // namespace actkin

int main(int argc, char** argv) {
  // OpenMP's threads, FAISS's, must not burn the cores that they share with others while they wait.
  setenv("OMP_WAIT_POLICY", "passive", /*overwrite=*/0);
  // A file larger than the shell's limit (ulimit -f) is then an error of the write, not this process's end.
  std::signal(SIGXFSZ, SIG_IGN);
  const int status = actkin::Main(argc, argv);
  if (actkin::DirectoryToClose()) actkin::CatalogWriter::CloseLeftJournal(*actkin::DirectoryToClose());
  return status;
}
