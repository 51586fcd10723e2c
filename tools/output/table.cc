#include "tools/output/table.h"

#include <algorithm>
#include <utility>

#include "schema/text.h"
#include "tools/output/terminal.h"

namespace actkin {

Table::Table(std::vector<Column> columns) : columns_(std::move(columns)) {
  for (Column& column : columns_) column.title = Printable(column.title);
}

void Table::Add(std::vector<std::string> cells) {
  for (std::string& cell : cells) cell = Printable(cell);
  rows_.push_back(std::move(cells));
}

std::string Table::Text(bool bold_titles) const {
  std::vector<std::string> titles;
  std::vector<int> widths;
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    titles.push_back(columns_[c].title);
    widths.push_back(DisplayWidth(columns_[c].title));
    for (const auto& row : rows_) widths[c] = std::max(widths[c], DisplayWidth(row[c]));
  }
  std::string text;
  const auto add = [&](const std::vector<std::string>& cells, bool bold) {
    std::string line;
    for (std::size_t c = 0; c < cells.size(); ++c) {
      const std::string padding(static_cast<std::size_t>(widths[c] - DisplayWidth(cells[c])), ' ');
      if (c > 0) line += "  ";
      line += columns_[c].align == Align::kRight ? padding + cells[c] : cells[c] + padding;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += bold ? "\x1b[1m" + line + "\x1b[0m\n" : line + "\n";
  };
  add(titles, bold_titles);
  for (const auto& row : rows_) add(row, false);
  return text;
}

}  // namespace actkin
