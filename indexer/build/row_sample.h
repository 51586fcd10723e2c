#ifndef ACTKIN_INDEXER_BUILD_ROW_SAMPLE_H_
#define ACTKIN_INDEXER_BUILD_ROW_SAMPLE_H_

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>

#include "schema/site.h"
#include "storage/catalog/catalog.h"
#include "storage/formats/vector_file.h"

namespace actkin {

// A few rows of a site as the model puts them out, evenly spread, kept beside rows that are rounded until the answers
// of both are compared. Written as a VectorFile is, by any number of threads.
class RowSample {
 public:
  // row_count: of the site. continued: the file holds rows of a former run.
  RowSample(const std::filesystem::path& path, std::uint64_t dimension, std::uint64_t row_count, bool continued);

  // Takes what belongs to the sample of these rows of the site; returns its share of the checksum.
  std::uint64_t Write(RowNumber first, std::span<const float> values);
  void Flush() { writer_.Flush(); }

  // How many of the nearest rows in the sample are the same in `rounded`, the site's rows as they are kept: of at most
  // 100 of its rows, in double precision, l2. None where there are fewer than two rows. checksum: the sum of all
  // shares. REQUIRES: all rows were written.
  std::optional<RoundingRow> Compare(std::uint64_t checksum, const VectorFile& rounded);

 private:
  const std::filesystem::path path_;
  const std::uint64_t dimension_;
  const std::uint64_t step_;
  const std::uint64_t count_;
  VectorFileWriter writer_;
};

}  // namespace actkin

#endif  // ACTKIN_INDEXER_BUILD_ROW_SAMPLE_H_
