#ifndef ACTKIN_STORAGE_FORMATS_NEXT_TOKEN_SEARCH_H_
#define ACTKIN_STORAGE_FORMATS_NEXT_TOKEN_SEARCH_H_

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "schema/site.h"
#include "storage/formats/corpus_tokens_file.h"

namespace actkin {

// A token that follows a prefix, and the places of the prefix with it in the order of the suffixes: as many as its
// next-token count.
struct TokenPlaces {
  TokenId token_id = 0;
  RowRange places;

  friend bool operator==(const TokenPlaces&, const TokenPlaces&) = default;
};

// The order of the suffixes of a corpus's entries, wherever it lies (SuffixOrderFile).
struct SuffixOrderView {
  std::span<const std::uint32_t> begins;
  const std::filesystem::path& path;  // for messages

  // Where the suffix begins: an entry below begins.size(). REQUIRES: place < begins.size(). Throws Error naming `path`.
  std::uint64_t Begin(std::uint64_t place) const;
};

// What follows a prefix of `length` tokens at its places, by token id; none of them at the ends of documents. Looks at
// about log2(places of a token) suffixes for each token, of all tokens at once, and adds to `steps` how many it looked
// at. Throws Error naming the order's file where it is damaged.
std::vector<TokenPlaces> SearchNextTokens(const CorpusTokensFile& tokens, const SuffixOrderView& order, RowRange places,
                                          std::uint64_t length, std::uint64_t& steps);

// The prefixes that more than `most` different tokens follow, with these tokens: what a search would take long for.
struct WidePrefixes {
  struct Prefix {
    std::uint32_t begin = 0;  // its places
    std::uint32_t end = 0;
    std::uint64_t length = 0;
    std::uint64_t first = 0;  // of its tokens; they end where those of the next prefix begin

    friend bool operator==(const Prefix&, const Prefix&) = default;
  };
  struct Token {
    TokenId token_id = 0;
    std::uint32_t end = 0;  // of its places, which begin where those of the token before end

    friend bool operator==(const Token&, const Token&) = default;
  };
  std::vector<Prefix> prefixes;  // by length, then by places
  std::vector<Token> tokens;
};

// A search of each prefix with more than `most` places, of lengths up to one that no wide prefix has: what follows a
// longer one follows it without its first token, too. REQUIRES: the order is that of the tokens.
WidePrefixes FindWidePrefixes(const CorpusTokensFile& tokens, const SuffixOrderView& order, std::uint64_t most);

}  // namespace actkin

#endif  // ACTKIN_STORAGE_FORMATS_NEXT_TOKEN_SEARCH_H_
