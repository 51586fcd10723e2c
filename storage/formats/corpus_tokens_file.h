#ifndef ACTKIN_STORAGE_FORMATS_CORPUS_TOKENS_FILE_H_
#define ACTKIN_STORAGE_FORMATS_CORPUS_TOKENS_FILE_H_

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>

#include "schema/site.h"
#include "storage/formats/section_file.h"

namespace actkin {

// All token ids of a corpus, document after document, a separator after each. A section file of kind kCorpusTokens.
// Numbers: 0 bytes an entry (TokenIdWidth of the vocabulary), 1 tokens, 2 documents, 3 vocabulary size. Sections: 0 the
// entries, tokens and separators, big-endian (schema/token_ids.h); 1 the position at which each document begins, and
// the end of the last (uint64, documents + 1).
//
// Tokens have positions, from 0, which do not count separators: position p of document d is entry p + d. The separator
// is the largest number of its width, which is no id: in the order of entries it comes after every token.
//
// Immutable; any thread. What is read from the file is checked where it is read: Error names the file.
class CorpusTokensFile {
 public:
  // Maps the file; reads its header, and where the first document begins and the last ends. Throws Error naming `path`.
  explicit CorpusTokensFile(const std::filesystem::path& path);

  std::uint64_t file_bytes() const { return file_.header().file_bytes; }
  std::uint64_t header_checksum() const { return file_.header_checksum(); }
  const std::filesystem::path& path() const { return file_.path(); }

  int width() const { return width_; }  // bytes an entry
  std::uint64_t token_count() const { return token_count_; }
  std::uint64_t document_count() const { return begins_.size() - 1; }
  std::uint64_t vocabulary_size() const { return vocabulary_size_; }
  std::uint64_t entry_count() const { return token_count_ + document_count(); }
  // All entries: entry_count() x width() bytes.
  std::span<const std::byte> entries() const { return entries_; }

  // None is the separator: a document ends there. REQUIRES: entry < entry_count().
  std::optional<TokenId> Entry(std::uint64_t entry) const;
  // REQUIRES: position < token_count().
  TokenId Token(std::uint64_t position) const;

  // The position of the token at an entry. REQUIRES: it is no separator.
  std::uint64_t PositionOf(std::uint64_t entry) const;

  // The number of a position's document, from 0. REQUIRES: position < token_count().
  std::uint64_t DocumentOf(std::uint64_t position) const;
  // Its positions. REQUIRES: document < document_count().
  RowRange Positions(std::uint64_t document) const;

  // Reads every byte; also that every entry is a token or, where documents end and only there, the separator. Throws
  // Error naming the file.
  void Verify() const;

 private:
  SectionFile file_;
  int width_ = 0;
  std::uint64_t token_count_ = 0;
  std::uint64_t vocabulary_size_ = 0;
  TokenId separator_ = 0;
  std::span<const std::byte> entries_;
  std::span<const std::uint64_t> begins_;
};

// Writes and flushes; returns the header's checksum. begins: where each document begins, ascending from 0, and the
// number of all tokens. REQUIRES: tokens are below vocabulary_size.
std::uint64_t WriteCorpusTokensFile(const std::filesystem::path& path, std::span<const TokenId> tokens,
                                    std::span<const std::uint64_t> begins, std::uint64_t vocabulary_size);

}  // namespace actkin

#endif  // ACTKIN_STORAGE_FORMATS_CORPUS_TOKENS_FILE_H_
