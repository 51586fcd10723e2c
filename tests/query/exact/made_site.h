#ifndef ACTKIN_TESTS_QUERY_EXACT_MADE_SITE_H_
#define ACTKIN_TESTS_QUERY_EXACT_MADE_SITE_H_

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "query/exact/exact_index.h"
#include "query/exact/site_index.h"
#include "storage/formats/row_order_file.h"
#include "storage/formats/vector_file.h"
#include "tests/temporary_folder.h"

namespace actkin {

// Rows made to be hard for a search, each set under the name of what is special about it. 19 dimensions, so that every
// instruction set has a partly filled vector at the end of a row.
struct MadeRows {
  std::string name;
  std::size_t dimension = 0;
  std::vector<float> values;   // rows x dimension; numbers that float16 holds exactly
  std::vector<float> queries;  // 5 x dimension
  // All sums of products and of squared differences are exact in double precision: distances have one right value.
  bool whole_numbers = false;

  std::size_t row_count() const { return values.size() / dimension; }
};

std::vector<MadeRows> HardRows();

// A permutation of 0..count-1.
std::vector<StringOrdinal> ShuffledOrdinals(std::size_t count, unsigned seed = 7);
std::shared_ptr<const RowOrderFile> MakeRowOrder(const TemporaryFolder& folder,
                                                 std::span<const StringOrdinal> ordinals);

// Writes rows [first, first + count) of `values`.
std::filesystem::path WriteRows(const TemporaryFolder& folder, Element element, std::size_t dimension, RowNumber first,
                                std::span<const float> values);
// The same without asking whether they are finite.
std::filesystem::path WriteAnyRows(const TemporaryFolder& folder, std::size_t dimension, std::span<const float> values);

inline constexpr std::array kMetrics{Metric::kL2, Metric::kCosine, Metric::kDot, Metric::kCenteredCosine};

// Rows as they come back after they were stored.
std::vector<float> AsStored(Element element, std::size_t dimension, std::span<const float> values);

enum class Made { kWithSketches, kWithoutSketches };

// An index over `values`, in files that end at each of `splits` and at the last row.
std::unique_ptr<ExactIndex> MakeExactIndex(const TemporaryFolder& folder, Element element, std::size_t dimension,
                                           std::span<const float> values, std::span<const StringOrdinal> ordinals,
                                           const std::vector<RowNumber>& splits = {},
                                           Made made = Made::kWithoutSketches);

// The answer to one query by brute force: plain double sums, first number first, and a full sort.
std::vector<Match> BruteForce(std::span<const float> values, std::span<const StringOrdinal> ordinals,
                              std::span<const float> query, const SearchRequest& request);

// True where `found` is a right answer: sizes, ordinals and distances (to `tolerance`) are those of brute force, the
// order is by distance and then ordinal, and no row that was left out is better by more than `tolerance`. Relative for
// l2 to the distance, for dot to the largest product of norms. With tolerance 0 the two are equal; not of the centered
// cosine, where no mean is a whole number: 1e-12. Adds a test failure saying what is wrong, with `what`.
bool ExpectRightAnswer(const std::vector<Match>& found, std::span<const float> values,
                       std::span<const StringOrdinal> ordinals, std::span<const float> query,
                       const SearchRequest& request, double tolerance, const std::string& what);

}  // namespace actkin

#endif  // ACTKIN_TESTS_QUERY_EXACT_MADE_SITE_H_
