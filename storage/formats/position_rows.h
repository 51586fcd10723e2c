#ifndef ACTKIN_STORAGE_FORMATS_POSITION_ROWS_H_
#define ACTKIN_STORAGE_FORMATS_POSITION_ROWS_H_

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>

#include "storage/formats/row_map.h"
#include "storage/formats/section_file.h"

namespace actkin {

// Every position of a corpus has a row: row r is position r.
class AllPositions : public RowMap {
 public:
  // REQUIRES: position_count is at most the largest RowNumber.
  explicit AllPositions(std::uint64_t position_count) : position_count_(position_count) {}

  std::uint64_t row_count() const override { return position_count_; }
  std::uint64_t Number(RowNumber row) const override { return row; }
  std::optional<RowNumber> Row(std::uint64_t number) const override {
    return number < position_count_ ? std::optional(static_cast<RowNumber>(number)) : std::nullopt;
  }

 private:
  std::uint64_t position_count_;
};

// Some positions of a corpus have a row each. A section file of kind kPositions. Numbers: rows, positions of the
// corpus. Section 0: the position of each row (uint64), rising.
class PositionsFile : public RowMap {
 public:
  // Maps the file; reads only its header. Throws Error naming `path`.
  explicit PositionsFile(const std::filesystem::path& path);

  std::uint64_t row_count() const override { return positions_.size(); }
  std::uint64_t Number(RowNumber row) const override;
  std::optional<RowNumber> Row(std::uint64_t number) const override;
  std::uint64_t position_count() const { return position_count_; }
  std::uint64_t file_bytes() const { return file_.header().file_bytes; }
  std::uint64_t header_checksum() const { return file_.header_checksum(); }

  // Reads every byte; also that positions rise, and are of the corpus. Throws Error naming the file.
  void Verify() const;

 private:
  SectionFile file_;
  std::uint64_t position_count_ = 0;
  std::span<const std::uint64_t> positions_;
};

// Writes and flushes; returns the header's checksum. REQUIRES: positions rise, and are below position_count.
std::uint64_t WritePositionsFile(const std::filesystem::path& path, std::uint64_t position_count,
                                 std::span<const std::uint64_t> positions);

}  // namespace actkin

#endif  // ACTKIN_STORAGE_FORMATS_POSITION_ROWS_H_
