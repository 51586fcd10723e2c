#include "tools/command/flags/given_vectors.h"

#include <cmath>
#include <cstring>

#include "schema/error.h"
#include "storage/exchange/npy_file.h"
#include "storage/machine/float16.h"

namespace actkin {
namespace {

// `from` may be unaligned.
template <typename Number>
std::vector<Number> Numbers(const NpyFile& file) {
  std::vector<Number> numbers(file.count());
  std::memcpy(numbers.data(), file.bytes().data(), numbers.size() * sizeof(Number));
  return numbers;
}

}  // namespace

GivenVectors ReadVectors(const std::filesystem::path& path) {
  const NpyFile file(path);
  const std::vector<std::uint64_t>& shape = file.shape();
  if (shape.empty() || shape.size() > 2 || file.count() == 0) {
    FailUsage("{}: shape {}: expected a vector, or a matrix with one in each row", path.string(), file.shape_text());
  }
  GivenVectors vectors{shape.size() == 2 ? shape[0] : 1, shape.back(), {}};
  switch (file.type()) {
    case NpyFile::Type::kFloat32:
      vectors.values = Numbers<float>(file);
      break;
    case NpyFile::Type::kFloat64:
      for (const double number : Numbers<double>(file)) vectors.values.push_back(static_cast<float>(number));
      break;
    case NpyFile::Type::kFloat16: {
      const std::vector<std::uint16_t> encoded = Numbers<std::uint16_t>(file);
      vectors.values.resize(encoded.size());
      DecodeFloat16(encoded.data(), encoded.size(), vectors.values.data());
      break;
    }
    default:
      FailUsage("{}: numbers of type {}: expected float16, float32 or float64", path.string(), file.type_name());
  }
  for (std::size_t i = 0; i < vectors.values.size(); ++i) {
    if (std::isfinite(vectors.values[i])) continue;
    FailUsage("{}: number {} of vector {} is {}: only finite numbers can be compared", path.string(),
              i % vectors.dimension, i / vectors.dimension, vectors.values[i]);
  }
  return vectors;
}

}  // namespace actkin
