#ifndef ACTKIN_TOOLS_COMMAND_FLAGS_GIVEN_VECTORS_H_
#define ACTKIN_TOOLS_COMMAND_FLAGS_GIVEN_VECTORS_H_

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

namespace actkin {

// Vectors that a user gives in a file.
struct GivenVectors {
  std::uint64_t count = 0;
  std::uint64_t dimension = 0;
  std::vector<float> values;  // count x dimension, row-major

  std::span<const float> Of(std::uint64_t number) const {
    return std::span(values).subspan(number * dimension, dimension);
  }
};

// Of a NumPy array, one vector or a row each, of float16, float32 or float64. Throws Error naming the file where it is
// another, or one of its numbers is NaN or infinite.
GivenVectors ReadVectors(const std::filesystem::path& file);

}  // namespace actkin

#endif  // ACTKIN_TOOLS_COMMAND_FLAGS_GIVEN_VECTORS_H_
