#ifndef ACTKIN_SCHEMA_TOKENIZER_BYTE_ALPHABET_H_
#define ACTKIN_SCHEMA_TOKENIZER_BYTE_ALPHABET_H_

#include <optional>
#include <string>
#include <string_view>

namespace actkin {

// Byte-level vocabularies write each of the 256 bytes as a character that can be printed: those of Latin-1 that can are
// themselves, the others follow from U+0100 on in ascending order (a space is U+0120).

// UTF-8 of the character that stands for a byte.
std::string_view CharacterOfByte(unsigned char byte);
// The characters of all bytes of a text.
std::string CharactersOfBytes(std::string_view bytes);
// The bytes that a text's characters stand for; nothing if one of them stands for none. REQUIRES: UTF-8.
std::optional<std::string> BytesOfCharacters(std::string_view text);

}  // namespace actkin

#endif  // ACTKIN_SCHEMA_TOKENIZER_BYTE_ALPHABET_H_
