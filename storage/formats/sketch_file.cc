#include "storage/formats/sketch_file.h"

#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "schema/error.h"
#include "storage/formats/vector_file.h"

namespace actkin {
namespace {

enum Number { kDimension, kRows, kLevels };
enum SectionNumber { kHead, kOrder, kBlocks, kCodes };

static_assert(std::is_trivially_copyable_v<SketchScales> && sizeof(SketchScales) % sizeof(double) == 0);

std::uint64_t PaddedRows(std::uint64_t row_count) { return SketchBlocks(row_count) * kBlockRows; }

// Boxes of blocks, or of groups; and so many that they fill whole parts of 64.
std::uint64_t Boxes(BoxOf of, std::uint64_t row_count) {
  const std::uint64_t blocks = SketchBlocks(row_count);
  return of == BoxOf::kBlock ? blocks : SketchBlocks(blocks);
}
std::uint64_t PaddedBoxes(BoxOf of, std::uint64_t row_count) { return SketchBlocks(Boxes(of, row_count)) * kBlockRows; }

constexpr std::array kBoxesOf{BoxOf::kBlock, BoxOf::kGroup};

// Where each part of the section of blocks begins.
struct BlockParts {
  explicit BlockParts(std::uint64_t row_count) {
    for (const BoxOf of : kBoxesOf) {
      corners[static_cast<std::size_t>(of)] = bytes;
      bytes += PaddedBoxes(of, row_count) * 2 * kCoarseCodes;
    }
    for (const BoxOf of : kBoxesOf) {
      for (auto& of_length : extents[static_cast<std::size_t>(of)]) {
        for (std::uint64_t& end : of_length) {
          end = bytes;
          bytes += PaddedBoxes(of, row_count) * sizeof(float);
        }
      }
    }
    for (std::uint64_t& from : lengths) {
      from = bytes;
      bytes += PaddedRows(row_count) * sizeof(float);
    }
  }

  std::array<std::uint64_t, 2> corners{};
  std::array<std::array<std::array<std::uint64_t, 2>, 2>, 2> extents{};  // of; from; shortest or longest
  std::array<std::uint64_t, 2> lengths{};
  std::uint64_t bytes = 0;
};

std::uint64_t HeadBytes(std::uint64_t dimension, std::size_t level_count) {
  return sizeof(SketchScales) + dimension * sizeof(double) + (1 + FirstAxis(level_count)) * dimension * sizeof(float);
}

// Where the codes of a level begin; of the number of levels: where all end.
std::uint64_t CodesBegin(std::size_t level, std::uint64_t row_count) {
  std::uint64_t bytes = SketchBlocks(row_count) * kBlockBytes;
  for (std::size_t before = 0; before < level; ++before) bytes += row_count * kLevelCodes[before];
  return bytes;
}

SectionFileHeader NewHeader(std::uint64_t dimension, std::uint64_t row_count, std::size_t level_count) {
  SectionFileHeader header;
  header.kind = FileKind::kSketches;
  header.numbers[kDimension] = dimension;
  header.numbers[kRows] = row_count;
  header.numbers[kLevels] = level_count;
  header.sections[kHead].bytes = HeadBytes(dimension, level_count);
  header.sections[kOrder].bytes = 2 * row_count * sizeof(std::uint32_t);
  header.sections[kBlocks].bytes = BlockParts(row_count).bytes;
  header.sections[kCodes].bytes = CodesBegin(level_count, row_count);
  LayOutSections(header);
  return header;
}

bool IsBound(double number) { return std::isfinite(number) && number >= 0; }

// Whatever stands here, a search reads nothing outside the file; but a bound must be a number.
bool Sane(const LevelScales& scales) {
  bool sane = IsBound(scales.step) && scales.step > 0 && IsBound(scales.rest_step) && scales.rest_step > 0;
  for (const double number :
       {scales.near_error, scales.far_error, scales.rest_center, scales.rest_near_error, scales.rest_far_error}) {
    sane = sane && IsBound(number);
  }
  std::uint32_t before = kMaximumExponent;
  for (const std::uint32_t exponent : scales.exponents) {
    sane = sane && exponent <= before;
    before = exponent;
  }
  return sane;
}

bool Sane(const SketchScales& scales) {
  return std::ranges::all_of(scales.levels, [](const LevelScales& level) { return Sane(level); }) &&
         IsBound(scales.axis_defect) && scales.axis_defect < 0.5 && IsBound(scales.reach) && IsBound(scales.longest);
}

}  // namespace

SketchFile::SketchFile(const std::filesystem::path& path) : file_(path, FileKind::kSketches) {
  const auto& numbers = file_.header().numbers;
  dimension_ = numbers[kDimension];
  row_count_ = numbers[kRows];
  const bool sane = dimension_ > 0 && dimension_ <= kMaximumDimension && row_count_ > 0 &&
                    row_count_ <= std::numeric_limits<RowNumber>::max() && numbers[kLevels] > 0 &&
                    numbers[kLevels] <= kMostLevels;
  if (!sane) FailDamaged("{}: damaged: dimension, rows or levels are out of range", path.string());
  level_count_ = numbers[kLevels];
  block_count_ = SketchBlocks(row_count_);
  const SectionFileHeader expected = NewHeader(dimension_, row_count_, level_count_);
  for (std::size_t section = 0; section < expected.sections.size(); ++section) {
    if (file_.section(section).size() != expected.sections[section].bytes) {
      FailDamaged("{}: damaged: its sections are not the sketches of {} rows of {} numbers", path.string(), row_count_,
                  dimension_);
    }
  }
  const std::byte* head = file_.section(kHead).data();
  std::memcpy(&scales_, head, sizeof(SketchScales));
  if (!Sane(scales_)) FailDamaged("{}: damaged: its scales are out of range", path.string());
  mean_ = {reinterpret_cast<const double*>(head + sizeof(SketchScales)), dimension_};
  const auto* floats = reinterpret_cast<const float*>(mean_.data() + dimension_);
  center_ = {floats, dimension_};
  axes_ = {floats + dimension_, FirstAxis(level_count_) * dimension_};
  const auto* order = reinterpret_cast<const std::uint32_t*>(file_.section(kOrder).data());
  rows_ = {order, row_count_};
  places_ = {order + row_count_, row_count_};
  const std::byte* blocks = file_.section(kBlocks).data();
  const BlockParts parts(row_count_);
  for (const BoxOf of : kBoxesOf) {
    const auto number = static_cast<std::size_t>(of);
    boxes_[number] = reinterpret_cast<const std::int8_t*>(blocks + parts.corners[number]);
    for (std::size_t from = 0; from < 2; ++from) {
      for (std::size_t end = 0; end < 2; ++end) {
        extents_[number][from][end] = {reinterpret_cast<const float*>(blocks + parts.extents[number][from][end]),
                                       PaddedBoxes(of, row_count_)};
      }
    }
  }
  for (std::size_t from = 0; from < 2; ++from) {
    lengths_[from] = {reinterpret_cast<const float*>(blocks + parts.lengths[from]), PaddedRows(row_count_)};
  }
  coarse_ = reinterpret_cast<const std::int8_t*>(file_.section(kCodes).data());
  for (std::size_t level = 0; level < level_count_; ++level) {
    codes_[level] = reinterpret_cast<const std::int8_t*>(file_.section(kCodes).data() + CodesBegin(level, row_count_));
  }
}

RowNumber SketchFile::RowAt(std::uint64_t place) const {
  if (rows_[place] >= row_count_) FailDamaged("{}: damaged: place {} holds no row", path().string(), place);
  return rows_[place];
}

std::uint64_t SketchFile::PlaceOf(RowNumber row) const {
  if (places_[row] >= row_count_) FailDamaged("{}: damaged: row {} has no place", path().string(), row);
  return places_[row];
}

SketchFileWriter::SketchFileWriter(const std::filesystem::path& path, std::uint64_t dimension, std::uint64_t row_count,
                                   std::size_t level_count)
    : path_(path),
      row_count_(row_count),
      header_(NewHeader(dimension, row_count, level_count)),
      file_(path, OutputFile::Mode::kCreate) {
  file_.Resize(header_.file_bytes);
}

void SketchFileWriter::WriteHead(const SketchScales& scales, std::span<const double> mean,
                                 std::span<const float> center, std::span<const float> axes) {
  std::uint64_t offset = header_.sections[kHead].offset;
  const auto write = [&](const void* bytes, std::size_t size) {
    file_.WriteAt(offset, bytes, size);
    offset += size;
  };
  write(&scales, sizeof(scales));
  write(mean.data(), mean.size_bytes());
  write(center.data(), center.size_bytes());
  write(axes.data(), axes.size_bytes());
}

void SketchFileWriter::WriteOrder(std::span<const RowNumber> rows) {
  std::vector<std::uint32_t> places(rows.size());
  for (std::size_t place = 0; place < rows.size(); ++place) places[rows[place]] = static_cast<std::uint32_t>(place);
  const std::uint64_t offset = header_.sections[kOrder].offset;
  file_.WriteAt(offset, rows.data(), rows.size_bytes());
  file_.WriteAt(offset + rows.size_bytes(), places.data(), places.size() * sizeof(std::uint32_t));
}

namespace {

// Of boxes, or of rows, whose low and high corners both are their codes; whole parts of 64.
struct Corners {
  std::vector<std::int8_t> low;
  std::vector<std::int8_t> high;
};

// The boxes of 64 consecutive ones of these `count` each.
Corners BoxesOf(std::span<const std::int8_t> low, std::span<const std::int8_t> high, std::uint64_t count) {
  const std::uint64_t boxes = SketchBlocks(count);
  Corners found;
  found.low.resize(SketchBlocks(boxes) * kBlockBytes);
  found.high.resize(found.low.size());
  for (std::uint64_t box = 0; box < SketchBlocks(boxes) * kBlockRows; ++box) {
    const std::size_t from = std::min(box, boxes - 1) * kBlockBytes;
    const std::size_t to = box / kBlockRows * kBlockBytes;
    for (std::size_t code = 0; code < kCoarseCodes; ++code) {
      std::int8_t least = kCodeLimit;
      std::int8_t most = -kCodeLimit;
      for (std::size_t row = 0; row < kBlockRows; ++row) {
        least = std::min(least, low[from + CoarsePlace(row, code)]);
        most = std::max(most, high[from + CoarsePlace(row, code)]);
      }
      found.low[to + CoarsePlace(box % kBlockRows, code)] = least;
      found.high[to + CoarsePlace(box % kBlockRows, code)] = most;
    }
  }
  return found;
}

// The smallest and the largest of 64 consecutive numbers each; whole parts of 64, filled up with copies of the last.
std::vector<float> ExtremeOfEach(std::span<const float> numbers, bool largest) {
  const std::uint64_t count = SketchBlocks(numbers.size());
  std::vector<float> extremes(SketchBlocks(count) * kBlockRows);
  for (std::uint64_t i = 0; i < extremes.size(); ++i) {
    const std::uint64_t first = std::min(i, count - 1) * kBlockRows;
    const auto part = numbers.subspan(first, std::min<std::uint64_t>(kBlockRows, numbers.size() - first));
    extremes[i] = largest ? std::ranges::max(part) : std::ranges::min(part);
  }
  return extremes;
}

}  // namespace

void SketchFileWriter::WriteCoarse(std::span<const std::int8_t> coarse) {
  file_.WriteAt(header_.sections[kCodes].offset, coarse.data(), coarse.size());
  WriteCoarseByPlace(coarse);
  const Corners of_blocks = BoxesOf(coarse, coarse, row_count_);
  WriteCorners(0, of_blocks.low, of_blocks.high);
  const Corners of_groups = BoxesOf(of_blocks.low, of_blocks.high, SketchBlocks(row_count_));
  WriteCorners(1, of_groups.low, of_groups.high);
}

void SketchFileWriter::WriteCoarseByPlace(std::span<const std::int8_t> coarse) {
  constexpr std::uint64_t kAtOnce = 1024;  // blocks
  std::vector<std::int8_t> codes;
  for (std::uint64_t first = 0; first < row_count_; first += kAtOnce * kBlockRows) {
    const std::uint64_t end = std::min(first + kAtOnce * kBlockRows, row_count_);
    codes.clear();
    for (std::uint64_t place = first; place < end; ++place) {
      const std::int8_t* block = coarse.data() + place / kBlockRows * kBlockBytes;
      for (std::size_t code = 0; code < kCoarseCodes; ++code) {
        codes.push_back(block[CoarsePlace(place % kBlockRows, code)]);
      }
    }
    WriteCodes(0, first, codes);
  }
}

void SketchFileWriter::WriteCorners(std::size_t of, std::span<const std::int8_t> low,
                                    std::span<const std::int8_t> high) {
  std::uint64_t offset = header_.sections[kBlocks].offset + BlockParts(row_count_).corners[of];
  for (std::size_t part = 0; part < low.size(); part += kBlockBytes) {
    file_.WriteAt(offset, low.data() + part, kBlockBytes);
    file_.WriteAt(offset + kBlockBytes, high.data() + part, kBlockBytes);
    offset += 2 * kBlockBytes;
  }
}

void SketchFileWriter::WriteLengths(LengthFrom from, std::span<const float> lengths) {
  const BlockParts parts(row_count_);
  const auto number = static_cast<std::size_t>(from);
  const auto write = [&](std::uint64_t part, std::span<const float> numbers) {
    file_.WriteAt(header_.sections[kBlocks].offset + part, numbers.data(), numbers.size_bytes());
  };
  for (const bool largest : {false, true}) {
    const std::vector<float> of_blocks = ExtremeOfEach(lengths, largest);
    write(parts.extents[0][number][largest ? 1 : 0], of_blocks);
    write(parts.extents[1][number][largest ? 1 : 0],
          ExtremeOfEach(std::span(of_blocks).first(SketchBlocks(row_count_)), largest));
  }
  std::vector<float> padded(lengths.begin(), lengths.end());
  padded.resize(PaddedRows(row_count_), lengths.back());
  write(parts.lengths[number], padded);
}

void SketchFileWriter::WriteCodes(std::size_t level, std::uint64_t first_place, std::span<const std::int8_t> codes) {
  file_.WriteAt(header_.sections[kCodes].offset + CodesBegin(level, row_count_) + first_place * kLevelCodes[level],
                codes.data(), codes.size());
}

std::uint64_t SketchFileWriter::Finish() {
  {
    const MappedFile written(path_);
    for (Section& section : header_.sections) {
      section.checksum = XXH3_64bits(written.bytes().data() + section.offset, section.bytes);
    }
  }
  const std::string encoded = EncodeHeader(header_);
  file_.WriteAt(0, encoded);
  file_.Flush();
  return HeaderChecksum(encoded);
}

std::uint64_t SketchFileWriter::FileBytes(std::uint64_t dimension, std::uint64_t row_count, std::size_t level_count) {
  return NewHeader(dimension, row_count, level_count).file_bytes;
}

}  // namespace actkin
