#ifndef ACTKIN_STORAGE_FORMATS_SKETCH_FILE_H_
#define ACTKIN_STORAGE_FORMATS_SKETCH_FILE_H_

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <vector>

#include "schema/site.h"
#include "storage/formats/row_moments.h"
#include "storage/formats/section_file.h"

namespace actkin {

// Sketches: a few bytes a row that bound its distance to any query from both sides, so that a search reads few rows.
//
// A row x is seen from the center (the rows' mean, in float32): z = x - center, drawn in to a length of `reach` where
// it is longer. Its sketch is a sequence of levels. Each has the coordinates of z along the next of the site's
// principal axes and, as its last code, the length of what these axes and those of the levels before leave of z; all
// are drawn in to what their codes reach, and rounded. Drawing in, to a ball or to a box, takes no two points farther
// apart: so the codes of a row and of a query that is drawn in likewise bound their distance from below. Of rows that
// are not longer than `reach` they bound it from above as well, where it is known how far their numbers are from what
// their codes say: few rows are far, and so that these do not spoil the bounds of the others, this is kept by box.
//
// The first level is coarse. The rows stand in an order, by `place`, in which neighbors in space are neighbors, and of
// each block of 64 of them the smallest and the largest coarse codes are kept: a box. So they are of each group of 64
// blocks.
inline constexpr std::size_t kMostLevels = 6;
inline constexpr std::size_t kMostCodes = 128;  // of a level
inline constexpr std::size_t kCoarseCodes = 16;
// Levels have a multiple of so many codes.
inline constexpr std::size_t kCodeUnit = 16;

// How many levels a site has, and how many codes each: the coarse one first.
struct SketchLevels {
  std::size_t count = 1;
  std::array<std::size_t, kMostLevels> codes{kCoarseCodes};

  constexpr std::size_t axes(std::size_t level) const { return codes[level] - 1; }
  // The first axis of a level; of `count`: how many axes there are.
  constexpr std::size_t FirstAxis(std::size_t level) const {
    std::size_t sum = 0;
    for (std::size_t before = 0; before < level; ++before) sum += axes(before);
    return sum;
  }
  constexpr std::size_t axis_count() const { return FirstAxis(count); }
  void Add(std::size_t level_codes) { codes[count++] = level_codes; }
  bool operator==(const SketchLevels&) const = default;
};
// What forecasts count with: which levels pay is seen when the rows are there.
inline constexpr SketchLevels kUsualLevels{2, {kCoarseCodes, 48}};

inline constexpr int kCodeLimit = 127;  // codes are -limit..limit
inline constexpr std::uint32_t kMaximumExponent = 3;
// Codes that have one exponent.
inline constexpr std::size_t kQuad = 4;
// The codes of all levels stand row after row, those of boxes' corners box after box; the last 64 boxes are filled up
// with copies of the last box.
inline constexpr std::size_t kBlockRows = 64;
inline constexpr std::size_t kBlockBytes = kBlockRows * kCoarseCodes;
// Blocks that hold so many rows; groups that hold so many blocks.
constexpr std::uint64_t SketchBlocks(std::uint64_t count) { return (count + kBlockRows - 1) / kBlockRows; }
// Smaller sites have no sketches: reading their rows is faster.
inline constexpr std::uint64_t kFewestRowsWithSketches = 4096;

// What a level's codes mean. Code i is worth step * 2^exponents[i / 4], the last one rest_step, more than rest_center.
// Errors are the largest Euclidean distances, over all rows, between the row as it was drawn in and what the codes say.
struct LevelScales {
  double step = 1;
  double near_error = 0;
  double rest_step = 1;
  double rest_center = 0;
  double rest_near_error = 0;
  std::array<std::uint32_t, kMostCodes / kQuad> exponents{};  // never increase
};

// Of searches that stop early, after so many rows of the most promising blocks, the share of the 10 nearest that they
// find, by metric: of rows of the site that were asked for their own neighbors.
inline constexpr std::size_t kMetricCount = 4;
inline constexpr std::size_t kEarlyStops = 14;
constexpr std::uint64_t EarlyStopRows(std::size_t stop) { return std::uint64_t{256} << stop; }
using FoundEarly = std::array<std::array<double, kEarlyStops>, kMetricCount>;

struct SketchScales {
  // |axes axes^T - 1| in the 2-norm, or more: how far the stored axes are from orthonormal.
  double axis_defect = 0;
  double reach = 0;
  double longest = 0;  // of the rows: no row is longer
  std::array<LevelScales, kMostLevels> levels;
  FoundEarly found_early{};
};

// Rows that are longer, or all of which are nearer to the center, are not told apart: `reach` is 0.
inline constexpr double kLargestReach = 1e15;
inline constexpr double kSmallestReach = 1e-15;

// Whose boxes: of blocks of rows, or of groups of blocks.
enum class BoxOf : std::uint8_t { kBlock, kGroup };

// Of a level's codes: those along its axes, or the last one.
enum class CodesOf : std::uint8_t { kAxes, kRest };

// From where a length is measured.
enum class LengthFrom : std::uint8_t { kZero, kMean };

// The sketches of all rows of a site, in a section file of kind kSketches. The layout is in storage/formats/README.md.
class SketchFile {
 public:
  // Maps the file; reads only its header and the scales. Throws Error naming `path`.
  explicit SketchFile(const std::filesystem::path& path);

  std::uint64_t dimension() const { return dimension_; }
  std::uint64_t row_count() const { return row_count_; }
  const SketchLevels& levels() const { return levels_; }
  std::uint64_t block_count() const { return block_count_; }
  std::uint64_t group_count() const { return SketchBlocks(block_count_); }
  std::uint64_t file_bytes() const { return file_.header().file_bytes; }
  std::uint64_t header_checksum() const { return file_.header_checksum(); }
  const std::filesystem::path& path() const { return file_.path(); }

  const SketchScales& scales() const { return scales_; }
  // So many rows must be looked at to find this share of the 10 nearest under a metric; none where only all will do.
  std::optional<std::uint64_t> RowsThatFind(Metric metric, double share) const;
  std::span<const double> mean() const { return mean_; }     // dimension
  std::span<const float> center() const { return center_; }  // dimension
  std::span<const float> axes() const { return axes_; }      // levels().axis_count() x dimension; zeros beyond it
  // Throws Error naming the file when what stands there is no row, or no place, of the site. REQUIRES: below
  // row_count().
  RowNumber RowAt(std::uint64_t place) const;
  std::uint64_t PlaceOf(RowNumber row) const;
  // Corners of the boxes [64 part, 64 part + 64): kBlockBytes each. Beyond the last box stand copies of it.
  const std::int8_t* LowCorners(BoxOf of, std::uint64_t part) const {
    return boxes_[static_cast<std::size_t>(of)] + part * 2 * kBlockBytes;
  }
  const std::int8_t* HighCorners(BoxOf of, std::uint64_t part) const { return LowCorners(of, part) + kBlockBytes; }
  // A number a box, of its rows' lengths, for as many boxes.
  std::span<const float> Shortest(BoxOf of, LengthFrom from) const {
    return extents_[static_cast<std::size_t>(of)][static_cast<std::size_t>(from)][0];
  }
  std::span<const float> Longest(BoxOf of, LengthFrom from) const {
    return extents_[static_cast<std::size_t>(of)][static_cast<std::size_t>(from)][1];
  }
  // A number a box, for as many boxes: the largest Euclidean distance between the numbers of a row and what its codes
  // say, over the rows that are not longer than `reach`. REQUIRES: level < levels().count.
  std::span<const float> FarErrors(BoxOf of, std::size_t level, CodesOf codes) const {
    return far_errors_[static_cast<std::size_t>(of)][level][static_cast<std::size_t>(codes)];
  }
  // A number a place, rounded to float32; whole blocks.
  std::span<const float> Lengths(LengthFrom from) const { return lengths_[static_cast<std::size_t>(from)]; }
  // levels().codes[level] codes a place. REQUIRES: level < levels().count.
  const std::int8_t* Codes(std::size_t level) const { return codes_[level]; }

  // Reads every byte. Throws Error naming the file when one is not as written.
  void Verify() const { file_.VerifyBytes(); }

 private:
  SectionFile file_;
  std::uint64_t dimension_ = 0;
  std::uint64_t row_count_ = 0;
  SketchLevels levels_;
  std::uint64_t block_count_ = 0;
  SketchScales scales_;
  std::span<const double> mean_;
  std::span<const float> center_;
  std::span<const float> axes_;
  std::span<const std::uint32_t> rows_;    // by place
  std::span<const std::uint32_t> places_;  // by row
  std::array<const std::int8_t*, 2> boxes_{};
  std::array<std::array<std::array<std::span<const float>, 2>, 2>, 2> extents_;
  std::array<std::array<std::array<std::span<const float>, 2>, kMostLevels>, 2> far_errors_;
  std::array<std::span<const float>, 2> lengths_;
  std::array<const std::int8_t*, kMostLevels> codes_{};
};

// Writes a sketch file. Different threads may write codes of different places.
class SketchFileWriter {
 public:
  SketchFileWriter(const std::filesystem::path& path, std::uint64_t dimension, std::uint64_t row_count,
                   const SketchLevels& levels);

  // All throw Error naming the file.
  // mean: dimension; center: dimension; axes: levels.axis_count() x dimension.
  void WriteHead(const SketchScales& scales, std::span<const double> mean, std::span<const float> center,
                 std::span<const float> axes);
  // rows: by place, every row once.
  void WriteOrder(std::span<const RowNumber> rows);
  // coarse: of all places, from which the boxes are made.
  void WriteCoarse(std::span<const std::int8_t> coarse);
  // By block.
  void WriteFarErrors(std::size_t level, CodesOf codes, std::span<const float> errors);
  // By place.
  void WriteLengths(LengthFrom from, std::span<const float> lengths);
  // Of consecutive places. REQUIRES: 0 < level < levels.count.
  void WriteCodes(std::size_t level, std::uint64_t first_place, std::span<const std::int8_t> codes);
  // Writes the header and flushes. REQUIRES: everything else was written. Returns the header's checksum.
  std::uint64_t Finish();

  static std::uint64_t FileBytes(std::uint64_t dimension, std::uint64_t row_count, const SketchLevels& levels);
  // Of such a file, as far as nothing is written yet: without checksums.
  static SectionFileHeader Header(std::uint64_t dimension, std::uint64_t row_count, const SketchLevels& levels);

 private:
  // Where a part of the section of blocks begins.
  void WriteNumbers(std::uint64_t part, std::span<const float> numbers);
  // of: a BoxOf's number.
  void WriteCorners(std::size_t of, std::span<const std::int8_t> low, std::span<const std::int8_t> high);

  std::filesystem::path path_;
  std::uint64_t row_count_;
  SketchLevels levels_;
  SectionFileHeader header_;
  OutputFile file_;
};

}  // namespace actkin

#endif  // ACTKIN_STORAGE_FORMATS_SKETCH_FILE_H_
