#ifndef ACTKIN_TOOLS_OUTPUT_TABLE_H_
#define ACTKIN_TOOLS_OUTPUT_TABLE_H_

#include <string>
#include <vector>

namespace actkin {

// Rows of text in aligned columns, two spaces apart, without trailing spaces.
class Table {
 public:
  enum class Align { kLeft, kRight };
  struct Column {
    std::string title;
    Align align = Align::kLeft;
  };

  explicit Table(std::vector<Column> columns);

  // What a cell holds is shown on one line (Printable). REQUIRES: as many cells as columns.
  void Add(std::vector<std::string> cells);
  // Title line and rows, each ended by a newline. bold_titles: the title line in bold, by escape sequences.
  std::string Text(bool bold_titles = false) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace actkin

#endif  // ACTKIN_TOOLS_OUTPUT_TABLE_H_
