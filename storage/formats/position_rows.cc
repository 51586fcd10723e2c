#include "storage/formats/position_rows.h"

#include <algorithm>
#include <limits>

#include "schema/error.h"

namespace actkin {
namespace {

enum Number { kRowCount, kPositionCount };
enum SectionIndex { kPositions };

}  // namespace

PositionsFile::PositionsFile(const std::filesystem::path& path) : file_(path, FileKind::kPositions) {
  const std::uint64_t rows = file_.header().numbers[kRowCount];
  position_count_ = file_.header().numbers[kPositionCount];
  if (rows > std::numeric_limits<RowNumber>::max() || rows > position_count_) {
    FailDamaged("{}: damaged: {} rows of {} positions", path.string(), rows, position_count_);
  }
  positions_ = file_.Numbers<std::uint64_t>(kPositions, rows);
}

std::uint64_t PositionsFile::Number(RowNumber row) const {
  const std::uint64_t position = positions_[row];
  if (position >= position_count_) FailDamaged("{}: damaged: row {} has no position", file_.path().string(), row);
  return position;
}

std::optional<RowNumber> PositionsFile::Row(std::uint64_t number) const {
  const auto found = std::ranges::lower_bound(positions_, number);
  if (found == positions_.end() || *found != number) return std::nullopt;
  return static_cast<RowNumber>(found - positions_.begin());
}

void PositionsFile::Verify() const {
  file_.VerifyBytes();
  for (std::size_t row = 0; row < positions_.size(); ++row) {
    if (positions_[row] >= position_count_ || (row > 0 && positions_[row] <= positions_[row - 1])) {
      FailDamaged("{}: damaged: the positions of rows do not rise at row {}", file_.path().string(), row);
    }
  }
}

std::uint64_t WritePositionsFile(const std::filesystem::path& path, std::uint64_t position_count,
                                 std::span<const std::uint64_t> positions) {
  return WriteSectionFile(path, FileKind::kPositions, {positions.size(), position_count, 0, 0, 0, 0, 0, 0},
                          {std::as_bytes(positions)});
}

}  // namespace actkin
