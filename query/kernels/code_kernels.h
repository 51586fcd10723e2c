#ifndef ACTKIN_QUERY_KERNELS_CODE_KERNELS_H_
#define ACTKIN_QUERY_KERNELS_CODE_KERNELS_H_

#include <cstddef>
#include <cstdint>

namespace actkin {

// Numbers in a table of one position. For codes of one byte every code has an entry; longer codes are first lowered to
// the number of tokens, so that a code beyond them never leads outside the table.
template <typename Code>
constexpr std::size_t TableEntries(std::size_t token_count) {
  return sizeof(Code) == 1 ? 256 : token_count + 1;
}

// out: row_count, each the sum over positions m of tables[m][code m of the row], in float32, first position first.
// codes: row_count x positions; tables: positions x TableEntries. The entries from token_count on must hold NaN: a
// row with a code that is not below token_count then sums to NaN. Any thread.
void TableSums(const std::uint8_t* codes, std::size_t row_count, std::size_t positions, std::size_t token_count,
               const float* tables, float* out);
void TableSums(const std::uint16_t* codes, std::size_t row_count, std::size_t positions, std::size_t token_count,
               const float* tables, float* out);
void TableSums(const std::uint32_t* codes, std::size_t row_count, std::size_t positions, std::size_t token_count,
               const float* tables, float* out);

}  // namespace actkin

#endif  // ACTKIN_QUERY_KERNELS_CODE_KERNELS_H_
