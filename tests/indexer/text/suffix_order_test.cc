#include "indexer/text/suffix_order.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "schema/token_ids.h"

namespace actkin {
namespace {

std::vector<std::uint32_t> ByComparing(const std::vector<TokenId>& numbers) {
  std::vector<std::uint32_t> order(numbers.size());
  std::iota(order.begin(), order.end(), 0U);
  std::ranges::sort(order, [&](std::uint32_t a, std::uint32_t b) {
    return std::ranges::lexicographical_compare(numbers.begin() + a, numbers.end(), numbers.begin() + b, numbers.end());
  });
  return order;
}

std::vector<std::uint32_t> Order(const std::vector<TokenId>& numbers, int width, std::size_t most_of_32_bits) {
  const std::string bytes = EncodeTokenIds(numbers, width);
  return SuffixOrder(std::as_bytes(std::span(bytes)), width, most_of_32_bits);
}

TEST(SuffixOrderTest, IsThatOfTheNumbers) {
  std::mt19937 generator(7);
  for (const int width : {1, 2, 4}) {
    for (const std::size_t size : {0, 1, 2, 100, 5000}) {
      for (const TokenId most : {TokenId{1}, TokenId{3}, TokenId{0xFF}, TokenId{0xFFFF}, TokenId{0xFFFFFFFF}}) {
        std::vector<TokenId> numbers(size);
        const TokenId largest = std::min(most, TokenId{0xFFFFFFFF} >> (8 * (4 - width)));
        for (TokenId& number : numbers) number = std::uniform_int_distribution<TokenId>(0, largest)(generator);
        const std::vector<std::uint32_t> expected = ByComparing(numbers);
        EXPECT_EQ(Order(numbers, width, kMostBytesOf32Bits), expected) << width << " bytes, up to " << largest;
        EXPECT_EQ(Order(numbers, width, 0), expected) << width << " bytes, up to " << largest << ", with 64 bits";
      }
    }
  }
}

TEST(SuffixOrderTest, AShorterSuffixComesFirst) {
  EXPECT_THAT(Order({5, 5, 5}, 2, kMostBytesOf32Bits), testing::ElementsAre(2, 1, 0));
  // Bytes of two numbers make no suffix: 0x0102 0x0201 has the number 0x0202 nowhere.
  EXPECT_THAT(Order({0x0102, 0x0201}, 2, kMostBytesOf32Bits), testing::ElementsAre(0, 1));
}

}  // namespace
}  // namespace actkin
