#include "storage/formats/vector_file.h"

#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "schema/error.h"
#include "storage/machine/float16.h"
#include "storage/machine/int8_rows.h"

namespace actkin {
namespace {

enum Number { kElement, kDimension, kFirstRow, kEndRow };
enum SectionIndex { kRows = 1 };

std::uint64_t RowChecksum(const std::byte* row, std::size_t bytes, RowNumber number) {
  return XXH3_64bits_withSeed(row, bytes, number);
}

SectionFileHeader NewHeader(Element element, std::uint64_t dimension, RowRange rows) {
  SectionFileHeader header;
  header.kind = FileKind::kVectors;
  header.numbers[kElement] = static_cast<std::uint64_t>(element);
  header.numbers[kDimension] = dimension;
  header.numbers[kFirstRow] = rows.begin;
  header.numbers[kEndRow] = rows.end;
  header.sections[kRows].bytes = rows.size() * StoredRowBytes(element, dimension);
  LayOutSections(header);
  return header;
}

}  // namespace

std::uint64_t StoredRowBytes(Element element, std::uint64_t dimension) {
  if (element == Element::kNone) return 0;
  return element == Element::kInt8 ? Int8RowBytes(dimension) : dimension * ElementBytes(element);
}

VectorFile::VectorFile(const std::filesystem::path& path) : file_(path, FileKind::kVectors) {
  const auto& numbers = file_.header().numbers;
  if (numbers[kElement] > static_cast<std::uint64_t>(Element::kInt8)) {
    Fail(ErrorCode::kUnsupported, "{}: element {} is unknown: use a newer actkin", path.string(), numbers[kElement]);
  }
  const bool sane = numbers[kDimension] > 0 && numbers[kDimension] <= kMaximumDimension &&
                    numbers[kFirstRow] <= numbers[kEndRow] && numbers[kEndRow] <= std::numeric_limits<RowNumber>::max();
  if (!sane) FailDamaged("{}: damaged: dimension or rows are out of range", path.string());
  element_ = static_cast<Element>(numbers[kElement]);
  dimension_ = numbers[kDimension];
  rows_ = {numbers[kFirstRow], numbers[kEndRow]};
  body_ = file_.section(kRows);
  if (body_.size() != rows_.size() * StoredRowBytes(element_, dimension_)) {
    FailDamaged("{}: damaged: {} bytes are not {} rows of {} {} numbers", path.string(), body_.size(), rows_.size(),
                dimension_, Name(element_));
  }
}

std::uint64_t VectorFile::rows_offset() const { return file_.header().sections[kRows].offset; }

std::span<const float> VectorFile::Float32() const { return file_.Numbers<float>(kRows, rows_.size() * dimension_); }

std::span<const std::uint16_t> VectorFile::Float16() const {
  return file_.Numbers<std::uint16_t>(kRows, rows_.size() * dimension_);
}

std::vector<float> VectorFile::Row(RowNumber row) const {
  std::vector<float> values(dimension_);
  ReadRows({row, std::uint64_t{row} + 1}, values);
  return values;
}

void VectorFile::ReadRows(RowRange range, std::span<float> out) const {
  const std::byte* stored = body_.data() + (range.begin - rows_.begin) * StoredRowBytes(element_, dimension_);
  const std::size_t count = range.size() * dimension_;
  if (element_ == Element::kFloat32) {
    std::memcpy(out.data(), stored, count * sizeof(float));
  } else if (element_ == Element::kInt8) {
    const std::size_t bytes = StoredRowBytes(element_, dimension_);
    for (std::uint64_t row = 0; row < range.size(); ++row) {
      DecodeInt8Row(stored + row * bytes, dimension_, out.data() + row * dimension_);
    }
  } else {
    DecodeFloat16(reinterpret_cast<const std::uint16_t*>(stored), count, out.data());
  }
}

void VectorFile::Verify() const {
  file_.VerifyBytes(kRows);
  const std::size_t bytes = StoredRowBytes(element_, dimension_);
  std::uint64_t checksum = 0;
  bool are_rows = true;
  for (std::uint64_t row = 0; row < rows_.size(); ++row) {
    const std::byte* stored = body_.data() + row * bytes;
    checksum += RowChecksum(stored, bytes, static_cast<RowNumber>(rows_.begin + row));
    are_rows = are_rows && (element_ != Element::kInt8 || IsInt8Row(stored, dimension_));
  }
  if (checksum != file_.header().sections[kRows].checksum) {
    FailDamaged("{}: damaged: the checksum of its rows is wrong", file_.path().string());
  }
  if (!are_rows) FailDamaged("{}: damaged: a row is none of int8", file_.path().string());
}

VectorFileWriter::VectorFileWriter(const std::filesystem::path& path, Element element, std::uint64_t dimension,
                                   RowRange rows, bool continued, std::uint64_t checksum)
    : header_(NewHeader(element, dimension, rows)),
      file_(path, continued ? OutputFile::Mode::kContinue : OutputFile::Mode::kCreate),
      element_(element),
      dimension_(dimension),
      rows_(rows),
      checksum_(checksum) {
  file_.Resize(header_.file_bytes);
}

std::uint64_t VectorFileWriter::WriteRows(RowNumber first, std::span<const float> values) {
  const std::uint64_t offset =
      header_.sections[kRows].offset + (first - rows_.begin) * StoredRowBytes(element_, dimension_);
  const auto infinite = std::ranges::find_if(values, [](float value) { return !std::isfinite(value); });
  if (infinite != values.end()) {
    Fail("{}: the model puts out {} for row {}: only finite numbers can be indexed", file_.path().string(), *infinite,
         first + static_cast<std::uint64_t>(infinite - values.begin()) / dimension_);
  }
  const std::byte* bytes = reinterpret_cast<const std::byte*>(values.data());
  std::vector<std::uint16_t> encoded;
  if (element_ == Element::kFloat16) {
    encoded.resize(values.size());
    EncodeFloat16(values.data(), values.size(), encoded.data());
    for (std::size_t i = 0; i < encoded.size(); ++i) {
      if ((encoded[i] & 0x7C00U) == 0x7C00U) {
        Fail("{}: {} exceeds float16: rows of float32 hold it", file_.path().string(), values[i]);
      }
    }
    bytes = reinterpret_cast<const std::byte*>(encoded.data());
  }
  const std::size_t row_bytes = StoredRowBytes(element_, dimension_);
  const std::size_t count = values.size() / dimension_;
  std::vector<std::byte> rows;
  if (element_ == Element::kInt8) {
    rows.resize(count * row_bytes);
    for (std::size_t row = 0; row < count; ++row) {
      EncodeInt8Row(values.data() + row * dimension_, dimension_, rows.data() + row * row_bytes);
    }
    bytes = rows.data();
  }
  std::uint64_t share = 0;
  for (std::size_t row = 0; row < count; ++row) {
    share += RowChecksum(bytes + row * row_bytes, row_bytes, static_cast<RowNumber>(first + row));
  }
  file_.WriteAt(offset, bytes, count * row_bytes);
  return share;
}

std::uint64_t VectorFileWriter::Finish() {
  header_.sections[kRows].checksum = checksum_;
  const std::string encoded = EncodeHeader(header_);
  file_.WriteAt(0, encoded);
  file_.Flush();
  return HeaderChecksum(encoded);
}

std::uint64_t VectorFileWriter::FileBytes(Element element, std::uint64_t dimension, std::uint64_t row_count) {
  return NewHeader(element, dimension, {0, row_count}).file_bytes;
}

}  // namespace actkin
