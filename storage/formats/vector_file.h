#ifndef ACTKIN_STORAGE_FORMATS_VECTOR_FILE_H_
#define ACTKIN_STORAGE_FORMATS_VECTOR_FILE_H_

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "schema/site.h"
#include "storage/formats/section_file.h"

namespace actkin {

inline constexpr std::uint64_t kMaximumDimension = 1U << 20;

// Bytes of a row as it is stored; of none 0.
std::uint64_t StoredRowBytes(Element element, std::uint64_t dimension);

// A range of a site's rows on disk: a section file of kind kVectors. Numbers: element, dimension, first row, one past
// the last row. Section 1: the rows (rows x dimension, row-major). The rows' checksum is the sum, modulo 2^64, of every
// row's xxh3 seeded with its row number: it does not depend on the order in which threads write, and a resumed build
// continues it. Rows of int8 are those of storage/machine/int8_rows.h.
class VectorFile {
 public:
  // Maps the file; reads only its header. Throws Error naming `path` when the header, or a size in it, is wrong.
  explicit VectorFile(const std::filesystem::path& path);

  Element element() const { return element_; }
  std::uint64_t dimension() const { return dimension_; }
  RowRange rows() const { return rows_; }
  std::uint64_t file_bytes() const { return file_.header().file_bytes; }
  std::uint64_t header_checksum() const { return file_.header_checksum(); }
  const std::filesystem::path& path() const { return file_.path(); }
  // Where in the file the rows begin, in bytes.
  std::uint64_t rows_offset() const;
  // All rows as they are stored.
  std::span<const std::byte> stored() const { return body_; }
  // All stored numbers from rows().begin on: rows().size() x dimension().
  // REQUIRES: element() is the one named.
  std::span<const float> Float32() const;
  std::span<const std::uint16_t> Float16() const;  // IEEE 754 binary16
  // One stored row as float32. REQUIRES: row lies in rows().
  std::vector<float> Row(RowNumber row) const;
  // out: range.size() x dimension(), as float32. REQUIRES: the range lies in rows().
  void ReadRows(RowRange range, std::span<float> out) const;

  // Reads every byte. Throws Error naming the file when one is not as written.
  void Verify() const;

 private:
  SectionFile file_;
  Element element_ = Element::kFloat32;
  std::uint64_t dimension_ = 0;
  RowRange rows_;
  std::span<const std::byte> body_;
};

// Writes a vector file, by any number of threads and in any order of rows, each row once (or again with the same
// bytes).
class VectorFileWriter {
 public:
  // `continued`: the file holds rows of a former run, whose checksum sum is `checksum`.
  VectorFileWriter(const std::filesystem::path& path, Element element, std::uint64_t dimension, RowRange rows,
                   bool continued = false, std::uint64_t checksum = 0);

  // values: count x dimension, row-major. Thread-safe. Throws Error when a value is NaN or infinite, or becomes
  // infinite as float16; returns the rows' share of the checksum, for AddChecksum once they count as written.
  std::uint64_t WriteRows(RowNumber first, std::span<const float> values);
  void AddChecksum(std::uint64_t share) { checksum_ += share; }
  std::uint64_t checksum() const { return checksum_; }
  // What has been written is on the medium.
  void Flush() { file_.Flush(); }
  // Writes the header and flushes. REQUIRES: every row was written. Returns the header's checksum.
  std::uint64_t Finish();

  static std::uint64_t FileBytes(Element element, std::uint64_t dimension, std::uint64_t row_count);

 private:
  SectionFileHeader header_;
  OutputFile file_;
  Element element_;
  std::uint64_t dimension_;
  RowRange rows_;
  std::atomic<std::uint64_t> checksum_;
};

}  // namespace actkin

#endif  // ACTKIN_STORAGE_FORMATS_VECTOR_FILE_H_
