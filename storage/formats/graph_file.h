#ifndef ACTKIN_STORAGE_FORMATS_GRAPH_FILE_H_
#define ACTKIN_STORAGE_FORMATS_GRAPH_FILE_H_

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "schema/site.h"
#include "storage/formats/section_file.h"

namespace actkin {

// What follows the last link of a row, where it has fewer than there is room for.
inline constexpr RowNumber kNoLink = 0xFFFFFFFF;

// An HNSW graph (Malkov, Yashunin: Efficient and robust approximate nearest neighbor search using Hierarchical
// Navigable Small World graphs, https://arxiv.org/abs/1603.09320) over the rows of a site. It holds links and no copy
// of the rows.
struct HnswGraph {
  Metric metric = Metric::kL2;
  std::uint64_t dimension = 0;
  std::uint64_t row_count = 0;
  std::uint64_t rows_checksum = 0;  // RowSource::checksum of the rows that it links
  std::uint32_t base_links = 0;     // room for links at level 0, 2 M
  std::uint32_t upper_links = 0;    // and at each level above, M
  RowNumber entry_point = 0;        // a row of the top level
  std::uint32_t top_level = 0;

  std::span<const RowNumber> base;  // row_count x base_links
  // The rows above level 0, ascending; row upper_rows[i] has levels 1.. in blocks upper_blocks[i]..upper_blocks[i+1]-1,
  // each of upper_links links.
  std::span<const RowNumber> upper_rows;
  std::span<const std::uint32_t> upper_blocks;  // one more than upper_rows
  std::span<const RowNumber> upper;
  // For cosine: one over each row's norm, 0 for a row of zeros.
  std::span<const float> inverse_norms;
};

// A section file of kind kGraph. Numbers: metric, dimension, rows, links at level 0, links above, entry point, top
// level, rows' checksum. Sections: 0 base, 1 upper_rows then upper_blocks, 2 upper, 3 inverse_norms.
class GraphFile {
 public:
  // Maps the file; reads only its header. Throws Error naming `path`.
  explicit GraphFile(const std::filesystem::path& path);

  const HnswGraph& graph() const { return graph_; }
  std::uint64_t file_bytes() const { return file_.header().file_bytes; }
  std::uint64_t header_checksum() const { return file_.header_checksum(); }
  const std::filesystem::path& path() const { return file_.path(); }

  // A row's links at a level; kNoLink ends them, where they are fewer than their room. Their numbers are as they stand
  // in the file: a reader must not index by them unchecked. Throws Error naming the file when the row is not on the
  // level.
  std::span<const RowNumber> Links(RowNumber row, std::uint32_t level) const;
  // Throws Error naming the file: what a reader does that met a link to a row that is not there.
  [[noreturn]] void FailOnLink(RowNumber row, RowNumber link) const;

  // Reads every byte; also that every link is to a row of its level. Throws Error naming the file.
  void Verify() const;

 private:
  SectionFile file_;
  HnswGraph graph_;
};

// Writes and flushes; returns the header's checksum.
std::uint64_t WriteGraphFile(const std::filesystem::path& path, const HnswGraph& graph);

}  // namespace actkin

#endif  // ACTKIN_STORAGE_FORMATS_GRAPH_FILE_H_
