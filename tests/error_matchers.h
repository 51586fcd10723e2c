#ifndef ACTKIN_TESTS_ERROR_MATCHERS_H_
#define ACTKIN_TESTS_ERROR_MATCHERS_H_

#include <gmock/gmock.h>

#include <optional>
#include <string>

#include "schema/error.h"

namespace actkin {

// The message of the Error that `action` throws, or "no error".
template <typename Action>
std::string ErrorOf(const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

// One line that contains each of the given parts.
template <typename... Parts>
auto OneLineWith(const Parts&... parts) {
  return testing::AllOf(testing::Not(testing::HasSubstr("\n")), testing::HasSubstr(parts)...);
}

}  // namespace actkin

#endif  // ACTKIN_TESTS_ERROR_MATCHERS_H_
