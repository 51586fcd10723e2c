#ifndef ACTKIN_STORAGE_FORMATS_ROW_SOURCE_H_
#define ACTKIN_STORAGE_FORMATS_ROW_SOURCE_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <vector>

#include "schema/site.h"
#include "storage/formats/vector_file.h"

namespace actkin {

// Makes rows that are kept nowhere, the same numbers each time. out: rows x dimension. Any thread; throws Error.
using ComputeRows = std::function<void(std::span<const RowNumber> rows, std::span<float> out)>;

// The rows of a site, whatever asks for them: one matrix of row_count() x dimension() float32 numbers, kept in one file
// or several, or made when they are read. Rows of files can be used where they lie (parts, Stored); all can be copied
// (Read). Immutable; any thread.
class RowSource {
 public:
  // files: row ranges of one site, in any order, that together are rows 0..row_count-1, each once, of one dimension and
  // element. Throws Error naming a file when they are not.
  explicit RowSource(std::vector<VectorFile> files);
  // Rows that `compute` makes. name: what messages call them, as a file of rows is called by its path.
  RowSource(std::uint64_t row_count, std::uint64_t dimension, std::filesystem::path name, ComputeRows compute);

  std::uint64_t row_count() const { return row_count_; }
  std::uint64_t dimension() const { return dimension_; }
  // REQUIRES: not computed().
  Element element() const { return element_; }
  bool computed() const { return compute_ != nullptr; }

  // Rows that follow each other in memory, as stored.
  struct Part {
    RowRange rows;
    const std::byte* stored = nullptr;
  };
  // By first row, none empty, without gaps; none where the rows are computed.
  std::span<const Part> parts() const { return parts_; }
  // row_bytes() bytes. REQUIRES: not computed(); row < row_count().
  const std::byte* Stored(RowNumber row) const {
    const Part& part = row < parts_[0].rows.end ? parts_[0] : parts_[PartOf(row)];
    return part.stored + (row - part.rows.begin) * row_bytes_;
  }
  std::size_t row_bytes() const { return row_bytes_; }
  // Asks for a row's bytes, so that they are there when they are read a little later. REQUIRES: as Stored.
  void Prefetch(RowNumber row) const;

  // As float32; out: rows x dimension(). What is computed is made together: ask for many at once. Throws what `compute`
  // throws. REQUIRES: every row < row_count().
  void Read(RowNumber row, std::span<float> out) const { Read(RowRange{row, std::uint64_t{row} + 1}, out); }
  void Read(RowRange rows, std::span<float> out) const;
  void Read(std::span<const RowNumber> rows, std::span<float> out) const;
  // Says that these rows are not read again soon, so that a pass over all of a large site does not count as memory of
  // the process. They can be read as ever.
  void Forget(RowRange rows) const;

  // The path of the file that holds the row, for messages; of no rows at all that of a file that would.
  const std::filesystem::path& Path(RowNumber row) const;
  // What tells these rows from any others: made of the checksums of the files' headers, which hold those of the rows.
  // REQUIRES: not computed().
  std::uint64_t checksum() const { return checksum_; }

 private:
  std::size_t PartOf(RowNumber row) const;

  std::vector<VectorFile> files_;  // by first row
  std::vector<Part> parts_;        // of those that are not empty
  std::filesystem::path name_;     // of computed rows
  ComputeRows compute_;
  std::uint64_t row_count_ = 0;
  std::uint64_t dimension_ = 0;
  Element element_ = Element::kFloat32;
  std::size_t row_bytes_ = 0;
  std::uint64_t checksum_ = 0;
};

}  // namespace actkin

#endif  // ACTKIN_STORAGE_FORMATS_ROW_SOURCE_H_
