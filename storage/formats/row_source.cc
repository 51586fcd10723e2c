#include "storage/formats/row_source.h"

#include <hwy/cache_control.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <utility>

#include "schema/error.h"
#include "schema/random.h"
#include "storage/machine/float16.h"
#include "storage/machine/int8_rows.h"

namespace actkin {

RowSource::RowSource(std::vector<VectorFile> files) : files_(std::move(files)) {
  if (files_.empty()) Fail("a site without vector files has no rows");
  std::ranges::sort(files_, {}, [](const VectorFile& file) { return std::pair(file.rows().begin, file.rows().end); });
  dimension_ = files_.front().dimension();
  element_ = files_.front().element();
  for (const VectorFile& file : files_) {
    if (file.dimension() != dimension_ || file.element() != element_) {
      FailDamaged("{}: has dimension {} in {}, another file of its site {} in {}", file.path().string(),
                  file.dimension(), Name(file.element()), dimension_, Name(element_));
    }
    if (file.rows().begin != row_count_) {
      FailDamaged("{}: begins with row {}, expected row {}: the files of its site have a gap or overlap",
                  file.path().string(), file.rows().begin, row_count_);
    }
    row_count_ = file.rows().end;
    checksum_ = MixedBits(checksum_ ^ file.header_checksum());
    if (file.rows().size() > 0) parts_.push_back({file.rows(), file.stored().data()});
  }
  row_bytes_ = StoredRowBytes(element_, dimension_);
}

RowSource::RowSource(std::uint64_t row_count, std::uint64_t dimension, std::filesystem::path name, ComputeRows compute)
    : name_(std::move(name)), compute_(std::move(compute)), row_count_(row_count), dimension_(dimension) {}

std::size_t RowSource::PartOf(RowNumber row) const {
  const auto after = std::ranges::upper_bound(parts_, row, {}, [](const Part& part) { return part.rows.begin; });
  return static_cast<std::size_t>(after - parts_.begin()) - 1;
}

void RowSource::Prefetch(RowNumber row) const {
  constexpr std::size_t kCacheLine = 64;
  const std::byte* stored = Stored(row);
  for (std::size_t byte = 0; byte < row_bytes_; byte += kCacheLine) hwy::Prefetch(stored + byte);
}

void RowSource::Read(RowRange rows, std::span<float> out) const {
  if (computed()) {
    std::vector<RowNumber> numbers(rows.size());
    std::iota(numbers.begin(), numbers.end(), static_cast<RowNumber>(rows.begin));
    return compute_(numbers, out);
  }
  for (const Part& part : parts_) {
    const RowRange common{std::max(rows.begin, part.rows.begin), std::min(rows.end, part.rows.end)};
    if (common.begin >= common.end) continue;
    const std::byte* stored = part.stored + (common.begin - part.rows.begin) * row_bytes_;
    float* to = out.data() + (common.begin - rows.begin) * dimension_;
    const std::size_t count = common.size() * dimension_;
    if (element_ == Element::kFloat32) {
      std::memcpy(to, stored, count * sizeof(float));
    } else if (element_ == Element::kInt8) {
      for (std::uint64_t row = 0; row < common.size(); ++row) {
        DecodeInt8Row(stored + row * row_bytes_, dimension_, to + row * dimension_);
      }
    } else {
      DecodeFloat16(reinterpret_cast<const std::uint16_t*>(stored), count, to);
    }
  }
}

void RowSource::Read(std::span<const RowNumber> rows, std::span<float> out) const {
  if (computed()) return compute_(rows, out);
  constexpr std::size_t kAhead = 3;
  for (std::size_t i = 0; i < std::min(kAhead, rows.size()); ++i) Prefetch(rows[i]);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (i + kAhead < rows.size()) Prefetch(rows[i + kAhead]);
    Read(rows[i], out.subspan(i * dimension_, dimension_));
  }
}

void RowSource::Forget(RowRange rows) const {
  for (const Part& part : parts_) {
    const RowRange common{std::max(rows.begin, part.rows.begin), std::min(rows.end, part.rows.end)};
    if (common.begin >= common.end) continue;
    ForgetMapped(part.stored + (common.begin - part.rows.begin) * row_bytes_, common.size() * row_bytes_);
  }
}

const std::filesystem::path& RowSource::Path(RowNumber row) const {
  if (computed()) return name_;
  const auto after =
      std::ranges::upper_bound(files_, row, {}, [](const VectorFile& file) { return file.rows().begin; });
  return (after == files_.begin() ? after : after - 1)->path();
}

}  // namespace actkin
