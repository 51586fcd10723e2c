#ifndef ACTKIN_TESTS_FUZZ_FUZZ_INPUT_H_
#define ACTKIN_TESTS_FUZZ_FUZZ_INPUT_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "schema/error.h"

namespace actkin {

// What a fuzzer made up, taken from the front; zeros once it is used up.
class FuzzInput {
 public:
  FuzzInput(const std::uint8_t* data, std::size_t size) : rest_(reinterpret_cast<const std::byte*>(data), size) {}

  template <typename Number>
  Number Take() {
    Number number{};
    const std::span<const std::byte> bytes = TakeBytes(sizeof(number));
    std::ranges::copy(bytes, std::as_writable_bytes(std::span(&number, 1)).begin());
    return number;
  }
  // At most so many.
  std::span<const std::byte> TakeBytes(std::size_t count) {
    const std::span<const std::byte> taken = rest_.first(std::min(count, rest_.size()));
    rest_ = rest_.subspan(taken.size());
    return taken;
  }
  std::string_view TakeText(std::size_t count) {
    const std::span<const std::byte> taken = TakeBytes(count);
    return {reinterpret_cast<const char*>(taken.data()), taken.size()};
  }
  // Mostly a small one, in one byte; else any.
  std::uint64_t TakeNumber() {
    const auto small = Take<std::uint8_t>();
    return small < 240 ? small : Take<std::uint64_t>();
  }
  bool empty() const { return rest_.empty(); }

 private:
  std::span<const std::byte> rest_;
};

// A file in memory, to be read by its path; what it holds is replaced for each input.
class MemoryFile {
 public:
  MemoryFile();
  void Write(std::string_view bytes) const;
  const std::filesystem::path& path() const { return path_; }

 private:
  int descriptor_ = -1;
  std::filesystem::path path_;
};

// Ends the process: what a fuzzer, and the test that replays its inputs, takes for a failure.
[[noreturn]] inline void Wrong(std::string_view what) {
  std::fprintf(stderr, "WRONG: %.*s\n", static_cast<int>(what.size()), what.data());
  std::abort();
}

// An Error of one line is what hostile input deserves; anything else that is thrown ends the process.
template <typename Action>
void AllowError(const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    if (std::string_view(error.what()).find('\n') != std::string_view::npos) Wrong(error.what());
  }
}

// Reads every byte, so that one outside what is mapped is noticed.
template <typename Number>
void Touch(std::span<const Number> numbers) {
  volatile std::uint8_t sum = 0;
  for (const std::byte byte : std::as_bytes(numbers)) sum = static_cast<std::uint8_t>(sum + std::to_integer<int>(byte));
}

}  // namespace actkin

#endif  // ACTKIN_TESTS_FUZZ_FUZZ_INPUT_H_
