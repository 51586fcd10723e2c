#ifndef ACTKIN_TESTS_TOOLS_COMMAND_RUN_COMMAND_H_
#define ACTKIN_TESTS_TOOLS_COMMAND_RUN_COMMAND_H_

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace actkin {

struct CommandResult {
  int status = -1;  // exit status; 128 + signal where one ended it
  std::string out;
  std::string err;
};

// Runs a program; stdin is empty. environment: "NAME=value".
CommandResult RunProgram(const std::string& path, const std::vector<std::string>& arguments,
                         const std::vector<std::string>& environment = {});

// Runs the actkin command; stdin is empty. environment: "NAME=value", also the orders of
// tests/durability/fault_file_system.h.
CommandResult RunCommand(const std::vector<std::string>& arguments, const std::vector<std::string>& environment = {});

// The same with a text as its standard input.
CommandResult RunCommandOn(const std::string& input, const std::vector<std::string>& arguments);

// Runs it, expects success, and returns what it printed as JSON.
nlohmann::json RunForJson(const std::vector<std::string>& arguments);

}  // namespace actkin

#endif  // ACTKIN_TESTS_TOOLS_COMMAND_RUN_COMMAND_H_
