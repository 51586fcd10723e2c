#include "query/kernels/row_kernels.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <random>
#include <string>

#include "query/kernels/scalar_kernels.h"
#include "storage/machine/float16.h"

namespace actkin {
namespace {

// Memory that ends where a page ends, with no page behind it: reading past the end stops the process.
template <typename Number>
class FencedNumbers {
 public:
  explicit FencedNumbers(const std::vector<Number>& numbers) {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const std::size_t bytes = numbers.size() * sizeof(Number);
    const std::size_t pages = (bytes + page - 1) / page;
    size_ = (pages + 1) * page;
    memory_ = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    std::byte* fence = static_cast<std::byte*>(memory_) + pages * page;
    EXPECT_EQ(mprotect(fence, page, PROT_NONE), 0);
    numbers_ = reinterpret_cast<Number*>(fence - bytes);
    std::memcpy(numbers_, numbers.data(), bytes);
  }
  ~FencedNumbers() { munmap(memory_, size_); }
  FencedNumbers(const FencedNumbers&) = delete;
  FencedNumbers& operator=(const FencedNumbers&) = delete;

  const Number* data() const { return numbers_; }

 private:
  void* memory_ = nullptr;
  std::size_t size_ = 0;
  Number* numbers_ = nullptr;
};

std::vector<float> RandomNumbers(std::size_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<float> numbers(count);
  for (float& number : numbers) number = normal(generator);
  return numbers;
}

std::vector<std::uint16_t> Encode(const std::vector<float>& numbers) {
  std::vector<std::uint16_t> encoded(numbers.size());
  EncodeFloat16(numbers.data(), numbers.size(), encoded.data());
  return encoded;
}

void ExpectNear(const std::vector<float>& found, const std::vector<float>& expected, std::size_t dimension,
                const std::string& what) {
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    // Of numbers around one: the rounding of `dimension` additions.
    const double tolerance = 1e-6 * (static_cast<double>(dimension) + std::abs(expected[i]));
    ASSERT_NEAR(found[i], expected[i], tolerance) << what << ", number " << i;
  }
}

// A kernel and its twin, over every shape, on every instruction set that this processor has.
class RowKernelsTest : public testing::TestWithParam<std::int64_t> {
 protected:
  void SetUp() override { UseKernelTarget(GetParam()); }
  void TearDown() override { UseKernelTarget(0); }

  template <typename Number>
  void CompareAll(const std::vector<Number>& rows, std::size_t row_count, std::size_t dimension,
                  const std::vector<float>& queries, std::size_t query_count) {
    const std::string what =
        std::to_string(row_count) + " rows x " + std::to_string(dimension) + ", queries " + std::to_string(query_count);
    const FencedNumbers<Number> fenced_rows(rows);
    const FencedNumbers<float> fenced_queries(queries);
    std::vector<float> found(row_count * query_count);
    std::vector<float> expected(found.size());
    SquaredDistances(fenced_rows.data(), row_count, dimension, fenced_queries.data(), query_count, found.data());
    scalar::SquaredDistances(rows.data(), row_count, dimension, queries.data(), query_count, expected.data());
    ExpectNear(found, expected, dimension, what);
    DotProducts(fenced_rows.data(), row_count, dimension, fenced_queries.data(), query_count, found.data());
    scalar::DotProducts(rows.data(), row_count, dimension, queries.data(), query_count, expected.data());
    ExpectNear(found, expected, dimension, what);
    found.resize(row_count);
    expected.resize(row_count);
    SquaredNorms(fenced_rows.data(), row_count, dimension, found.data());
    scalar::SquaredNorms(rows.data(), row_count, dimension, expected.data());
    ExpectNear(found, expected, dimension, what);
  }
};

TEST_P(RowKernelsTest, AgreeWithTheirScalarTwins) {
  for (const std::size_t dimension : {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 19, 31, 32, 33, 48, 100, 384}) {
    for (const std::size_t row_count : {1, 2, 3, 4, 5, 9}) {
      for (const std::size_t query_count : {1, 2, 4, 7, 8}) {
        const std::vector<float> rows = RandomNumbers(row_count * dimension, 1);
        const std::vector<float> queries = RandomNumbers(query_count * dimension, 2);
        CompareAll(rows, row_count, dimension, queries, query_count);
        CompareAll(Encode(rows), row_count, dimension, queries, query_count);
      }
    }
  }
}

// Every finite float16, subnormals among them, is the number that the storage decodes.
TEST_P(RowKernelsTest, EveryFloat16IsReadExactly) {
  std::vector<std::uint16_t> rows;
  for (std::uint32_t bits = 0; bits < 0x10000U; ++bits) {
    if ((bits & 0x7C00U) != 0x7C00U) rows.push_back(static_cast<std::uint16_t>(bits));
  }
  std::vector<float> decoded(rows.size());
  DecodeFloat16(rows.data(), rows.size(), decoded.data());
  // One number in a row of eight zeros at a time: the dot product with ones is that number.
  std::vector<std::uint16_t> spread(rows.size() * 8);
  for (std::size_t i = 0; i < rows.size(); ++i) spread[i * 8 + i % 8] = rows[i];
  const std::vector<float> ones(8, 1.0F);
  std::vector<float> dots(rows.size());
  DotProducts(spread.data(), rows.size(), 8, ones.data(), 1, dots.data());
  EXPECT_EQ(dots, decoded);
}

TEST_P(RowKernelsTest, LinearAgreesWithItsTwinAndWritesOnlyItsColumns) {
  for (const std::size_t width : {1, 7, 20, 64, 130}) {
    for (const std::size_t outputs : {1, 6, 33}) {
      for (const std::size_t inputs : {1, 3, 4, 10}) {
        const std::size_t stride = outputs + 5;
        const std::vector<float> weights = RandomNumbers(outputs * width, 3);
        const std::vector<float> bias = RandomNumbers(outputs, 4);
        const std::vector<float> values = RandomNumbers(inputs * width, 5);
        for (const float* with : {static_cast<const float*>(nullptr), bias.data()}) {
          std::vector<float> found(inputs * stride, 42.0F);
          std::vector<float> expected(inputs * stride, 42.0F);
          const FencedNumbers<float> fenced(weights);
          Linear(fenced.data(), outputs, width, with, values.data(), inputs, found.data(), stride);
          scalar::Linear(weights.data(), outputs, width, with, values.data(), inputs, expected.data(), stride);
          ExpectNear(found, expected, width + 1, "linear");
          for (std::size_t i = 0; i < inputs; ++i) {
            for (std::size_t j = outputs; j < stride; ++j) EXPECT_EQ(found[i * stride + j], 42.0F);
          }
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, RowKernelsTest, testing::ValuesIn(KernelTargets()));

}  // namespace
}  // namespace actkin
