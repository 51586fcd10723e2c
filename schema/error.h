#ifndef ACTKIN_SCHEMA_ERROR_H_
#define ACTKIN_SCHEMA_ERROR_H_

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace actkin {

// The one exception type. what() is a single line for the user: it names the file, flag or value and says what was
// expected. Caught once, in tools/ and at the SQL boundary. Visible from every shared library, so that one thrown by
// the LibTorch library is caught by the command.
class __attribute__((visibility("default"))) Error : public std::runtime_error {
 public:
  enum class Kind {
    kFailed,  // exit status 1: the world is not as it must be (a file, the disk, the catalog)
    kUsage,   // exit status 2: what was asked for makes no sense
  };

  explicit Error(const std::string& line, Kind kind = Kind::kFailed) : std::runtime_error(line), kind_(kind) {}

  Kind kind() const { return kind_; }

 private:
  Kind kind_;
};

template <typename... Arguments>
[[noreturn]] void Fail(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  throw Error(fmt::format(format, std::forward<Arguments>(arguments)...));
}

template <typename... Arguments>
[[noreturn]] void FailUsage(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  throw Error(fmt::format(format, std::forward<Arguments>(arguments)...), Error::Kind::kUsage);
}

}  // namespace actkin

#endif  // ACTKIN_SCHEMA_ERROR_H_
