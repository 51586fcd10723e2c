#ifndef ACTKIN_STORAGE_FORMATS_SITE_ROWS_H_
#define ACTKIN_STORAGE_FORMATS_SITE_ROWS_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "schema/site.h"
#include "storage/formats/vector_file.h"

namespace actkin {

// The vector files of a proj or ffwd site as one matrix, row_count() x dimension(). Immutable; any thread.
class SiteRows {
 public:
  // files: row ranges of one site, in any order, that together are rows 0..row_count-1, each once, of one dimension and
  // element. Throws Error naming a file when they are not.
  explicit SiteRows(std::vector<VectorFile> files);

  std::uint64_t row_count() const { return row_count_; }
  std::uint64_t dimension() const { return dimension_; }
  Element element() const { return element_; }
  // As stored, dimension() numbers of element(). REQUIRES: row < row_count().
  const std::byte* Stored(RowNumber row) const {
    return row < first_rows_ ? first_ + row * row_bytes_ : StoredInAnyFile(row);
  }
  // As float32; out: dimension(). REQUIRES: row < row_count().
  void Read(RowNumber row, std::span<float> out) const;
  // The path of the file that holds the row, for messages.
  const std::filesystem::path& Path(RowNumber row) const { return FileOf(row).path(); }
  // What tells these rows from any others: made of the checksums of the files' headers, which hold those of the rows.
  std::uint64_t checksum() const { return checksum_; }

 private:
  const VectorFile& FileOf(RowNumber row) const;
  const std::byte* StoredInAnyFile(RowNumber row) const;

  std::vector<VectorFile> files_;  // by first row; none is empty
  std::uint64_t row_count_ = 0;
  std::uint64_t dimension_ = 0;
  Element element_ = Element::kFloat32;
  std::size_t row_bytes_ = 0;
  const std::byte* first_ = nullptr;  // of the first file, which is usually the only one
  std::uint64_t first_rows_ = 0;
  std::uint64_t checksum_ = 0;
};

}  // namespace actkin

#endif  // ACTKIN_STORAGE_FORMATS_SITE_ROWS_H_
