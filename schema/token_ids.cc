#include "schema/token_ids.h"

namespace actkin {

int TokenIdWidth(std::size_t vocabulary_size) {
  if (vocabulary_size <= 0xFF) return 1;
  return vocabulary_size <= 0xFFFF ? 2 : 4;
}

void AppendTokenIds(std::span<const TokenId> tokens, int width, std::string& bytes) {
  for (const TokenId token : tokens) {
    for (int shift = 8 * (width - 1); shift >= 0; shift -= 8) bytes += static_cast<char>(token >> shift & 0xFF);
  }
}

std::string EncodeTokenIds(std::span<const TokenId> tokens, int width) {
  std::string bytes;
  bytes.reserve(tokens.size() * static_cast<std::size_t>(width));
  AppendTokenIds(tokens, width, bytes);
  return bytes;
}

std::vector<TokenId> DecodeTokenIds(std::string_view bytes, int width) {
  const auto step = static_cast<std::size_t>(width);
  std::vector<TokenId> tokens;
  tokens.reserve(bytes.size() / step);
  for (std::size_t at = 0; at + step <= bytes.size(); at += step) {
    TokenId token = 0;
    for (std::size_t i = 0; i < step; ++i) token = token << 8 | static_cast<unsigned char>(bytes[at + i]);
    tokens.push_back(token);
  }
  return tokens;
}

}  // namespace actkin
