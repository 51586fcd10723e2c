#ifndef ACTKIN_TESTS_TOOLS_COMMAND_COMMAND_SERVER_H_
#define ACTKIN_TESTS_TOOLS_COMMAND_COMMAND_SERVER_H_

#include <array>
#include <string>
#include <vector>

namespace actkin {

// Loading LibTorch takes half a second, nearly all that a small command takes. A program that is linked with
// command_server and --wrap=main is the command as ever; where the environment gives it a socket to serve, it loads
// LibTorch once and runs each command that it is asked for in a fork of itself: the command's own main, as in a process
// that has just begun.

inline constexpr char kServedSocket[] = "ACTKIN_SERVED_SOCKET";

// What is sent with a message of one byte, in this order: files open for reading and writing, and the pipe that gets
// the status as waitpid has it.
struct ServedStreams {
  enum { kRequest, kInput, kOutput, kErrors, kStatus, kCount };
  std::array<int, kCount> descriptors;
};

// What stands in kRequest.
struct ServedRequest {
  std::vector<std::string> arguments;    // the program's name first
  std::vector<std::string> environment;  // "NAME=value", beside what the server has

  // Each with a letter before it, which says what it is, and a zero byte behind.
  std::string Text() const;
  static ServedRequest Parse(const std::string& text);
};

// One message each; ReceiveStreams returns false at the end.
bool SendStreams(int socket, const ServedStreams& streams);
bool ReceiveStreams(int socket, ServedStreams& streams);

}  // namespace actkin

#endif  // ACTKIN_TESTS_TOOLS_COMMAND_COMMAND_SERVER_H_
