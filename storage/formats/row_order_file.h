#ifndef ACTKIN_STORAGE_FORMATS_ROW_ORDER_FILE_H_
#define ACTKIN_STORAGE_FORMATS_ROW_ORDER_FILE_H_

#include <cstdint>
#include <filesystem>
#include <span>

#include "storage/formats/row_map.h"
#include "storage/formats/section_file.h"

namespace actkin {

// Which string each row of the sites at one t_i belongs to, and back. Rows stand in lexicographic order of their token
// ids (a capture in that order writes every site front to back); strings are numbered by first occurrence. A section
// file of kind kRowOrder. Numbers: string length, row count. Sections: 0 the ordinal of each row's string (uint32), 1
// the row of each ordinal (uint32).
class RowOrderFile : public RowMap {
 public:
  // Maps the file; reads only its header. Throws Error naming `path`.
  explicit RowOrderFile(const std::filesystem::path& path);

  std::uint64_t string_length() const { return string_length_; }
  std::uint64_t row_count() const override { return row_to_ordinal_.size(); }
  std::uint64_t file_bytes() const { return file_.header().file_bytes; }
  std::uint64_t header_checksum() const { return file_.header_checksum(); }
  std::uint64_t Number(RowNumber row) const override { return Ordinal(row); }
  std::optional<RowNumber> Row(std::uint64_t number) const override {
    return number < row_count() ? std::optional(RowOf(static_cast<StringOrdinal>(number))) : std::nullopt;
  }
  // REQUIRES: the argument is below row_count(). Throws Error naming the file when it holds a number that is not.
  StringOrdinal Ordinal(RowNumber row) const;
  RowNumber RowOf(StringOrdinal ordinal) const;

  // Reads every byte; also that each of the two is the inverse of the other. Throws Error naming the file.
  void Verify() const;

 private:
  SectionFile file_;
  std::uint64_t string_length_ = 0;
  std::span<const std::uint32_t> row_to_ordinal_;
  std::span<const std::uint32_t> ordinal_to_row_;
};

// Writes and flushes; returns the header's checksum. REQUIRES: row_to_ordinal is a permutation of 0..size-1.
std::uint64_t WriteRowOrderFile(const std::filesystem::path& path, std::uint64_t string_length,
                                std::span<const StringOrdinal> row_to_ordinal);

}  // namespace actkin

#endif  // ACTKIN_STORAGE_FORMATS_ROW_ORDER_FILE_H_
