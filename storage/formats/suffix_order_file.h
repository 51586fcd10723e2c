#ifndef ACTKIN_STORAGE_FORMATS_SUFFIX_ORDER_FILE_H_
#define ACTKIN_STORAGE_FORMATS_SUFFIX_ORDER_FILE_H_

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <vector>

#include "storage/formats/corpus_tokens_file.h"
#include "storage/formats/next_token_search.h"
#include "storage/formats/section_file.h"

namespace actkin {

// The suffixes of a corpus's entries (CorpusTokensFile) in lexicographic order: those that begin with a string of
// tokens stand in a row, in the order of the tokens that follow it, those that end their document behind them. (What
// comes after a separator orders only suffixes that are equal up to it. Of two of which one is the beginning of the
// other, the shorter comes first.) A section file of kind kSuffixOrder. Numbers: 0 entries, 1 the checksum of the
// header of the file of tokens, 2 wide prefixes, 3 the tokens that follow them. Sections: 0 the entry at which each
// suffix begins (uint32); 1 the prefixes that more than kMostSearched different tokens follow; 2 these tokens
// (WidePrefixes).
//
// Immutable; any thread.
class SuffixOrderFile {
 public:
  // About half a millisecond's search.
  static constexpr std::uint64_t kMostSearched = 1024;

  // Maps the file; reads only its header. Throws Error naming `path`.
  explicit SuffixOrderFile(const std::filesystem::path& path);

  std::uint64_t file_bytes() const { return file_.header().file_bytes; }
  std::uint64_t header_checksum() const { return file_.header_checksum(); }
  const std::filesystem::path& path() const { return file_.path(); }

  std::uint64_t size() const { return begins_.size(); }
  // Where the suffix begins: an entry below size(). REQUIRES: place < size(). Throws Error naming the file.
  std::uint64_t Begin(std::uint64_t place) const { return view().Begin(place); }
  SuffixOrderView view() const { return {begins_, path()}; }

  // What follows a wide prefix of `length` tokens that has these places; none: it is not wide. Throws Error naming the
  // file.
  std::optional<std::vector<TokenPlaces>> OfWidePrefix(RowRange places, std::uint64_t length) const;

  // Throws Error naming this file where it is of another file of tokens.
  void RequireOf(const CorpusTokensFile& tokens) const;
  // Reads every byte. Throws Error naming the file.
  void Verify() const;
  // Also that every suffix is there once, in its place, and every wide prefix with its tokens. REQUIRES: tokens were
  // verified; RequireOf(tokens) does not throw. Takes 4 bytes an entry. Throws Error naming the file.
  void VerifyOrder(const CorpusTokensFile& tokens) const;

 private:
  SectionFile file_;
  std::span<const std::uint32_t> begins_;
  std::span<const WidePrefixes::Prefix> wide_;
  std::span<const WidePrefixes::Token> wide_tokens_;
};

// Writes and flushes, with the wide prefixes that it searches for; returns the header's checksum. begins: the suffixes
// of `tokens`, in order.
std::uint64_t WriteSuffixOrderFile(const std::filesystem::path& path, const CorpusTokensFile& tokens,
                                   std::span<const std::uint32_t> begins);

}  // namespace actkin

#endif  // ACTKIN_STORAGE_FORMATS_SUFFIX_ORDER_FILE_H_
