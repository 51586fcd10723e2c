#ifndef ACTKIN_STORAGE_MACHINE_FLOAT16_H_
#define ACTKIN_STORAGE_MACHINE_FLOAT16_H_

#include <cstddef>
#include <cstdint>

namespace actkin {

// IEEE 754 binary16, to nearest, ties to even. Values beyond 65,504 become infinite.
void EncodeFloat16(const float* values, std::size_t count, std::uint16_t* encoded);
void DecodeFloat16(const std::uint16_t* encoded, std::size_t count, float* values);

}  // namespace actkin

#endif  // ACTKIN_STORAGE_MACHINE_FLOAT16_H_
