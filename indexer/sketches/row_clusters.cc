#include "indexer/sketches/row_clusters.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace actkin {
namespace {

// Rows of a part that its spread is judged by.
constexpr std::uint64_t kJudged = 2048;

class Clusters {
 public:
  Clusters(std::span<const std::int8_t> codes, const LevelScales& scales)
      : codes_(codes), keys_(codes.size() / kCoarseCodes) {
    for (std::size_t code = 0; code + 1 < kCoarseCodes; ++code) {
      worth_[code] = std::ldexp(scales.step, static_cast<int>(scales.exponents[code / kQuad]));
    }
    worth_.back() = scales.rest_step;
    for (std::uint64_t row = 0; row < keys_.size(); ++row) keys_[row] = row;
  }

  std::vector<RowNumber> Order() {
    Split(0, keys_.size());
    std::vector<RowNumber> rows;
    rows.reserve(keys_.size());
    for (const std::uint64_t key : keys_) rows.push_back(RowOf(key));
    return rows;
  }

 private:
  static RowNumber RowOf(std::uint64_t key) { return static_cast<RowNumber>(key); }
  std::int8_t Code(RowNumber row, std::size_t code) const { return codes_[std::size_t{row} * kCoarseCodes + code]; }

  std::size_t Widest(std::uint64_t begin, std::uint64_t end) const {
    std::array<std::int64_t, kCoarseCodes> sums{};
    std::array<std::int64_t, kCoarseCodes> squares{};
    const std::uint64_t step = (end - begin + kJudged - 1) / kJudged;
    std::int64_t count = 0;
    for (std::uint64_t i = begin; i < end; i += step, ++count) {
      for (std::size_t code = 0; code < kCoarseCodes; ++code) {
        const std::int64_t number = Code(RowOf(keys_[i]), code);
        sums[code] += number;
        squares[code] += number * number;
      }
    }
    std::size_t widest = 0;
    double most = -1;
    for (std::size_t code = 0; code < kCoarseCodes; ++code) {
      const double spread =
          static_cast<double>(count * squares[code] - sums[code] * sums[code]) * worth_[code] * worth_[code];
      if (spread > most) {
        most = spread;
        widest = code;
      }
    }
    return widest;
  }

  // Rows with equal codes are told apart by their numbers, so that there is one outcome.
  void Split(std::uint64_t begin, std::uint64_t end) {
    const auto at = [this](std::uint64_t i) { return keys_.begin() + static_cast<std::ptrdiff_t>(i); };
    const std::uint64_t blocks = SketchBlocks(end - begin);
    if (blocks <= 1) {
      for (std::uint64_t i = begin; i < end; ++i) keys_[i] = RowOf(keys_[i]);
      std::sort(at(begin), at(end));
      return;
    }
    const std::size_t code = Widest(begin, end);
    for (std::uint64_t i = begin; i < end; ++i) {
      const RowNumber row = RowOf(keys_[i]);
      keys_[i] = static_cast<std::uint64_t>(Code(row, code) + 128) << 32 | row;
    }
    const std::uint64_t middle = begin + blocks / 2 * kBlockRows;
    std::nth_element(at(begin), at(middle), at(end));
    Split(begin, middle);
    Split(middle, end);
  }

  std::span<const std::int8_t> codes_;
  std::vector<std::uint64_t> keys_;  // the code a part was last split by, and the row
  std::array<double, kCoarseCodes> worth_{};
};

}  // namespace

std::vector<RowNumber> ClusterRows(std::span<const std::int8_t> codes, const LevelScales& scales) {
  return Clusters(codes, scales).Order();
}

}  // namespace actkin
