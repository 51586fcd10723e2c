#include "indexer/activations/recorded_matrix.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "schema/error.h"
#include "schema/text.h"
#include "storage/exchange/npy_file.h"

namespace actkin {
namespace {

std::shared_ptr<const Positions> ReadPositionList(const std::filesystem::path& path, std::uint64_t token_count) {
  const NpyFile file(path);
  if (file.shape().size() != 1 || !file.is_integer()) {
    Fail("{}: {} numbers of shape {}: expected whole numbers in one dimension", path.string(), file.type_name(),
         file.shape_text());
  }
  auto positions = std::make_shared<Positions>(file.count());
  for (std::uint64_t i = 0; i < file.count(); ++i) {
    const std::uint64_t position = file.Whole(i);
    if (position >= token_count) {
      Fail("{}: entry {} is {}, and the corpus has positions 0 to {}", path.string(), i, position, token_count - 1);
    }
    if (i > 0 && position <= (*positions)[i - 1]) {
      Fail("{}: entry {} is {}, after {}: expected positions that rise", path.string(), i, position,
           (*positions)[i - 1]);
    }
    (*positions)[i] = position;
  }
  return positions;
}

bool IsInfiniteOrNan(float value) {
  constexpr std::uint32_t kExponent = 0x7F80'0000;
  return (std::bit_cast<std::uint32_t>(value) & kExponent) == kExponent;
}

// Without a branch a number, so that the processor looks at many at once.
bool AllFinite(std::span<const float> values) {
  std::uint32_t bad = 0;
  for (const float value : values) bad |= static_cast<std::uint32_t>(IsInfiniteOrNan(value));
  return bad == 0;
}

}  // namespace

RecordedMatrix::RecordedMatrix(const std::filesystem::path& folder, const RecordedSite& recorded,
                               std::uint64_t token_count, PositionLists& lists)
    : recorded_(recorded), site_{recorded.stream, recorded.block, kOverPositions} {
  for (const std::string& name : recorded.files) {
    const std::filesystem::path path = folder / name;
    const MatrixFile& part = parts_.emplace_back(MatrixFile::Open(path, recorded.tensor));
    const MatrixFile& first = parts_.front();
    if (part.type() != first.type()) {
      Fail("{}: numbers of {}, and those of {} are {}: parts of one site have one type", part.where(), part.type_name(),
           first.where(), first.type_name());
    }
    if (part.columns() != first.columns()) {
      Fail("{}: {} columns, and {} has {}: parts of one site are of one width", part.where(), part.columns(),
           first.where(), first.columns());
    }
    // Below 2^63 each: a file has fewer bytes.
    row_count_ += part.rows();
    if (row_count_ > std::numeric_limits<RowNumber>::max()) {
      Fail("{}: {} rows: a site has at most {}", part.where(), row_count_, std::numeric_limits<RowNumber>::max());
    }
    begins_.push_back(row_count_);
    files_text_ += fmt::format("{} {} {}\n", Quote(name), std::filesystem::file_size(path),
                               std::filesystem::last_write_time(path).time_since_epoch().count());
  }
  ReadPositions(folder, recorded, token_count, lists);
  if (row_count_ == 0) Fail("{}: no row", recorded.where);
}

void RecordedMatrix::ReadPositions(const std::filesystem::path& folder, const RecordedSite& recorded,
                                   std::uint64_t token_count, PositionLists& lists) {
  const std::string files = parts_.size() == 1
                                ? parts_.front().where()
                                : fmt::format("{} and {} more", parts_.front().where(), parts_.size() - 1);
  if (!recorded.positions) {
    if (row_count_ == token_count) return;
    Fail("{}: {}: {} rows, and the corpus has {} tokens: expected a row each, or \"positions\"", recorded.where, files,
         row_count_, token_count);
  }
  std::shared_ptr<const Positions>& list = lists[*recorded.positions];
  if (!list) list = ReadPositionList(folder / *recorded.positions, token_count);
  if (list->size() != row_count_) {
    Fail("{}: {}: {} rows, and {} has {} positions", recorded.where, files, row_count_, *recorded.positions,
         list->size());
  }
  // As many as there are: all of them.
  if (list->size() != token_count) positions_ = list;
}

void RecordedMatrix::ReadRows(RowRange range, std::span<float> out) const {
  const std::uint64_t width = dimension();
  while (range.size() > 0) {
    const auto next = std::ranges::upper_bound(begins_, range.begin);
    const auto number = static_cast<std::size_t>(next - begins_.begin()) - 1;
    const MatrixFile& part = parts_[number];
    const RowRange rows{range.begin - begins_[number], std::min(range.end, *next) - begins_[number]};
    const std::span<float> values = out.first(rows.size() * width);
    part.Expect({rows.end, std::min(rows.end + rows.size(), part.rows())});
    part.ReadRows(rows, values);
    part.Forget(rows);
    if (!AllFinite(values)) {
      met_infinite_ = true;
      const auto found = std::ranges::find_if(values, IsInfiniteOrNan);
      const auto place = static_cast<std::uint64_t>(found - values.begin());
      Fail("{}: row {}, column {} is {}: only finite numbers can be indexed", part.where(), rows.begin + place / width,
           place % width, *found);
    }
    out = out.subspan(values.size());
    range.begin += rows.size();
  }
}

}  // namespace actkin
