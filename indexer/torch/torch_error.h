#ifndef ACTKIN_INDEXER_TORCH_TORCH_ERROR_H_
#define ACTKIN_INDEXER_TORCH_TORCH_ERROR_H_

#include <c10/util/Exception.h>

#include <string>

#include "schema/error.h"

namespace actkin {

// Runs `action` and returns what it returns. LibTorch's exceptions, which have many lines, become an Error of one line
// that begins with `where`.
template <typename Action>
auto WithOneLineErrors(const std::string& where, const Action& action) {
  try {
    return action();
  } catch (const c10::Error& error) {
    const std::string text = error.what_without_backtrace();
    Fail("{}: {}", where, text.substr(0, text.find('\n')));
  }
}

}  // namespace actkin

#endif  // ACTKIN_INDEXER_TORCH_TORCH_ERROR_H_
