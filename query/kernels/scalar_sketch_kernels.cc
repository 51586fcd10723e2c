#include <algorithm>

#include "query/kernels/sketch_kernels.h"

namespace actkin::scalar {
namespace {

std::int32_t CoarseDistance(const std::int8_t* block, std::size_t row, const CoarseQuery& query) {
  std::int32_t sum = 0;
  for (std::size_t i = 0; i < kCoarseCoordinates; ++i) {
    const std::int32_t difference = block[(i / 2 * kBlockRows + row) * 2 + i % 2] - query.codes[i];
    sum += difference * difference << (2 * query.exponents[i / 2]);
  }
  return sum;
}

void CoarseDistances(const std::int8_t* block, const CoarseQuery& query, std::int32_t* out) {
  for (std::size_t row = 0; row < kBlockRows; ++row) out[row] = CoarseDistance(block, row, query);
}

}  // namespace

std::size_t CoarseRowsWithin(const std::int8_t* codes, std::span<const std::uint32_t> blocks, const CoarseQuery& query,
                             std::int32_t low, std::int32_t high, std::uint32_t* rows) {
  std::size_t found = 0;
  for (const std::uint32_t block : blocks) {
    for (std::uint32_t row = 0; row < kBlockRows; ++row) {
      const std::int32_t squared = CoarseDistance(codes + block * kBlockBytes, row, query);
      if (squared >= low && squared <= high) rows[found++] = block * static_cast<std::uint32_t>(kBlockRows) + row;
    }
  }
  return found;
}

void SmallestCoarse(std::span<const std::int8_t> blocks, const CoarseQuery& query, std::int32_t* best) {
  std::int32_t sums[kBlockRows];
  for (std::size_t block = 0; block < blocks.size() / kBlockBytes; ++block) {
    CoarseDistances(blocks.data() + block * kBlockBytes, query, sums);
    best[block] = *std::ranges::min_element(sums);
  }
}

void LargestCoarse(std::span<const std::int8_t> blocks, const CoarseQuery& query, std::int32_t* best) {
  std::int32_t sums[kBlockRows];
  for (std::size_t block = 0; block < blocks.size() / kBlockBytes; ++block) {
    CoarseDistances(blocks.data() + block * kBlockBytes, query, sums);
    best[block] = *std::ranges::max_element(sums);
  }
}

void FineDistances(const std::int8_t* codes, std::span<const std::uint32_t> rows, const FineQuery& query,
                   std::int32_t* out) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::int32_t sum = 0;
    for (std::size_t c = 0; c < kFineCoordinates; ++c) {
      const std::int32_t difference = codes[std::size_t{rows[i]} * kFineCoordinates + c] - query.codes[c];
      sum += difference * difference << (2 * query.exponents[c / 2]);
    }
    out[i] = sum;
  }
}

}  // namespace actkin::scalar
