#ifndef ACTKIN_STORAGE_FORMATS_SKETCH_FILE_H_
#define ACTKIN_STORAGE_FORMATS_SKETCH_FILE_H_

#include <array>
#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "schema/site.h"
#include "storage/formats/section_file.h"

namespace actkin {

// Sketches: a few bytes a row that bound its distance to any query from both sides, so that a search reads few rows.
//
// A view is what a metric compares: for l2 the rows themselves, for cosine the rows at unit length (the squared
// distance of unit vectors is 2 - 2 cosine; a row of zeros, which has cosine 0 to everything, stands for a unit vector
// in a dimension of its own). A view has a center and orthonormal axes, the leading principal axes of its rows. Of a
// vector x of the view, with z = x - center, a level with n coordinates keeps
//
//     h = (the first n-1 of axes z, |what they leave of z| - tail_center)
//
// quantized to 8 bits: two levels, coarse (16 coordinates, that a search reads for every row) and fine (64).
// The distance of x and q lies between the distance of their h and that of h(x) and h(q) with the last coordinate's
// norm negated (the reverse triangle inequality on what the axes leave, both ways).
inline constexpr std::size_t kCoarseCoordinates = 16;
inline constexpr std::size_t kFineCoordinates = 64;
inline constexpr std::size_t kSketchAxes = kFineCoordinates - 1;
inline constexpr int kCodeLimit = 127;  // codes are -limit..limit
inline constexpr int kMaximumExponent = 3;
// Coarse codes stand in blocks of rows: pair after pair of coordinates, in each row after row the pair's two codes. The
// last block is filled up with copies of the last row. Fine codes stand row after row.
inline constexpr std::size_t kBlockRows = 64;
inline constexpr std::size_t kBlockBytes = kBlockRows * kCoarseCoordinates;
// Smaller sites have no sketches: reading their rows is faster.
inline constexpr std::uint64_t kFewestRowsWithSketches = 4096;

// How the h of a level become codes. Code i is of coordinate order[i] of h, and worth step * 2^exponents[i / 2], in
// units of the view: exponents let pairs of wide coordinates have coarser codes, and never increase.
template <std::size_t kCoordinates>
struct LevelScales {
  static constexpr std::size_t kCodes = kCoordinates;
  static constexpr std::size_t kPairs = kCoordinates / 2;

  double step = 0;
  double tail_center = 0;
  // The largest Euclidean distance, over all rows, between a row's true h and what its codes say.
  double error = 0;
  std::array<std::uint32_t, kCodes> order{};
  std::array<std::uint32_t, kPairs> exponents{};
};

struct SketchScales {
  LevelScales<kCoarseCoordinates> coarse;
  LevelScales<kFineCoordinates> fine;
  // |axes axes^T - 1| in the 2-norm, or more: how far the stored axes are from orthonormal.
  double axis_defect = 0;
};

// A view as it is stored. Spans point into the mapped file.
struct SketchView {
  SketchScales scales;
  std::span<const float> center;        // dimension
  std::span<const float> axes;          // kSketchAxes x dimension; rows of zeros beyond the dimension
  std::span<const std::int8_t> coarse;  // blocks x kBlockBytes
  std::span<const std::int8_t> fine;    // rows x kFineCoordinates
};

// The sketches of all rows of a site, in a section file of kind kSketches. Numbers: dimension, rows, coarse and fine
// coordinates. Sections: 0 scales, center and axes for l2, 1 its codes, coarse then fine; 2 and 3 likewise for cosine.
class SketchFile {
 public:
  // Maps the file; reads only its header and the scales. Throws Error naming `path`.
  explicit SketchFile(const std::filesystem::path& path);

  std::uint64_t dimension() const { return dimension_; }
  std::uint64_t row_count() const { return row_count_; }
  std::uint64_t file_bytes() const { return file_.header().file_bytes; }
  std::uint64_t header_checksum() const { return file_.header_checksum(); }
  const std::filesystem::path& path() const { return file_.path(); }
  const SketchView& view(Metric metric) const { return views_[static_cast<std::size_t>(metric)]; }

  // Reads every byte. Throws Error naming the file when one is not as written.
  void Verify() const { file_.VerifyBytes(); }

 private:
  SectionFile file_;
  std::uint64_t dimension_ = 0;
  std::uint64_t row_count_ = 0;
  std::array<SketchView, 2> views_;
};

// Writes a sketch file. Different threads may write different blocks.
class SketchFileWriter {
 public:
  SketchFileWriter(const std::filesystem::path& path, std::uint64_t dimension, std::uint64_t row_count);

  // codes of whole blocks from `first_block` on. Throws Error naming the file.
  void WriteCoarse(Metric metric, std::uint64_t first_block, std::span<const std::int8_t> codes);
  void WriteFine(Metric metric, std::uint64_t first_row, std::span<const std::int8_t> codes);
  // center: dimension; axes: kSketchAxes x dimension.
  void WriteView(Metric metric, const SketchScales& scales, std::span<const float> center, std::span<const float> axes);
  // Writes the header and flushes. REQUIRES: everything else was written. Returns the header's checksum.
  std::uint64_t Finish();

  static std::uint64_t FileBytes(std::uint64_t dimension, std::uint64_t row_count);

 private:
  std::filesystem::path path_;
  SectionFileHeader header_;
  OutputFile file_;
};

// Blocks that hold this many rows.
constexpr std::uint64_t SketchBlocks(std::uint64_t row_count) { return (row_count + kBlockRows - 1) / kBlockRows; }

}  // namespace actkin

#endif  // ACTKIN_STORAGE_FORMATS_SKETCH_FILE_H_
