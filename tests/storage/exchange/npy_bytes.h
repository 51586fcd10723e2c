#ifndef ACTKIN_TESTS_STORAGE_EXCHANGE_NPY_BYTES_H_
#define ACTKIN_TESTS_STORAGE_EXCHANGE_NPY_BYTES_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "storage/exchange/npy_file.h"

namespace actkin {

template <typename Number>
std::string BytesOf(std::span<const Number> numbers) {
  return {reinterpret_cast<const char*>(numbers.data()), numbers.size_bytes()};
}

// A .npy file of an array in C order.
template <typename Number>
std::string NpyBytes(std::string_view descr, const std::vector<std::uint64_t>& shape, std::span<const Number> numbers) {
  return NpyHeader(descr, shape) + BytesOf(numbers);
}

}  // namespace actkin

#endif  // ACTKIN_TESTS_STORAGE_EXCHANGE_NPY_BYTES_H_
