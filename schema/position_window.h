#ifndef ACTKIN_SCHEMA_POSITION_WINDOW_H_
#define ACTKIN_SCHEMA_POSITION_WINDOW_H_

#include <cstdint>

namespace actkin {

// Where the tokens begin that a token is seen with, as a token of its document, from 0, where the document is seen in
// windows of `window` tokens that advance by `stride`: the first window that sees the token gives its row, since each
// but the document's first one has been seen by the one before up to its last `stride` tokens. REQUIRES: 1 <= stride <=
// window.
constexpr std::uint64_t WindowBegin(std::uint64_t token, std::uint64_t window, std::uint64_t stride) {
  if (token < window) return 0;
  const std::uint64_t windows = (token - window) / stride + 1;
  return windows * stride;
}

}  // namespace actkin

#endif  // ACTKIN_SCHEMA_POSITION_WINDOW_H_
