#include "indexer/text/corpus_windows.h"

#include <gtest/gtest.h>

#include <optional>
#include <random>

#include "schema/position_window.h"

namespace actkin {
namespace {

// The definition, position by position: the first token of the first window that sees it with enough before it.
std::uint64_t WindowOf(std::uint64_t place, std::uint64_t window, std::uint64_t stride) {
  for (std::uint64_t begin = 0;; begin += stride) {
    if (place < begin || place >= begin + window) continue;
    if (place - begin >= window - stride || begin == 0) return begin;
  }
}

std::vector<RowRange> Documents(const std::vector<std::uint64_t>& lengths) {
  std::vector<RowRange> documents;
  std::uint64_t end = 0;
  for (const std::uint64_t length : lengths) {
    documents.push_back({end, end + length});
    end += length;
  }
  return documents;
}

TEST(CorpusWindowsTest, EveryRowIsTakenFromTheWindowThatTheDefinitionNames) {
  std::mt19937 generator(3);
  for (int round = 0; round < 400; ++round) {
    const std::uint64_t window = 1 + generator() % 12;
    const std::uint64_t stride = 1 + generator() % window;
    std::vector<std::uint64_t> lengths(1 + generator() % 5);
    for (std::uint64_t& length : lengths) length = generator() % 3 == 0 ? 0 : generator() % 60;
    const std::vector<RowRange> documents = Documents(lengths);
    const CorpusWindows windows(documents, window, stride);
    std::uint64_t number = 0;
    for (const RowRange& document : documents) {
      std::optional<std::uint64_t> last;
      for (std::uint64_t position = document.begin; position < document.end; ++position) {
        const std::uint64_t begin = document.begin + WindowOf(position - document.begin, window, stride);
        // As whoever asks knows it.
        ASSERT_EQ(begin - document.begin, WindowBegin(position - document.begin, window, stride));
        if (last && *last != begin) ++number;
        last = begin;
        ASSERT_LT(number, windows.count());
        const CorpusWindows::Window found = windows.At(number);
        EXPECT_EQ(found.tokens, (RowRange{begin, std::min(begin + window, document.end)}));
        EXPECT_LE(found.positions.begin, position);
        EXPECT_GT(found.positions.end, position);
      }
      if (document.size() > 0) ++number;
    }
    EXPECT_EQ(number, windows.count()) << "no window without a row";
  }
}

TEST(CorpusWindowsTest, RowsFollowEachOther) {
  const CorpusWindows windows(Documents({0, 30, 1, 0, 7, 100}), 8, 3);
  std::uint64_t end = 0;
  for (std::uint64_t number = 0; number < windows.count(); ++number) {
    EXPECT_EQ(windows.At(number).positions.begin, end);
    EXPECT_EQ(windows.At(number).positions.end, windows.At(number).tokens.end);
    end = windows.At(number).positions.end;
  }
  EXPECT_EQ(end, 138U);
}

}  // namespace
}  // namespace actkin
