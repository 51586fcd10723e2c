#include "storage/formats/sketch_file.h"

#include <xxhash.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "schema/error.h"

namespace actkin {
namespace {

enum Number { kDimension, kRows, kCoarse, kFine };

constexpr std::uint64_t kMaximumDimension = 1U << 20;
static_assert(std::is_trivially_copyable_v<SketchScales> && sizeof(SketchScales) % sizeof(float) == 0);

std::size_t ViewSection(Metric metric) { return metric == Metric::kL2 ? 0 : 2; }
std::size_t CodeSection(Metric metric) { return ViewSection(metric) + 1; }

std::uint64_t ViewBytes(std::uint64_t dimension) {
  return sizeof(SketchScales) + (1 + kSketchAxes) * dimension * sizeof(float);
}
std::uint64_t CoarseBytes(std::uint64_t row_count) { return SketchBlocks(row_count) * kBlockBytes; }
std::uint64_t FineBytes(std::uint64_t row_count) { return row_count * kFineCoordinates; }

SectionFileHeader NewHeader(std::uint64_t dimension, std::uint64_t row_count) {
  SectionFileHeader header;
  header.kind = FileKind::kSketches;
  header.numbers[kDimension] = dimension;
  header.numbers[kRows] = row_count;
  header.numbers[kCoarse] = kCoarseCoordinates;
  header.numbers[kFine] = kFineCoordinates;
  for (const Metric metric : {Metric::kL2, Metric::kCosine}) {
    header.sections[ViewSection(metric)].bytes = ViewBytes(dimension);
    header.sections[CodeSection(metric)].bytes = CoarseBytes(row_count) + FineBytes(row_count);
  }
  LayOutSections(header);
  return header;
}

bool IsBound(double number) { return std::isfinite(number) && number >= 0; }

template <std::size_t kCodes>
bool Sane(const LevelScales<kCodes>& scales) {
  bool sane = IsBound(scales.step) && scales.step > 0 && IsBound(scales.error) && IsBound(scales.tail_center);
  std::array<bool, kCodes> seen{};
  for (const std::uint32_t coordinate : scales.order) {
    sane = sane && coordinate < kCodes && !seen[coordinate];
    if (coordinate < kCodes) seen[coordinate] = true;
  }
  std::uint32_t before = kMaximumExponent;
  for (const std::uint32_t exponent : scales.exponents) {
    sane = sane && exponent <= before;
    before = exponent;
  }
  return sane;
}

// Whatever stands here, a search reads nothing outside the file; but a bound must be a number.
bool Sane(const SketchScales& scales) {
  return Sane(scales.coarse) && Sane(scales.fine) && IsBound(scales.axis_defect) && scales.axis_defect < 0.5;
}

}  // namespace

SketchFile::SketchFile(const std::filesystem::path& path) : file_(path, FileKind::kSketches) {
  const auto& numbers = file_.header().numbers;
  dimension_ = numbers[kDimension];
  row_count_ = numbers[kRows];
  const bool sane = dimension_ > 0 && dimension_ <= kMaximumDimension && row_count_ > 0 &&
                    row_count_ <= std::numeric_limits<RowNumber>::max() && numbers[kCoarse] == kCoarseCoordinates &&
                    numbers[kFine] == kFineCoordinates;
  if (!sane) FailDamaged("{}: damaged: dimension, rows or coordinates are out of range", path.string());
  for (const Metric metric : {Metric::kL2, Metric::kCosine}) {
    SketchView& view = views_[static_cast<std::size_t>(metric)];
    const std::span<const std::byte> sketch = file_.section(ViewSection(metric));
    const std::span<const std::byte> codes = file_.section(CodeSection(metric));
    if (sketch.size() != ViewBytes(dimension_) || codes.size() != CoarseBytes(row_count_) + FineBytes(row_count_)) {
      FailDamaged("{}: damaged: its sections are not the sketches of {} rows of {} numbers", path.string(), row_count_,
                  dimension_);
    }
    std::memcpy(&view.scales, sketch.data(), sizeof(SketchScales));
    if (!Sane(view.scales)) FailDamaged("{}: damaged: its {} scales are out of range", path.string(), Name(metric));
    const float* floats = reinterpret_cast<const float*>(sketch.data() + sizeof(SketchScales));
    view.center = {floats, dimension_};
    view.axes = {floats + dimension_, kSketchAxes * dimension_};
    const std::byte* fine = codes.data() + CoarseBytes(row_count_);
    view.coarse = {reinterpret_cast<const std::int8_t*>(codes.data()), CoarseBytes(row_count_)};
    view.fine = {reinterpret_cast<const std::int8_t*>(fine), row_count_ * kFineCoordinates};
  }
}

SketchFileWriter::SketchFileWriter(const std::filesystem::path& path, std::uint64_t dimension, std::uint64_t row_count)
    : path_(path), header_(NewHeader(dimension, row_count)), file_(path, OutputFile::Mode::kCreate) {
  file_.Resize(header_.file_bytes);
}

void SketchFileWriter::WriteCoarse(Metric metric, std::uint64_t first_block, std::span<const std::int8_t> codes) {
  file_.WriteAt(header_.sections[CodeSection(metric)].offset + first_block * kBlockBytes, codes.data(), codes.size());
}

void SketchFileWriter::WriteFine(Metric metric, std::uint64_t first_row, std::span<const std::int8_t> codes) {
  file_.WriteAt(
      header_.sections[CodeSection(metric)].offset + CoarseBytes(header_.numbers[kRows]) + FineBytes(first_row),
      codes.data(), codes.size_bytes());
}

void SketchFileWriter::WriteView(Metric metric, const SketchScales& scales, std::span<const float> center,
                                 std::span<const float> axes) {
  const std::uint64_t offset = header_.sections[ViewSection(metric)].offset;
  file_.WriteAt(offset, &scales, sizeof(scales));
  file_.WriteAt(offset + sizeof(scales), center.data(), center.size_bytes());
  file_.WriteAt(offset + sizeof(scales) + center.size_bytes(), axes.data(), axes.size_bytes());
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

std::uint64_t SketchFileWriter::FileBytes(std::uint64_t dimension, std::uint64_t row_count) {
  return NewHeader(dimension, row_count).file_bytes;
}

}  // namespace actkin
