#ifndef ACTKIN_STORAGE_MACHINE_INT8_ROWS_H_
#define ACTKIN_STORAGE_MACHINE_INT8_ROWS_H_

#include <cstddef>

namespace actkin {

// A row of numbers in about a byte each. Number i is code i times the row's scale, rounded to float32 once, but for the
// outliers: the few numbers of the largest magnitude are kept as they are, so that they don't widen the scale of the
// others. Of a row that is not all outliers, every number is off by at most half a scale, and a scale is 1/127 of the
// largest number that is no outlier.
//
// Bytes, little-endian: scale (float32); Int8Outliers numbers' places, ascending (uint32), then their values (float32);
// a code a number (int8, -127 to 127; of outliers 0); zeros up to a multiple of 4.

// How many numbers of a row are kept apart.
std::size_t Int8Outliers(std::size_t dimension);
std::size_t Int8RowBytes(std::size_t dimension);

// numbers: dimension, finite; row: Int8RowBytes(dimension) bytes, all written. The same bytes on every processor.
void EncodeInt8Row(const float* numbers, std::size_t dimension, std::byte* row);

// numbers: dimension. The same on every processor; of a damaged row any numbers.
void DecodeInt8Row(const std::byte* row, std::size_t dimension, float* numbers);

// Whether EncodeInt8Row may have written it.
bool IsInt8Row(const std::byte* row, std::size_t dimension);

}  // namespace actkin

#endif  // ACTKIN_STORAGE_MACHINE_INT8_ROWS_H_
