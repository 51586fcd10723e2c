#include "tools/output/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>
#include <utf8.h>
#include <utf8proc.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "schema/error.h"
#include "schema/text.h"

namespace actkin {

bool StdoutIsTerminal() { return ::isatty(STDOUT_FILENO) == 1; }
bool StderrIsTerminal() { return ::isatty(STDERR_FILENO) == 1; }

bool StdoutColor() {
  const char* const no_color = std::getenv("NO_COLOR");
  const char* const terminal = std::getenv("TERM");
  return StdoutIsTerminal() && (no_color == nullptr || *no_color == '\0') && terminal != nullptr &&
         std::string_view(terminal) != "dumb";
}

void PrintError(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

int TerminalWidth(int descriptor) {
  winsize size{};
  if (::ioctl(descriptor, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

int DisplayWidth(std::string_view text) {
  int width = 0;
  for (const char32_t point : CodePoints(text, "text"))
    width += utf8proc_charwidth(static_cast<utf8proc_int32_t>(point));
  return width;
}

std::string_view FirstCells(std::string_view text, int cells) {
  const auto* end = text.begin();
  while (end != text.end()) {
    const auto* next = end;
    cells -= utf8proc_charwidth(static_cast<utf8proc_int32_t>(utf8::next(next, text.end())));
    if (cells < 0) break;
    end = next;
  }
  return {text.begin(), end};
}

std::string Grouped(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (std::ptrdiff_t i = static_cast<std::ptrdiff_t>(digits.size()) - 3; i > 0; i -= 3) {
    digits.insert(static_cast<std::size_t>(i), ",");
  }
  return digits;
}

std::string HumanBytes(std::uint64_t bytes) {
  double value = static_cast<double>(bytes);
  if (bytes < 1000) return fmt::format("{} bytes", bytes);
  for (const char* unit : {"kB", "MB", "GB"}) {
    value /= 1000;
    if (value < 999.95) return fmt::format("{:.1f} {}", value, unit);
  }
  return fmt::format("{:.1f} TB", value / 1000);
}

std::string HumanSeconds(double seconds) {
  const auto whole = static_cast<std::uint64_t>(std::llround(std::max(0.0, seconds)));
  if (whole < 3600) return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

ProgressBar::~ProgressBar() { Clear(); }

void ProgressBar::Begin(const std::string& step, std::uint64_t total, const std::string& unit) {
  step_ = Printable(step);
  unit_ = unit;
  detail_.clear();
  total_ = total;
  done_ = already_ = 0;
  start_ = Clock::now();
  last_draw_ = {};
  Draw();
}

void ProgressBar::Advance(std::uint64_t done, std::uint64_t already) {
  done_ = done;
  already_ = already;
  if (Clock::now() - last_draw_ >= std::chrono::milliseconds(100)) Draw();
}

void ProgressBar::Detail(const std::string& text) { detail_ = Printable(text); }

void ProgressBar::End() { Clear(); }

void ProgressBar::Note(const std::string& line) {
  Clear();
  PrintError(Printable(line) + "\n");
}

void ProgressBar::Clear() {
  if (drawn_) PrintError("\r\x1b[K");
  drawn_ = false;
}

void ProgressBar::Draw() {
  if (!shown_) return;
  last_draw_ = Clock::now();
  const double elapsed = std::chrono::duration<double>(last_draw_ - start_).count();
  const double rate = elapsed > 0 ? static_cast<double>(done_ - already_) / elapsed : 0;
  const double fraction = total_ > 0 ? static_cast<double>(done_) / static_cast<double>(total_) : 0;
  const auto amount = [this](std::uint64_t number) { return unit_ == "bytes" ? HumanBytes(number) : Grouped(number); };
  const std::string percent = fmt::format(" {:3.0f}%", std::floor(100 * fraction));
  std::string tail =
      fmt::format("{}  {}/{}{}", percent, amount(done_), amount(total_), unit_ == "bytes" ? "" : " " + unit_);
  if (rate > 0 && elapsed > 0.5) {
    if (unit_ != "seconds") tail += fmt::format("  {}/s", amount(static_cast<std::uint64_t>(rate)));
    tail += fmt::format("  {} left", HumanSeconds(static_cast<double>(total_ - std::min(done_, total_)) / rate));
  }
  // One column stays free: a full line would wrap, and could not be cleared.
  const int room = TerminalWidth(STDERR_FILENO) - 1;
  std::string line = step_;
  if (!detail_.empty()) line += "  " + detail_;
  // On a narrow terminal the percentage is what stays.
  line = FirstCells(line, room - static_cast<int>(percent.size()));
  const int bar = room - DisplayWidth(line) - static_cast<int>(tail.size()) - 4;
  if (bar >= 8) {
    const int width = std::min(bar, 40);
    const int filled = static_cast<int>(std::floor(fraction * width));
    line += fmt::format("  [{:=<{}}{:{}}]", "", filled, "", width - filled);
  }
  line += tail;
  PrintError(fmt::format("\r\x1b[K{}", FirstCells(line, room)));
  drawn_ = true;
}

void Print(const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    Fail("cannot write to standard output");
  }
}

}  // namespace actkin
