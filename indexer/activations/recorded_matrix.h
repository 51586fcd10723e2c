#ifndef ACTKIN_INDEXER_ACTIVATIONS_RECORDED_MATRIX_H_
#define ACTKIN_INDEXER_ACTIVATIONS_RECORDED_MATRIX_H_

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "schema/site.h"
#include "storage/exchange/activations_file.h"
#include "storage/formats/matrix_file.h"

namespace actkin {

// Positions of a corpus, rising.
using Positions = std::vector<std::uint64_t>;

// Lists of positions by the files that they were read from: sites share them.
using PositionLists = std::map<std::string, std::shared_ptr<const Positions>>;

// The rows that were recorded at one place of a model: one matrix, in parts that follow each other. Immutable; any
// thread.
class RecordedMatrix {
 public:
  // Opens the files and checks all but their numbers. token_count: of the corpus. Throws Error naming file and number:
  // parts of different types or widths, more or fewer rows than positions, positions that do not rise or are beyond the
  // corpus's end.
  RecordedMatrix(const std::filesystem::path& folder, const RecordedSite& recorded, std::uint64_t token_count,
                 PositionLists& lists);

  const Site& site() const { return site_; }
  // As activations.json describes it.
  const RecordedSite& recorded() const { return recorded_; }
  std::uint64_t row_count() const { return row_count_; }
  std::uint64_t dimension() const { return parts_.front().columns(); }
  Element element() const { return parts_.front().element(); }
  // "bfloat16", as the files have it.
  std::string_view type_name() const { return parts_.front().type_name(); }
  // Of each row; null: row r is position r.
  const std::shared_ptr<const Positions>& positions() const { return positions_; }
  // What tells these files from any others without reading them: names, sizes, times of their last change.
  const std::string& files_text() const { return files_text_; }

  // out: range.size() x dimension(). Rows are expected to be read once, from the first on. Throws Error naming the file
  // and row of a number that is not finite. REQUIRES: the range lies in 0..row_count().
  void ReadRows(RowRange range, std::span<float> out) const;
  // Whether ReadRows met such a number.
  bool met_infinite() const { return met_infinite_; }

 private:
  void ReadPositions(const std::filesystem::path& folder, const RecordedSite& recorded, std::uint64_t token_count,
                     PositionLists& lists);

  RecordedSite recorded_;
  Site site_;
  std::vector<MatrixFile> parts_;
  std::vector<std::uint64_t> begins_ = {0};  // the row that each part begins with, and the number of all
  std::uint64_t row_count_ = 0;
  std::shared_ptr<const Positions> positions_;
  std::string files_text_;
  mutable std::atomic<bool> met_infinite_ = false;
};

}  // namespace actkin

#endif  // ACTKIN_INDEXER_ACTIVATIONS_RECORDED_MATRIX_H_
