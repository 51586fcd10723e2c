#ifndef ACTKIN_TOOLS_OUTPUT_TERMINAL_H_
#define ACTKIN_TOOLS_OUTPUT_TERMINAL_H_

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "schema/progress.h"

namespace actkin {

bool StdoutIsTerminal();
bool StderrIsTerminal();
// Whether results may be colored: stdout is a terminal that knows how, and the user does not object
// (https://no-color.org: NO_COLOR is set and not empty).
bool StdoutColor();
// Writes results to stdout. Throws Error when they cannot be written (a full disk, say).
void Print(const std::string& text);
// Writes to stderr; where that cannot be written, does nothing: what a command is at work on matters more.
void PrintError(std::string_view text);
// Columns of the terminal that `descriptor` is; 80 where it is none.
int TerminalWidth(int descriptor);
// Cells that UTF-8 text takes on a terminal: two for a wide character, none for a mark that combines with another.
int DisplayWidth(std::string_view text);
// The longest beginning of UTF-8 text that takes no more than `cells`.
std::string_view FirstCells(std::string_view text, int cells);

// "1,115,394"
std::string Grouped(std::uint64_t number);
// "178.8 MB", decimal units.
std::string HumanBytes(std::uint64_t bytes);
// "0:07", "12:30", "1:02:03"
std::string HumanSeconds(double seconds);

// A progress bar on stderr, with rate and time left; nothing where stderr is no terminal. Notes are written in any
// case. What is shown is shown on one line (Printable).
class ProgressBar : public ProgressListener {
 public:
  ~ProgressBar() override;
  void Begin(const std::string& step, std::uint64_t total, const std::string& unit) override;
  void Advance(std::uint64_t done, std::uint64_t already) override;
  void Detail(const std::string& text) override;
  void End() override;
  void Note(const std::string& line) override;

 private:
  void Draw();
  void Clear();

  using Clock = std::chrono::steady_clock;
  const bool shown_ = StderrIsTerminal();
  std::string step_;
  std::string unit_;
  std::string detail_;
  std::uint64_t total_ = 0;
  std::uint64_t done_ = 0;
  std::uint64_t already_ = 0;
  bool drawn_ = false;
  Clock::time_point start_;
  Clock::time_point last_draw_;
};

}  // namespace actkin

#endif  // ACTKIN_TOOLS_OUTPUT_TERMINAL_H_
