#include "storage/formats/row_moments.h"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <utility>

#include "storage/machine/row_workers.h"

namespace actkin {
namespace {

constexpr std::uint64_t kChunkRows = 4096;
// Rows that are widened at once, fewer where they are wide.
constexpr std::uint64_t kPart = 64;
// Bytes of rows that are widened at most, and that are let go together.
constexpr std::uint64_t kPartBytes = std::uint64_t{4} << 20;

// Adds up the rows of a chunk; returns the largest squared norm.
double AddUp(const RowSource& source, RowRange chunk, std::span<double> sums) {
  const std::uint64_t dimension = source.dimension();
  const std::uint64_t step = std::clamp<std::uint64_t>(kPartBytes / (dimension * sizeof(float)), 1, kPart);
  std::vector<float> rows(step * dimension);
  double largest = 0;
  std::uint64_t kept = chunk.begin;  // rows before it are forgotten
  for (std::uint64_t begin = chunk.begin; begin < chunk.end; begin += step) {
    if ((begin - kept) * source.row_bytes() >= kPartBytes) source.Forget({std::exchange(kept, begin), begin});
    const RowRange part{begin, std::min(begin + step, chunk.end)};
    source.Read(part, std::span(rows).first(part.size() * dimension));
    for (std::uint64_t row = 0; row < part.size(); ++row) {
      const float* numbers = rows.data() + row * dimension;
      double square = 0;
      for (std::uint64_t i = 0; i < dimension; ++i) {
        const double number = numbers[i];
        sums[i] += number;
        square += number * number;
      }
      largest = std::max(largest, square);
    }
  }
  source.Forget({kept, chunk.end});
  return largest;
}

}  // namespace

RowMoments FindMoments(const RowSource& source, int threads, const std::function<void(std::uint64_t)>& done) {
  const std::uint64_t dimension = source.dimension();
  const RowRange rows{0, source.row_count()};
  const std::uint64_t chunks = (rows.size() + kChunkRows - 1) / kChunkRows;
  std::vector<double> sums(chunks * dimension);
  double largest = 0;
  std::mutex mutex;
  ForEachPiece(rows, kChunkRows, UsefulThreads(rows, kChunkRows, threads), [&](int, RowRange chunk) {
    const std::uint64_t number = chunk.begin / kChunkRows;
    const double square = AddUp(source, chunk, std::span(sums).subspan(number * dimension, dimension));
    const std::lock_guard lock(mutex);
    largest = std::max(largest, square);
    if (done) done(chunk.size());
  });
  RowMoments moments{std::vector<double>(dimension), 0};
  for (std::uint64_t chunk = 0; chunk < chunks; ++chunk) {
    for (std::uint64_t i = 0; i < dimension; ++i) moments.mean[i] += sums[chunk * dimension + i];
  }
  for (double& number : moments.mean) number /= static_cast<double>(rows.size());
  // Wider than the rounding of a million additions.
  moments.longest = std::sqrt(largest) * (1 + 0x1p-30);
  return moments;
}

}  // namespace actkin
