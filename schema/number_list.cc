#include "schema/number_list.h"

#include <algorithm>
#include <charconv>

#include "schema/error.h"
#include "schema/text.h"

namespace actkin {
namespace {

constexpr int kLongestRange = 100'000;

}  // namespace

std::vector<int> ParseNumberList(std::string_view text, std::string_view what) {
  std::vector<int> numbers;
  const char* next = text.data();
  const char* const end = text.data() + text.size();
  const auto refuse = [&] { FailUsage("{} {}: expected numbers such as 9, 7,8,9 or 0-5", what, Quote(text)); };
  const auto number = [&] {
    int value = 0;
    const auto [after, error] = std::from_chars(next, end, value);
    if (error != std::errc()) refuse();
    next = after;
    return value;
  };
  for (;;) {
    const int first = number();
    int last = first;
    if (next != end && *next == '-') {
      ++next;
      last = number();
      if (last < first || last - first > kLongestRange) refuse();
    }
    for (int value = first; value <= last; ++value) {
      if (std::ranges::find(numbers, value) == numbers.end()) numbers.push_back(value);
    }
    if (next == end) return numbers;
    if (*next++ != ',') refuse();
  }
}

std::string FormatNumberList(const std::vector<int>& numbers) {
  std::string text;
  for (std::size_t i = 0; i < numbers.size();) {
    std::size_t last = i;
    while (last + 1 < numbers.size() && numbers[last + 1] == numbers[last] + 1) ++last;
    if (!text.empty()) text += ',';
    text += last == i ? fmt::format("{}", numbers[i]) : fmt::format("{}-{}", numbers[i], numbers[last]);
    i = last + 1;
  }
  return text;
}

}  // namespace actkin
