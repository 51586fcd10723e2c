#include "indexer/text/suffix_order.h"

#include <divsufsort.h>
#include <divsufsort64.h>

#include <new>

#include "schema/error.h"

namespace actkin {
namespace {

void RequireSorted(int status) {
  if (status == -2) throw std::bad_alloc();
  if (status != 0) Fail("libdivsufsort: cannot sort these suffixes ({})", status);
}

// Keeps, of suffixes of bytes, those that begin at a number. `kept` may be where they lie.
template <typename Begin>
std::size_t KeepAligned(std::span<const Begin> begins, std::uint64_t width, std::uint32_t* kept) {
  std::size_t count = 0;
  for (const Begin begin : begins) {
    if (begin % width == 0) kept[count++] = static_cast<std::uint32_t>(begin / width);
  }
  return count;
}

}  // namespace

std::vector<std::uint32_t> SuffixOrder(std::span<const std::byte> bytes, int width, std::size_t most_of_32_bits) {
  const auto* text = reinterpret_cast<const sauchar_t*>(bytes.data());
  const auto step = static_cast<std::uint64_t>(width);
  std::vector<std::uint32_t> order(bytes.size() <= most_of_32_bits ? bytes.size() : bytes.size() / step);
  if (bytes.empty()) return order;
  if (bytes.size() <= most_of_32_bits) {
    // None is negative.
    RequireSorted(divsufsort(text, reinterpret_cast<saidx_t*>(order.data()), static_cast<saidx_t>(bytes.size())));
    if (step > 1) order.resize(KeepAligned<std::uint32_t>(order, step, order.data()));
  } else {
    std::vector<std::uint64_t> begins(bytes.size());
    RequireSorted(
        divsufsort64(text, reinterpret_cast<saidx64_t*>(begins.data()), static_cast<saidx64_t>(bytes.size())));
    KeepAligned<std::uint64_t>(begins, step, order.data());
  }
  return order;
}

}  // namespace actkin
