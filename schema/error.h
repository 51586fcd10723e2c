#ifndef ACTKIN_SCHEMA_ERROR_H_
#define ACTKIN_SCHEMA_ERROR_H_

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

#include "actkin/error.h"

namespace actkin {

// Fail throws an Error of Kind::kFailed, FailUsage one of Kind::kUsage; without a code they have the codes kFailed and
// kInvalidArgument. FailDamaged: a file or the catalog is not as it was written.
template <typename... Arguments>
[[noreturn]] void Fail(ErrorCode code, fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  throw Error(fmt::format(format, std::forward<Arguments>(arguments)...), code);
}

template <typename... Arguments>
[[noreturn]] void Fail(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  throw Error(fmt::format(format, std::forward<Arguments>(arguments)...));
}

template <typename... Arguments>
[[noreturn]] void FailDamaged(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  throw Error(fmt::format(format, std::forward<Arguments>(arguments)...), ErrorCode::kDamaged);
}

template <typename... Arguments>
[[noreturn]] void FailUsage(ErrorCode code, fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  throw Error(fmt::format(format, std::forward<Arguments>(arguments)...), code, Error::Kind::kUsage);
}

template <typename... Arguments>
[[noreturn]] void FailUsage(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  throw Error(fmt::format(format, std::forward<Arguments>(arguments)...), Error::Kind::kUsage);
}

}  // namespace actkin

#endif  // ACTKIN_SCHEMA_ERROR_H_
