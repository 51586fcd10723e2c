#ifndef ACTKIN_STORAGE_MACHINE_ROW_DISTANCE_H_
#define ACTKIN_STORAGE_MACHINE_ROW_DISTANCE_H_

#include <cstddef>
#include <span>

#include "schema/site.h"

namespace actkin {

// One vector against rows that stand anywhere, as a walk through a graph meets them: in float32, with the widest
// instructions that the processor has (chosen at run time), the next row being fetched meanwhile. The order of the sums
// differs between processors. Any thread.
//
// element: not none. rows[i]: where a row's `dimension` numbers of `element` begin; they need no more alignment than a
// number. Of int8 where the row of storage/machine/int8_rows.h begins.
// vector: dimension. out: one number a row. Nothing outside the rows is read.
void SquaredDistancesTo(std::span<const std::byte* const> rows, Element element, std::size_t dimension,
                        const float* vector, float* out);
void DotProductsWith(std::span<const std::byte* const> rows, Element element, std::size_t dimension,
                     const float* vector, float* out);

}  // namespace actkin

#endif  // ACTKIN_STORAGE_MACHINE_ROW_DISTANCE_H_
