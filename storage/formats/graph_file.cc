#include "storage/formats/graph_file.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "schema/error.h"
#include "storage/formats/vector_file.h"

namespace actkin {
namespace {

enum Number { kMetric, kDimension, kRowCount, kBaseLinks, kUpperLinks, kEntryPoint, kTopLevel, kRowsChecksum };
enum SectionIndex { kBase, kUpperRows, kUpper, kInverseNorms };

constexpr std::uint64_t kMaximumLinks = 1U << 16;
constexpr std::uint64_t kMaximumLevel = 256;

}  // namespace

GraphFile::GraphFile(const std::filesystem::path& path) : file_(path, FileKind::kGraph) {
  const auto& numbers = file_.header().numbers;
  const bool sane = numbers[kMetric] <= static_cast<std::uint64_t>(Metric::kCosine) && numbers[kDimension] > 0 &&
                    numbers[kDimension] <= kMaximumDimension && numbers[kRowCount] > 0 &&
                    numbers[kRowCount] < kNoLink && numbers[kBaseLinks] > 0 && numbers[kBaseLinks] <= kMaximumLinks &&
                    numbers[kUpperLinks] > 0 && numbers[kUpperLinks] <= kMaximumLinks &&
                    numbers[kEntryPoint] < numbers[kRowCount] && numbers[kTopLevel] <= kMaximumLevel;
  if (!sane) FailDamaged("{}: damaged: a number in its header is out of range", path.string());
  graph_.metric = static_cast<Metric>(numbers[kMetric]);
  graph_.dimension = numbers[kDimension];
  graph_.row_count = numbers[kRowCount];
  graph_.rows_checksum = numbers[kRowsChecksum];
  graph_.base_links = static_cast<std::uint32_t>(numbers[kBaseLinks]);
  graph_.upper_links = static_cast<std::uint32_t>(numbers[kUpperLinks]);
  graph_.entry_point = static_cast<RowNumber>(numbers[kEntryPoint]);
  graph_.top_level = static_cast<std::uint32_t>(numbers[kTopLevel]);
  graph_.base = file_.Numbers<RowNumber>(kBase, graph_.row_count * graph_.base_links);
  const std::uint64_t upper_numbers = file_.section(kUpperRows).size() / sizeof(std::uint32_t);
  if (upper_numbers % 2 != 1) FailDamaged("{}: damaged: its upper rows are not one to a block", path.string());
  const auto upper = file_.Numbers<std::uint32_t>(kUpperRows, upper_numbers);
  graph_.upper_rows = upper.first(upper_numbers / 2);
  graph_.upper_blocks = upper.subspan(upper_numbers / 2);
  graph_.upper = file_.Numbers<RowNumber>(kUpper, std::uint64_t{graph_.upper_blocks.back()} * graph_.upper_links);
  if (graph_.metric == Metric::kCosine) {
    graph_.inverse_norms = file_.Numbers<float>(kInverseNorms, graph_.row_count);
  } else if (!file_.section(kInverseNorms).empty()) {
    FailDamaged("{}: damaged: an l2 graph has no norms", path.string());
  }
}

std::span<const RowNumber> GraphFile::Links(RowNumber row, std::uint32_t level) const {
  if (level == 0) return graph_.base.subspan(std::uint64_t{row} * graph_.base_links, graph_.base_links);
  const auto found = std::ranges::lower_bound(graph_.upper_rows, row);
  if (found != graph_.upper_rows.end() && *found == row) {
    const auto number = static_cast<std::size_t>(found - graph_.upper_rows.begin());
    const std::uint64_t block = std::uint64_t{graph_.upper_blocks[number]} + level - 1;
    if (block < graph_.upper_blocks[number + 1] && block < graph_.upper_blocks.back()) {
      return graph_.upper.subspan(block * graph_.upper_links, graph_.upper_links);
    }
  }
  FailDamaged("{}: damaged: row {} is not on level {}", path().string(), row, level);
}

void GraphFile::FailOnLink(RowNumber row, RowNumber link) const {
  FailDamaged("{}: damaged: row {} has a link to row {}, of {}", path().string(), row, link, graph_.row_count);
}

void GraphFile::Verify() const {
  file_.VerifyBytes();
  // The level of each row, from 0.
  std::vector<std::uint8_t> levels(graph_.row_count);
  for (std::size_t i = 0; i < graph_.upper_rows.size(); ++i) {
    const RowNumber row = graph_.upper_rows[i];
    const std::uint32_t begin = graph_.upper_blocks[i];
    const std::uint32_t end = graph_.upper_blocks[i + 1];
    if (row >= graph_.row_count || (i > 0 && row <= graph_.upper_rows[i - 1]) || (i == 0 && begin != 0) ||
        end <= begin || end - begin > graph_.top_level) {
      FailDamaged("{}: damaged: its upper rows are not in order", path().string());
    }
    levels[row] = static_cast<std::uint8_t>(std::min<std::uint32_t>(end - begin, 255));
  }
  if (levels[graph_.entry_point] != graph_.top_level) {
    FailDamaged("{}: damaged: its entry point is not at the top", path().string());
  }
  for (RowNumber row = 0; row < graph_.row_count; ++row) {
    for (std::uint32_t level = 0; level <= levels[row]; ++level) {
      bool ended = false;
      for (const RowNumber link : Links(row, level)) {
        if (link == kNoLink) {
          ended = true;
        } else if (ended || link >= graph_.row_count || levels[link] < level) {
          FailOnLink(row, link);
        }
      }
    }
  }
  const auto infinite = std::ranges::find_if_not(graph_.inverse_norms, [](float norm) { return std::isfinite(norm); });
  if (infinite != graph_.inverse_norms.end()) FailDamaged("{}: damaged: a norm is not finite", path().string());
}

std::uint64_t WriteGraphFile(const std::filesystem::path& path, const HnswGraph& graph) {
  std::vector<std::uint32_t> upper_rows(graph.upper_rows.begin(), graph.upper_rows.end());
  upper_rows.insert(upper_rows.end(), graph.upper_blocks.begin(), graph.upper_blocks.end());
  return WriteSectionFile(path, FileKind::kGraph,
                          {static_cast<std::uint64_t>(graph.metric), graph.dimension, graph.row_count, graph.base_links,
                           graph.upper_links, graph.entry_point, graph.top_level, graph.rows_checksum},
                          {std::as_bytes(graph.base), std::as_bytes(std::span<const std::uint32_t>(upper_rows)),
                           std::as_bytes(graph.upper), std::as_bytes(graph.inverse_norms)});
}

}  // namespace actkin
