#ifndef ACTKIN_SCHEMA_TOKENIZER_WORD_CACHE_H_
#define ACTKIN_SCHEMA_TOKENIZER_WORD_CACHE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "schema/site.h"

namespace actkin {

// The tokens of words that were met before, a few megabytes of them; begun anew when it is full. One thread at a time.
class WordCache {
 public:
  static constexpr std::size_t kLongestWord = 64;  // bytes

  WordCache();

  // They live until the next Put. REQUIRES: at most kLongestWord bytes.
  std::optional<std::span<const TokenId>> Find(std::string_view word);
  // REQUIRES: Find of this word was the last call, and found nothing.
  void Put(std::string_view word, std::span<const TokenId> tokens);

 private:
  struct Slot {
    std::uint64_t hash = 0;  // 0: free
    std::uint32_t word = 0;  // in bytes_
    std::uint32_t tokens = 0;
    std::uint32_t token_count = 0;
    std::uint8_t word_size = 0;
  };

  void Clear(std::size_t slots);
  void Grow();
  std::size_t Place(std::uint64_t hash, std::string_view word) const;

  std::vector<Slot> slots_;
  std::vector<char> bytes_;
  std::vector<TokenId> tokens_;
  std::size_t size_ = 0;
  std::uint64_t last_hash_ = 0;
};

}  // namespace actkin

#endif  // ACTKIN_SCHEMA_TOKENIZER_WORD_CACHE_H_
