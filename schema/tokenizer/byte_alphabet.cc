#include "schema/tokenizer/byte_alphabet.h"

#include <utf8.h>

#include <array>

#include "schema/text.h"

namespace actkin {
namespace {

constexpr char32_t kEnd = 0x100 + 68;  // 68 bytes cannot be printed

constexpr bool IsItself(unsigned byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

struct Alphabet {
  std::array<std::string, 256> characters;
  std::array<int, kEnd> bytes;  // by code point, -1: none

  Alphabet() {
    bytes.fill(-1);
    char32_t next = 0x100;
    for (unsigned byte = 0; byte < 256; ++byte) {
      const char32_t point = IsItself(byte) ? byte : next++;
      characters[byte] = Utf8({&point, 1});
      bytes[point] = static_cast<int>(byte);
    }
  }
};

const Alphabet& TheAlphabet() {
  static const Alphabet alphabet;
  return alphabet;
}

}  // namespace

std::string_view CharacterOfByte(unsigned char byte) { return TheAlphabet().characters[byte]; }

std::string CharactersOfBytes(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const char byte : bytes) text += CharacterOfByte(static_cast<unsigned char>(byte));
  return text;
}

std::optional<std::string> BytesOfCharacters(std::string_view text) {
  const Alphabet& alphabet = TheAlphabet();
  std::string bytes;
  bytes.reserve(text.size());
  for (auto next = text.begin(); next != text.end();) {
    const char32_t point = utf8::unchecked::next(next);
    if (point >= kEnd || alphabet.bytes[point] < 0) return std::nullopt;
    bytes += static_cast<char>(alphabet.bytes[point]);
  }
  return bytes;
}

}  // namespace actkin
