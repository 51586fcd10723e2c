#include "query/predict/band_counts.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <map>
#include <memory>

#include "query/predict/scheme.h"
#include "schema/token_ids.h"
#include "storage/catalog/catalog_writer.h"
#include "tests/error_matchers.h"
#include "tests/query/exact/made_site.h"
#include "tests/temporary_folder.h"

namespace actkin {
namespace {

using testing::ElementsAre;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::size_t kVocabulary = 5;

// What follows string number `ordinal`: sometimes nothing, sometimes two tokens.
std::map<TokenId, std::uint64_t> Following(StringOrdinal ordinal) {
  std::map<TokenId, std::uint64_t> counts;
  if (ordinal % 4 != 0) counts[ordinal % kVocabulary] += ordinal % 7 + 1;
  if (ordinal % 3 == 0) counts[ordinal / 3 % kVocabulary] += 2;
  return counts;
}

// A catalog of so many strings of one token each.
NextTokenTable MakeNextTokens(const TemporaryFolder& folder, std::size_t strings) {
  const std::filesystem::path path = folder / "catalog.db";
  {
    NewCatalog catalog(path);
    catalog.AddCorpus({"made.txt", "00", 1000, 1, 1000}, std::vector<DocumentRow>{{0, "made.txt", 0, 1000}});
    catalog.AddTokenizer({});
    for (TokenId token = 0; token < kVocabulary; ++token) catalog.AddToken(token, "t", "t");
    catalog.AddLength({1, strings, strings, 1});
    for (StringOrdinal i = 0; i < strings; ++i) {
      catalog.AddString(1 + i, 1, fmt::format("string {}", i), 1, EncodeTokenIds(std::vector<TokenId>{i}, 4));
    }
    for (StringOrdinal i = 0; i < strings; ++i) {
      for (const auto& [token, count] : Following(i)) catalog.AddNextToken(1 + i, token, count);
    }
    catalog.Finish();
  }
  SqliteConnection connection(path, SqliteConnection::Mode::kRead);
  Catalog catalog(connection.handle());
  return NextTokenTable(catalog, kVocabulary, 1, 1);
}

// Some of the distances that there are, so that rows stand right on a threshold, and numbers between them.
std::vector<double> SomeThresholds(const std::vector<Match>& nearest_first, Metric metric) {
  std::vector<double> thresholds;
  for (const std::size_t i : {0UL, nearest_first.size() / 20, nearest_first.size() / 3, nearest_first.size() / 2}) {
    const double there = nearest_first[i].distance;
    const double beside = std::nextafter(there, metric == Metric::kL2 ? -kInfinity : kInfinity);
    for (const double threshold : {beside, there}) {
      const bool farther =
          thresholds.empty() || (metric == Metric::kL2 ? threshold > thresholds.back() : threshold < thresholds.back());
      if (farther) thresholds.push_back(threshold);
    }
  }
  return thresholds;
}

void ExpectSumsOf(const std::vector<Match>& matches, const BandRequest& request, const BandCounts& counts,
                  std::size_t query, const std::string& what) {
  std::vector<std::uint32_t> rows(counts.bands);
  std::vector<std::uint32_t> sums(counts.bands * kVocabulary);
  std::vector<double> inverse(counts.bands * kVocabulary);
  for (const Match& match : matches) {
    std::size_t band = 0;
    const auto in = [&](double threshold) {
      return request.metric == Metric::kL2 ? match.distance <= threshold : match.distance >= threshold;
    };
    while (band < counts.bands && !in(request.thresholds[band])) ++band;
    if (band == counts.bands) continue;
    ++rows[band];
    for (const auto& [token, count] : Following(match.number)) {
      sums[band * kVocabulary + token] += static_cast<std::uint32_t>(count);
      inverse[band * kVocabulary + token] +=
          static_cast<double>(count) * KernelValue(Kernel::kInverseDistance, match.distance);
    }
  }
  for (std::size_t band = 0; band < counts.bands; ++band) {
    EXPECT_EQ(counts.rows[query * counts.bands + band], rows[band]) << what << " band " << band;
    std::size_t found = 0;
    const std::span<const BandTotal> totals = counts.Of(query, band);
    for (TokenId token = 0; token < kVocabulary; ++token) {
      if (sums[band * kVocabulary + token] == 0) continue;
      ASSERT_LT(found, totals.size()) << what << " band " << band;
      EXPECT_EQ(totals[found].token, token) << what << " band " << band;
      EXPECT_EQ(totals[found].count, sums[band * kVocabulary + token]) << what << " band " << band;
      const double expected = inverse[band * kVocabulary + token];
      EXPECT_NEAR(totals[found].by_inverse_distance, expected, 1e-5 * expected + 1e-6) << what << " band " << band;
      ++found;
    }
    EXPECT_EQ(found, totals.size()) << what << " band " << band;
  }
}

// Against a search that returns every row with its exact distance.
TEST(BandCountsTest, AddUpWhatASearchFindsInEachBand) {
  for (const MadeRows& made : HardRows()) {
    for (const Element element : {Element::kFloat32, Element::kFloat16}) {
      const TemporaryFolder folder;
      const std::vector<StringOrdinal> ordinals = ShuffledOrdinals(made.row_count());
      const auto index = MakeExactIndex(folder, element, made.dimension, made.values, ordinals,
                                        {static_cast<RowNumber>(made.row_count() / 3)});
      const auto order = MakeRowOrder(folder, ordinals);
      const NextTokenTable table = MakeNextTokens(folder, made.row_count());
      const StringRowNextTokens next_tokens(*order, 1, table);
      for (const Metric metric : {Metric::kL2, Metric::kCosine}) {
        const auto all = index->Search(made.queries, {.metric = metric, .k = std::nullopt});
        BandRequest request{.metric = metric, .inverse_distance = true, .threads = 3};
        request.thresholds = SomeThresholds(all[1], metric);
        for (const bool to_the_end : {false, true}) {
          if (to_the_end) request.thresholds.push_back(metric == Metric::kL2 ? kInfinity : -kInfinity);
          const BandCounts counts = CountBands(*index, next_tokens, made.queries, request);
          for (std::size_t query = 0; query < all.size(); ++query) {
            ExpectSumsOf(all[query], request, counts, query,
                         fmt::format("{} {} query {}", made.name, Name(metric), query));
          }
        }
      }
    }
  }
}

// A site of float32 rows with next tokens.
struct HardSite {
  MadeRows made = HardRows().front();
  TemporaryFolder folder;
  std::vector<StringOrdinal> ordinals = ShuffledOrdinals(made.row_count());
  std::unique_ptr<ExactIndex> index = MakeExactIndex(folder, Element::kFloat32, made.dimension, made.values, ordinals);
  std::shared_ptr<const RowOrderFile> order = MakeRowOrder(folder, ordinals);
  NextTokenTable table = MakeNextTokens(folder, made.row_count());
  StringRowNextTokens next_tokens{*order, 1, table};
};

TEST(BandCountsTest, DependOnTheThreadsInNothing) {
  const HardSite site;
  BandRequest request{.metric = Metric::kCosine, .thresholds = {0.5, -kInfinity}, .inverse_distance = true};
  const BandCounts one = CountBands(*site.index, site.next_tokens, site.made.queries, request);
  request.threads = 5;
  const BandCounts five = CountBands(*site.index, site.next_tokens, site.made.queries, request);
  EXPECT_EQ(one.ends, five.ends);
  EXPECT_EQ(one.totals, five.totals);
}

TEST(BandCountsTest, RowsLeftOutDoNotCount) {
  const HardSite site;
  auto all = site.index->Search(site.made.queries, {.metric = Metric::kCosine, .k = std::nullopt});
  // Of one none, of the others some rows, at the ends of the site, too.
  std::vector<std::vector<RowRange>> left_out(all.size());
  for (std::size_t query = 1; query < all.size(); ++query) {
    left_out[query] = {{0, query}, {query + 3, query + 4}, {site.made.row_count() - query, site.made.row_count()}};
    std::erase_if(all[query], [&](const Match& match) {
      const std::uint64_t row = site.order->RowOf(static_cast<StringOrdinal>(match.number));
      return std::ranges::any_of(left_out[query], [row](RowRange r) { return r.begin <= row && row < r.end; });
    });
  }
  const BandRequest request{.metric = Metric::kCosine,
                            .thresholds = SomeThresholds(all[0], Metric::kCosine),
                            .inverse_distance = true,
                            .threads = 3,
                            .left_out = left_out};
  const BandCounts counts = CountBands(*site.index, site.next_tokens, site.made.queries, request);
  for (std::size_t query = 0; query < all.size(); ++query) {
    ExpectSumsOf(all[query], request, counts, query, fmt::format("query {}", query));
  }
}

TEST(BandCountsTest, RowsThatDoNotPassDoNotCount) {
  const HardSite site;
  const auto all = site.index->Search(site.made.queries, {.metric = Metric::kCosine, .k = std::nullopt});
  std::vector<RowNumber> every_third;
  for (RowNumber row = 1; row < site.made.row_count(); row += 3) every_third.push_back(row);
  const std::vector<std::vector<RowRange>> first_left_out(all.size(), {{0, 5}});
  for (const RowSet& among :
       {RowSet::OfRows(site.made.row_count(), every_third), RowSet::OfRanges(site.made.row_count(), {{3, 9}, {20, 21}}),
        RowSet::OfRanges(site.made.row_count(), {})}) {
    const BandRequest request{.metric = Metric::kCosine,
                              .thresholds = SomeThresholds(all[0], Metric::kCosine),
                              .inverse_distance = true,
                              .threads = 2,
                              .among = &among,
                              .left_out = first_left_out};
    const BandCounts counts = CountBands(*site.index, site.next_tokens, site.made.queries, request);
    for (std::size_t query = 0; query < all.size(); ++query) {
      std::vector<Match> passing = all[query];
      std::erase_if(passing, [&](const Match& match) {
        const RowNumber row = site.order->RowOf(static_cast<StringOrdinal>(match.number));
        return row < 5 || !among.Contains(row);
      });
      ExpectSumsOf(passing, request, counts, query, fmt::format("query {}", query));
    }
  }
}

TEST(BandCountsTest, ABandsLastThresholdsAreItself) {
  EXPECT_THAT(ThresholdsOf({.low = 0.5}, Metric::kCosine), ElementsAre(0.5));
  EXPECT_THAT(ThresholdsOf({.low = 0.5, .high = 0.75}, Metric::kCosine), ElementsAre(std::nextafter(0.75, 1), 0.5));
  EXPECT_THAT(ThresholdsOf({.high = 0.75}, Metric::kCosine), ElementsAre(std::nextafter(0.75, 1), -kInfinity));
  EXPECT_THAT(ThresholdsOf({.low = 2, .high = 3}, Metric::kL2), ElementsAre(std::nextafter(2, 0), 3));
  EXPECT_THAT(ThresholdsOf({}, Metric::kL2), ElementsAre(kInfinity));
}

TEST(BandCountsTest, ThresholdsThatAreNoneAreRefused) {
  const HardSite site;
  const auto error = [&](Metric metric, std::vector<double> thresholds) {
    return ErrorOf([&] {
      CountBands(*site.index, site.next_tokens, site.made.queries, {.metric = metric, .thresholds = thresholds});
    });
  };
  EXPECT_THAT(error(Metric::kCosine, {}), OneLineWith("0 thresholds"));
  EXPECT_THAT(error(Metric::kCosine, {0.5, 0.6}), OneLineWith("threshold 0.6"));
  EXPECT_THAT(error(Metric::kL2, {0.5, 0.5}), OneLineWith("threshold 0.5"));
  EXPECT_THAT(error(Metric::kL2, {kInfinity, 7}), OneLineWith("threshold inf"));
  EXPECT_THAT(error(Metric::kL2, {std::nan("")}), OneLineWith("threshold nan"));
}

}  // namespace
}  // namespace actkin
