#include "storage/formats/sketch_file.h"

#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <type_traits>

#include "schema/error.h"
#include "storage/formats/vector_file.h"

namespace actkin {
namespace {

enum Number { kDimension, kRows, kVersion, kLevels };
enum SectionNumber { kHead, kOrder, kBlocks, kCodes };

// Of what stands in the sections; 0 had the codes of blocks in pairs, 1 no errors of boxes.
constexpr std::uint64_t kSketchVersion = 2;

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
  BlockParts(std::uint64_t row_count, const SketchLevels& levels) {
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
    for (const BoxOf of : kBoxesOf) {
      for (std::size_t level = 0; level < levels.count; ++level) {
        for (std::uint64_t& codes : far_errors[static_cast<std::size_t>(of)][level]) {
          codes = bytes;
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
  std::array<std::array<std::array<std::uint64_t, 2>, 2>, 2> extents{};               // of; from; shortest or longest
  std::array<std::array<std::array<std::uint64_t, 2>, kMostLevels>, 2> far_errors{};  // of; level; axes or rest
  std::array<std::uint64_t, 2> lengths{};
  std::uint64_t bytes = 0;
};

std::uint64_t HeadBytes(std::uint64_t dimension, const SketchLevels& levels) {
  return sizeof(SketchScales) + dimension * sizeof(double) + (1 + levels.axis_count()) * dimension * sizeof(float);
}

// Where the codes of a level begin; of the number of levels: where all end.
std::uint64_t CodesBegin(const SketchLevels& levels, std::size_t level, std::uint64_t row_count) {
  std::uint64_t bytes = 0;
  for (std::size_t before = 0; before < level; ++before) bytes += row_count * levels.codes[before];
  return bytes;
}

// A byte a level, the coarse one in the lowest: its codes in units.
std::uint64_t EncodeLevels(const SketchLevels& levels) {
  std::uint64_t number = 0;
  for (std::size_t level = 0; level < levels.count; ++level) {
    number |= std::uint64_t{levels.codes[level] / kCodeUnit} << (8 * level);
  }
  return number;
}

// None where it says no levels that there can be.
std::optional<SketchLevels> DecodeLevels(std::uint64_t number) {
  if (number % 256 != kCoarseCodes / kCodeUnit) return std::nullopt;
  SketchLevels levels;
  for (number /= 256; number != 0; number /= 256) {
    const std::size_t codes = number % 256 * kCodeUnit;
    if (levels.count == kMostLevels || codes == 0 || codes > kMostCodes) return std::nullopt;
    levels.Add(codes);
  }
  return levels;
}

SectionFileHeader NewHeader(std::uint64_t dimension, std::uint64_t row_count, const SketchLevels& levels) {
  SectionFileHeader header;
  header.kind = FileKind::kSketches;
  header.numbers[kDimension] = dimension;
  header.numbers[kRows] = row_count;
  header.numbers[kVersion] = kSketchVersion;
  header.numbers[kLevels] = EncodeLevels(levels);
  header.sections[kHead].bytes = HeadBytes(dimension, levels);
  header.sections[kOrder].bytes = 2 * row_count * sizeof(std::uint32_t);
  header.sections[kBlocks].bytes = BlockParts(row_count, levels).bytes;
  header.sections[kCodes].bytes = CodesBegin(levels, levels.count, row_count);
  LayOutSections(header);
  return header;
}

bool IsBound(double number) { return std::isfinite(number) && number >= 0; }

// Whatever stands here, a search reads nothing outside the file; but a bound must be a number.
bool Sane(const LevelScales& scales) {
  bool sane = IsBound(scales.step) && scales.step > 0 && IsBound(scales.rest_step) && scales.rest_step > 0;
  for (const double number : {scales.near_error, scales.rest_center, scales.rest_near_error}) {
    sane = sane && IsBound(number);
  }
  std::uint32_t before = kMaximumExponent;
  for (const std::uint32_t exponent : scales.exponents) {
    sane = sane && exponent <= before;
    before = exponent;
  }
  return sane;
}

bool IsShare(double number) { return number >= 0 && number <= 1; }

bool Sane(const SketchScales& scales) {
  const bool shares = std::ranges::all_of(
      scales.found_early, [](const auto& of_metric) { return std::ranges::all_of(of_metric, IsShare); });
  return shares && std::ranges::all_of(scales.levels, [](const LevelScales& level) { return Sane(level); }) &&
         IsBound(scales.axis_defect) && scales.axis_defect < 0.5 && IsBound(scales.reach) && IsBound(scales.longest);
}

}  // namespace

SketchFile::SketchFile(const std::filesystem::path& path) : file_(path, FileKind::kSketches) {
  const auto& numbers = file_.header().numbers;
  dimension_ = numbers[kDimension];
  row_count_ = numbers[kRows];
  if (numbers[kVersion] != kSketchVersion) {
    FailDamaged("{}: sketches of version {}, expected {}: the same 'actkin build' makes them again", path.string(),
                numbers[kVersion], kSketchVersion);
  }
  const std::optional<SketchLevels> levels = DecodeLevels(numbers[kLevels]);
  const bool sane = dimension_ > 0 && dimension_ <= kMaximumDimension && row_count_ > 0 &&
                    row_count_ <= std::numeric_limits<RowNumber>::max() && levels;
  if (!sane) FailDamaged("{}: damaged: dimension, rows or levels are out of range", path.string());
  levels_ = *levels;
  block_count_ = SketchBlocks(row_count_);
  const SectionFileHeader expected = NewHeader(dimension_, row_count_, levels_);
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
  axes_ = {floats + dimension_, levels_.axis_count() * dimension_};
  const auto* order = reinterpret_cast<const std::uint32_t*>(file_.section(kOrder).data());
  rows_ = {order, row_count_};
  places_ = {order + row_count_, row_count_};
  const std::byte* blocks = file_.section(kBlocks).data();
  const BlockParts parts(row_count_, levels_);
  for (const BoxOf of : kBoxesOf) {
    const auto number = static_cast<std::size_t>(of);
    boxes_[number] = reinterpret_cast<const std::int8_t*>(blocks + parts.corners[number]);
    for (std::size_t from = 0; from < 2; ++from) {
      for (std::size_t end = 0; end < 2; ++end) {
        extents_[number][from][end] = {reinterpret_cast<const float*>(blocks + parts.extents[number][from][end]),
                                       PaddedBoxes(of, row_count_)};
      }
    }
    for (std::size_t level = 0; level < levels_.count; ++level) {
      for (std::size_t codes = 0; codes < 2; ++codes) {
        const std::uint64_t begin = parts.far_errors[number][level][codes];
        far_errors_[number][level][codes] = {reinterpret_cast<const float*>(blocks + begin),
                                             PaddedBoxes(of, row_count_)};
      }
    }
  }
  for (std::size_t from = 0; from < 2; ++from) {
    lengths_[from] = {reinterpret_cast<const float*>(blocks + parts.lengths[from]), PaddedRows(row_count_)};
  }
  for (std::size_t level = 0; level < levels_.count; ++level) {
    codes_[level] =
        reinterpret_cast<const std::int8_t*>(file_.section(kCodes).data() + CodesBegin(levels_, level, row_count_));
  }
}

std::optional<std::uint64_t> SketchFile::RowsThatFind(Metric metric, double share) const {
  const auto& found = scales_.found_early[static_cast<std::size_t>(metric)];
  const auto enough = std::ranges::find_if(found, [share](double part) { return part >= share; });
  if (enough == found.end()) return std::nullopt;
  const std::uint64_t rows = EarlyStopRows(static_cast<std::size_t>(enough - found.begin()));
  return rows < row_count_ ? std::optional(rows) : std::nullopt;
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
                                   const SketchLevels& levels)
    : path_(path),
      row_count_(row_count),
      levels_(levels),
      header_(NewHeader(dimension, row_count, levels)),
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

// Of boxes, or of rows, whose low and high corners both are their codes.
struct Corners {
  std::vector<std::int8_t> low;
  std::vector<std::int8_t> high;
};

// The boxes of 64 consecutive ones of these each; whole parts of 64.
Corners BoxesOf(std::span<const std::int8_t> low, std::span<const std::int8_t> high, std::uint64_t count) {
  const std::uint64_t boxes = SketchBlocks(count);
  Corners found;
  found.low.resize(SketchBlocks(boxes) * kBlockBytes);
  found.high.resize(found.low.size());
  for (std::uint64_t box = 0; box < SketchBlocks(boxes) * kBlockRows; ++box) {
    const std::uint64_t first = std::min(box, boxes - 1) * kBlockRows;
    const std::uint64_t end = std::min(first + kBlockRows, count);
    for (std::size_t code = 0; code < kCoarseCodes; ++code) {
      std::int8_t least = kCodeLimit;
      std::int8_t most = -kCodeLimit;
      for (std::uint64_t row = first; row < end; ++row) {
        least = std::min(least, low[row * kCoarseCodes + code]);
        most = std::max(most, high[row * kCoarseCodes + code]);
      }
      found.low[box * kCoarseCodes + code] = least;
      found.high[box * kCoarseCodes + code] = most;
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
  WriteCodes(0, 0, coarse);
  const Corners of_blocks = BoxesOf(coarse, coarse, row_count_);
  WriteCorners(0, of_blocks.low, of_blocks.high);
  const Corners of_groups = BoxesOf(of_blocks.low, of_blocks.high, SketchBlocks(row_count_));
  WriteCorners(1, of_groups.low, of_groups.high);
}

void SketchFileWriter::WriteCorners(std::size_t of, std::span<const std::int8_t> low,
                                    std::span<const std::int8_t> high) {
  std::uint64_t offset = header_.sections[kBlocks].offset + BlockParts(row_count_, levels_).corners[of];
  for (std::size_t part = 0; part < low.size(); part += kBlockBytes) {
    file_.WriteAt(offset, low.data() + part, kBlockBytes);
    file_.WriteAt(offset + kBlockBytes, high.data() + part, kBlockBytes);
    offset += 2 * kBlockBytes;
  }
}

void SketchFileWriter::WriteNumbers(std::uint64_t part, std::span<const float> numbers) {
  file_.WriteAt(header_.sections[kBlocks].offset + part, numbers.data(), numbers.size_bytes());
}

void SketchFileWriter::WriteFarErrors(std::size_t level, CodesOf codes, std::span<const float> errors) {
  const BlockParts parts(row_count_, levels_);
  const auto number = static_cast<std::size_t>(codes);
  WriteNumbers(parts.far_errors[0][level][number], errors);
  WriteNumbers(parts.far_errors[1][level][number], ExtremeOfEach(errors, true));
}

void SketchFileWriter::WriteLengths(LengthFrom from, std::span<const float> lengths) {
  const BlockParts parts(row_count_, levels_);
  const auto number = static_cast<std::size_t>(from);
  for (const bool largest : {false, true}) {
    const std::vector<float> of_blocks = ExtremeOfEach(lengths, largest);
    WriteNumbers(parts.extents[0][number][largest ? 1 : 0], of_blocks);
    WriteNumbers(parts.extents[1][number][largest ? 1 : 0],
                 ExtremeOfEach(std::span(of_blocks).first(SketchBlocks(row_count_)), largest));
  }
  std::vector<float> padded(lengths.begin(), lengths.end());
  padded.resize(PaddedRows(row_count_), lengths.back());
  WriteNumbers(parts.lengths[number], padded);
}

void SketchFileWriter::WriteCodes(std::size_t level, std::uint64_t first_place, std::span<const std::int8_t> codes) {
  const std::uint64_t begin = header_.sections[kCodes].offset + CodesBegin(levels_, level, row_count_);
  file_.WriteAt(begin + first_place * levels_.codes[level], codes.data(), codes.size());
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

SectionFileHeader SketchFileWriter::Header(std::uint64_t dimension, std::uint64_t row_count,
                                           const SketchLevels& levels) {
  return NewHeader(dimension, row_count, levels);
}

std::uint64_t SketchFileWriter::FileBytes(std::uint64_t dimension, std::uint64_t row_count,
                                          const SketchLevels& levels) {
  return NewHeader(dimension, row_count, levels).file_bytes;
}

}  // namespace actkin
