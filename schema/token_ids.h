#ifndef ACTKIN_SCHEMA_TOKEN_IDS_H_
#define ACTKIN_SCHEMA_TOKEN_IDS_H_

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "schema/site.h"

namespace actkin {

// Token ids as bytes, as the catalog's column `tokens` and SQL have them: big-endian, so that the order of bytes is the
// order of ids, all of one width. An id is below the largest number of that width, which separates documents.

// Bytes an id: 1 for a vocabulary of at most 255 tokens, 2 up to 65,535, else 4.
int TokenIdWidth(std::size_t vocabulary_size);

// REQUIRES: width is 1, 2 or 4, and the ids fit into it.
std::string EncodeTokenIds(std::span<const TokenId> tokens, int width);
void AppendTokenIds(std::span<const TokenId> tokens, int width, std::string& bytes);

// The ids that EncodeTokenIds wrote. REQUIRES: bytes.size() is a multiple of width.
std::vector<TokenId> DecodeTokenIds(std::string_view bytes, int width);

}  // namespace actkin

#endif  // ACTKIN_SCHEMA_TOKEN_IDS_H_
