#ifndef ACTKIN_SCHEMA_TOKENIZER_PIECE_DECODER_H_
#define ACTKIN_SCHEMA_TOKENIZER_PIECE_DECODER_H_

#include <string>
#include <string_view>
#include <vector>

#include "schema/tokenizer/json_part.h"
#include "schema/tokenizer/regex.h"

namespace actkin {

// What bytes a vocabulary's pieces stand for, as the file's "decoder" has it: ByteLevel, Replace, ByteFallback, Strip,
// Fuse, Metaspace, in a Sequence of any of them. What it does to a whole text, after Fuse or at its beginning, is no
// token's, and left out.
class PieceDecoder {
 public:
  // Null reads as what undoes the way into the vocabulary: gives_bytes, PreTokenizer's, and byte_fallback.
  PieceDecoder(const JsonPart& part, bool gives_bytes, bool byte_fallback);

  std::string Of(std::string_view piece, RegexSearch& search) const;

 private:
  enum class Kind { kByteLevel, kReplaceText, kReplaceMatches, kByteFallback, kStrip };
  struct Step {
    Kind kind;
    std::string text = {};  // what is replaced, or stripped
    std::string content = {};
    std::vector<Regex> regex = {};
    std::size_t begin = 0;  // so many at most are stripped
    std::size_t end = 0;
  };

  void AddStep(const JsonPart& part);

  std::vector<Step> steps_;
  bool is_fused_ = false;
};

}  // namespace actkin

#endif  // ACTKIN_SCHEMA_TOKENIZER_PIECE_DECODER_H_
