#include "storage/formats/site_rows.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "schema/error.h"
#include "schema/random.h"
#include "storage/machine/float16.h"

namespace actkin {
namespace {

const std::byte* Numbers(const VectorFile& file) {
  return file.element() == Element::kFloat32 ? std::as_bytes(file.Float32()).data()
                                             : std::as_bytes(file.Float16()).data();
}

}  // namespace

SiteRows::SiteRows(std::vector<VectorFile> files) : files_(std::move(files)) {
  if (files_.empty()) Fail("a site without vector files has no rows");
  std::ranges::sort(files_, {}, [](const VectorFile& file) { return std::pair(file.rows().begin, file.rows().end); });
  dimension_ = files_.front().dimension();
  element_ = files_.front().element();
  for (const VectorFile& file : files_) {
    if (file.dimension() != dimension_ || file.element() != element_) {
      FailDamaged("{}: has {} {} numbers a row, another file of its site {} {}", file.path().string(), file.dimension(),
                  Name(file.element()), dimension_, Name(element_));
    }
    if (file.rows().begin != row_count_) {
      FailDamaged("{}: begins with row {}, expected row {}: the files of its site have a gap or overlap",
                  file.path().string(), file.rows().begin, row_count_);
    }
    row_count_ = file.rows().end;
    checksum_ = MixedBits(checksum_ ^ file.header_checksum());
  }
  row_bytes_ = dimension_ * ElementBytes(element_);
  std::erase_if(files_, [](const VectorFile& file) { return file.rows().size() == 0; });
  if (files_.empty()) return;
  first_ = Numbers(files_.front());
  first_rows_ = files_.front().rows().size();
}

const VectorFile& SiteRows::FileOf(RowNumber row) const {
  const auto after =
      std::ranges::upper_bound(files_, row, {}, [](const VectorFile& file) { return file.rows().begin; });
  return *(after - 1);
}

const std::byte* SiteRows::StoredInAnyFile(RowNumber row) const {
  const VectorFile& file = FileOf(row);
  return Numbers(file) + (row - file.rows().begin) * row_bytes_;
}

void SiteRows::Read(RowNumber row, std::span<float> out) const {
  if (element_ == Element::kFloat32) {
    std::memcpy(out.data(), Stored(row), row_bytes_);
  } else {
    DecodeFloat16(reinterpret_cast<const std::uint16_t*>(Stored(row)), dimension_, out.data());
  }
}

}  // namespace actkin
