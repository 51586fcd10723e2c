#ifndef ACTKIN_STORAGE_FORMATS_CODE_FILE_H_
#define ACTKIN_STORAGE_FORMATS_CODE_FILE_H_

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "schema/site.h"
#include "storage/formats/section_file.h"

namespace actkin {

// An embedding site on disk, as a lossless product quantizer: row r at position m is tokens[code(r, m)] + positions[m].
// A section file of kind kCodes. Numbers: embed, positions, vocabulary size, bytes of a code (1 up to 256 tokens, else
// 2), first row, one past the last row. Sections: 0 token embeddings (vocabulary x embed, float32), 1 position
// embeddings (positions x embed, float32), 2 codes (rows x positions, row-major).
class CodeFile {
 public:
  // Maps the file; reads only its header. Throws Error naming `path`.
  explicit CodeFile(const std::filesystem::path& path);

  std::uint64_t embed() const { return embed_; }
  std::uint64_t positions() const { return positions_; }
  std::uint64_t vocabulary_size() const { return vocabulary_size_; }
  std::uint64_t code_bytes() const { return code_bytes_; }
  RowRange rows() const { return rows_; }
  std::uint64_t file_bytes() const { return file_.header().file_bytes; }
  std::uint64_t header_checksum() const { return file_.header_checksum(); }
  const std::filesystem::path& path() const { return file_.path(); }
  std::span<const float> tokens() const { return tokens_; }
  std::span<const float> position_embeddings() const { return position_embeddings_; }
  // rows().size() x positions() codes. REQUIRES: code_bytes() is the size of the type. A code may exceed the vocabulary
  // in a damaged file: a reader must not index by it unchecked.
  std::span<const std::uint8_t> Codes8() const;
  std::span<const std::uint16_t> Codes16() const;

  // Reads every byte; also that every code is below the vocabulary size. Throws Error naming the file.
  void Verify() const;

 private:
  SectionFile file_;
  std::uint64_t embed_ = 0;
  std::uint64_t positions_ = 0;
  std::uint64_t vocabulary_size_ = 0;
  std::uint64_t code_bytes_ = 0;
  RowRange rows_;
  std::span<const float> tokens_;
  std::span<const float> position_embeddings_;
};

// codes: rows x positions, each below the vocabulary size; tokens: vocabulary x embed; position_embeddings: positions x
// embed. Writes and flushes; returns the header's checksum. Throws Error above 65,536 tokens.
std::uint64_t WriteCodeFile(const std::filesystem::path& path, std::uint64_t embed, std::span<const float> tokens,
                            std::span<const float> position_embeddings, std::span<const TokenId> codes, RowRange rows);

}  // namespace actkin

#endif  // ACTKIN_STORAGE_FORMATS_CODE_FILE_H_
