#include "query/exact/code_parts.h"

#include <algorithm>

#include "schema/error.h"

namespace actkin {

void FillPart(const CodeFile& file, std::size_t code, std::size_t position, std::span<float> part) {
  const std::span<const float> token = file.token_embeddings().subspan(code * file.embed(), file.embed());
  if (file.position_embeddings().empty()) {
    std::ranges::copy(token, part.begin());
    return;
  }
  const std::span<const float> place = file.position_embeddings().subspan(position * file.embed(), file.embed());
  std::ranges::transform(token, place, part.begin(), [](float a, float b) { return a + b; });
}

void FailOnCode(const CodeFile& file, std::uint64_t row) {
  FailDamaged("{}: damaged: row {} holds a code that is not below its number of tokens, {}", file.path().string(), row,
              file.token_count());
}

void FailNotFinite(const CodeFile& file, std::uint64_t row) {
  FailDamaged("{}: damaged: the embeddings of row {} are not finite; 'actkin verify' says more", file.path().string(),
              row);
}

}  // namespace actkin
