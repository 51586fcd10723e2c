#include "storage/formats/row_order_file.h"

#include <limits>
#include <vector>

#include "schema/error.h"

namespace actkin {
namespace {

enum Number { kStringLength, kRowCount };
enum SectionIndex { kRowToOrdinal, kOrdinalToRow };

}  // namespace

RowOrderFile::RowOrderFile(const std::filesystem::path& path) : file_(path, FileKind::kRowOrder) {
  string_length_ = file_.header().numbers[kStringLength];
  const std::uint64_t rows = file_.header().numbers[kRowCount];
  if (rows > std::numeric_limits<RowNumber>::max()) FailDamaged("{}: damaged: {} rows", path.string(), rows);
  row_to_ordinal_ = file_.Numbers<std::uint32_t>(kRowToOrdinal, rows);
  ordinal_to_row_ = file_.Numbers<std::uint32_t>(kOrdinalToRow, rows);
}

StringOrdinal RowOrderFile::Ordinal(RowNumber row) const {
  const StringOrdinal ordinal = row_to_ordinal_[row];
  if (ordinal >= row_count()) FailDamaged("{}: damaged: row {} has no string", file_.path().string(), row);
  return ordinal;
}

RowNumber RowOrderFile::RowOf(StringOrdinal ordinal) const {
  const RowNumber row = ordinal_to_row_[ordinal];
  if (row >= row_count()) FailDamaged("{}: damaged: string {} has no row", file_.path().string(), ordinal);
  return row;
}

void RowOrderFile::Verify() const {
  file_.VerifyBytes();
  for (std::uint64_t row = 0; row < row_count(); ++row) {
    if (RowOf(Ordinal(static_cast<RowNumber>(row))) != row) {
      FailDamaged("{}: damaged: row {} and its string do not agree", file_.path().string(), row);
    }
  }
}

std::uint64_t WriteRowOrderFile(const std::filesystem::path& path, std::uint64_t string_length,
                                std::span<const StringOrdinal> row_to_ordinal) {
  std::vector<RowNumber> ordinal_to_row(row_to_ordinal.size());
  for (std::size_t row = 0; row < row_to_ordinal.size(); ++row) {
    ordinal_to_row[row_to_ordinal[row]] = static_cast<RowNumber>(row);
  }
  return WriteSectionFile(path, FileKind::kRowOrder, {string_length, row_to_ordinal.size(), 0, 0, 0, 0, 0, 0},
                          {std::as_bytes(row_to_ordinal), std::as_bytes(std::span(std::as_const(ordinal_to_row)))});
}

}  // namespace actkin
