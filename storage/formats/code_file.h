#ifndef ACTKIN_STORAGE_FORMATS_CODE_FILE_H_
#define ACTKIN_STORAGE_FORMATS_CODE_FILE_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <vector>

#include "schema/site.h"
#include "storage/formats/section_file.h"

namespace actkin {

// An embedding site on disk, as a lossless product quantizer: row r at position m is tokens[code(r, m)] +
// positions[m], or the token's alone where the model has no table of positions. Only tokens that occur in the rows are
// kept. A section file of kind kCodes. Numbers: embed, positions, tokens, bytes of a code (1 up to 256 tokens, 2 up to
// 65,536, else 4), first row, one past the last row, position embeddings (as many as positions, or 0). Sections: 0
// token embeddings (tokens x embed, float32), 1 position embeddings (likewise), 2 codes (rows x positions, row-major),
// 3 the tokens' ids (uint32, ascending).
class CodeFile {
 public:
  // Maps the file; reads only its header. Throws Error naming `path`.
  explicit CodeFile(const std::filesystem::path& path);

  std::uint64_t embed() const { return embed_; }
  std::uint64_t positions() const { return positions_; }
  // How many tokens occur in the rows.
  std::uint64_t token_count() const { return token_count_; }
  std::uint64_t code_bytes() const { return code_bytes_; }
  RowRange rows() const { return rows_; }
  std::uint64_t file_bytes() const { return file_.header().file_bytes; }
  std::uint64_t header_checksum() const { return file_.header_checksum(); }
  const std::filesystem::path& path() const { return file_.path(); }
  // token_count() x embed().
  std::span<const float> token_embeddings() const { return token_embeddings_; }
  // token_count() ids, ascending.
  std::span<const TokenId> token_ids() const { return token_ids_; }
  // positions() x embed(), or empty.
  std::span<const float> position_embeddings() const { return position_embeddings_; }
  // rows().size() x positions() codes. REQUIRES: code_bytes() is the size of the type. A code may exceed the tokens in
  // a damaged file: a reader must not index by it unchecked.
  template <typename Code>
  std::span<const Code> Codes() const;

  // Reads every byte; also that every code is below token_count() and that ids ascend. Throws Error naming the file.
  void Verify() const;

 private:
  SectionFile file_;
  std::uint64_t embed_ = 0;
  std::uint64_t positions_ = 0;
  std::uint64_t token_count_ = 0;
  std::uint64_t code_bytes_ = 0;
  RowRange rows_;
  std::span<const float> token_embeddings_;
  std::span<const float> position_embeddings_;
  std::span<const TokenId> token_ids_;
};

// What a code file is made of.
struct CodedRows {
  RowRange rows;
  std::uint64_t positions = 0;
  std::uint64_t embed = 0;
  std::span<const TokenId> tokens;  // rows x positions
  // embed numbers, valid until the next call; asked once for each token that occurs, in ascending order.
  std::function<std::span<const float>(TokenId)> embedding_of;
  std::span<const float> position_embeddings;  // positions x embed, or empty: the model has none
};

// Writes and flushes; returns the header's checksum. REQUIRES: sizes are as said, and none of embed, positions and rows
// is 0.
std::uint64_t WriteCodeFile(const std::filesystem::path& path, const CodedRows& coded);

}  // namespace actkin

#endif  // ACTKIN_STORAGE_FORMATS_CODE_FILE_H_
