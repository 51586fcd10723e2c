#ifndef ACTKIN_INDEXER_TEXT_SUFFIX_ORDER_H_
#define ACTKIN_INDEXER_TEXT_SUFFIX_ORDER_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace actkin {

// The bytes up to which numbers of 32 bits will do while they are sorted.
inline constexpr std::size_t kMostBytesOf32Bits = std::numeric_limits<std::int32_t>::max();

// The suffixes of big-endian numbers of `width` bytes each, in lexicographic order: the number at which each begins.
// libdivsufsort (Y. Mori; described by J. Fischer and F. Kurpicz, "Dismantling DivSufSort", 2017) sorts the suffixes of
// the bytes; of these, those that begin at a number are in the order of the numbers. Takes 4 bytes a byte, or 8 where
// there are more than most_of_32_bits. One thread. Throws Error where memory runs out.
// REQUIRES: bytes.size() is a multiple of width; there are fewer than 2^32 numbers.
std::vector<std::uint32_t> SuffixOrder(std::span<const std::byte> bytes, int width,
                                       std::size_t most_of_32_bits = kMostBytesOf32Bits);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_TEXT_SUFFIX_ORDER_H_
