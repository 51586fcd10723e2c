#ifndef ACTKIN_SCHEMA_ONE_ERROR_TYPE_H_
#define ACTKIN_SCHEMA_ONE_ERROR_TYPE_H_

#include <exception>
#include <new>

#include "schema/error.h"

namespace actkin {

// Runs `action` and returns what it returns. What other libraries throw at it becomes to_error(exception), an Error, so
// that there is one type to catch; std::bad_alloc stays what it is.
template <typename ToError, typename Action>
auto WithOneErrorType(const ToError& to_error, const Action& action) {
  try {
    return action();
  } catch (const Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& exception) {
    throw to_error(exception);
  }
}

}  // namespace actkin

#endif  // ACTKIN_SCHEMA_ONE_ERROR_TYPE_H_
