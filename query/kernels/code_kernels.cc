#include "query/kernels/code_kernels.h"

#include <algorithm>

namespace actkin {
namespace {

// Where a code's entry stands in the table of its position.
template <typename Code>
inline std::size_t Entry(Code code, std::size_t token_count) {
  if constexpr (sizeof(Code) == 1) {
    return code;
  } else {
    return std::min<std::size_t>(code, token_count);
  }
}

// kPositions: 0 where the number of positions is known only at run time.
template <std::size_t kPositions, typename Code>
void Sums(const Code* codes, std::size_t row_count, std::size_t run_time_positions, std::size_t token_count,
          const float* tables, float* out) {
  const std::size_t positions = kPositions == 0 ? run_time_positions : kPositions;
  const std::size_t entries = TableEntries<Code>(token_count);
  constexpr std::size_t kRows = 4;  // independent sums that hide the latency of the additions
  std::size_t row = 0;
  for (; row + kRows <= row_count; row += kRows) {
    const Code* code = codes + row * positions;
    float sums[kRows] = {};
    const float* table = tables;
    for (std::size_t m = 0; m < positions; ++m, table += entries) {
      for (std::size_t r = 0; r < kRows; ++r) sums[r] += table[Entry(code[r * positions + m], token_count)];
    }
    std::copy_n(sums, kRows, out + row);
  }
  for (; row < row_count; ++row) {
    const Code* code = codes + row * positions;
    float sum = 0;
    for (std::size_t m = 0; m < positions; ++m) sum += tables[m * entries + Entry(code[m], token_count)];
    out[row] = sum;
  }
}

template <typename Code>
void Dispatch(const Code* codes, std::size_t row_count, std::size_t positions, std::size_t token_count,
              const float* tables, float* out) {
  switch (positions) {
    case 8:
      return Sums<8>(codes, row_count, positions, token_count, tables, out);
    case 9:
      return Sums<9>(codes, row_count, positions, token_count, tables, out);
    case 10:
      return Sums<10>(codes, row_count, positions, token_count, tables, out);
    default:
      return Sums<0>(codes, row_count, positions, token_count, tables, out);
  }
}

}  // namespace

void TableSums(const std::uint8_t* codes, std::size_t row_count, std::size_t positions, std::size_t token_count,
               const float* tables, float* out) {
  Dispatch(codes, row_count, positions, token_count, tables, out);
}

void TableSums(const std::uint16_t* codes, std::size_t row_count, std::size_t positions, std::size_t token_count,
               const float* tables, float* out) {
  Dispatch(codes, row_count, positions, token_count, tables, out);
}

void TableSums(const std::uint32_t* codes, std::size_t row_count, std::size_t positions, std::size_t token_count,
               const float* tables, float* out) {
  Dispatch(codes, row_count, positions, token_count, tables, out);
}

}  // namespace actkin
