#ifndef ACTKIN_STORAGE_FAISS_FAISS_ERROR_H_
#define ACTKIN_STORAGE_FAISS_FAISS_ERROR_H_

#include <string>

#include "schema/one_error_type.h"

namespace actkin {

// What FAISS says is wrong, on one line, without the place in its source and the condition that did not hold.
std::string FaissMessage(const std::string& message);

// Runs `action` and returns what it returns. FAISS's exceptions, and what the standard library throws at it, become an
// Error that begins with `where`.
template <typename Action>
auto WithOneLineErrors(const std::string& where, Error::Kind kind, const Action& action) {
  return WithOneErrorType(
      [&](const std::exception& error) {
        return Error(fmt::format("{}: {}", where, FaissMessage(error.what())), kind);
      },
      action);
}

}  // namespace actkin

#endif  // ACTKIN_STORAGE_FAISS_FAISS_ERROR_H_
