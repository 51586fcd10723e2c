#ifndef ACTKIN_QUERY_EXACT_CODE_PARTS_H_
#define ACTKIN_QUERY_EXACT_CODE_PARTS_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "storage/formats/code_file.h"

namespace actkin {

// The numbers of a row at a position, as the network computes them: token plus position embedding, in float32. part:
// file.embed() numbers. REQUIRES: code < file.token_count(), position < file.positions().
void FillPart(const CodeFile& file, std::size_t code, std::size_t position, std::span<float> part);

// Throws the Error for a row that holds a code beyond the file's tokens, and for one whose embeddings are not finite.
[[noreturn]] void FailOnCode(const CodeFile& file, std::uint64_t row);
[[noreturn]] void FailNotFinite(const CodeFile& file, std::uint64_t row);

}  // namespace actkin

#endif  // ACTKIN_QUERY_EXACT_CODE_PARTS_H_
