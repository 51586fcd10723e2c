#include "query/exact/embedding_index.h"

#include <faiss/IndexPQ.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "query/exact/exact_search.h"
#include "tests/error_matchers.h"
#include "tests/query/exact/made_site.h"
#include "tests/temporary_folder.h"

namespace actkin {
namespace {

// An embedding site with random embeddings and random rows, distinct and in lexicographic order of their tokens.
struct MadeEmbedding {
  std::size_t vocabulary_size = 0;
  std::size_t embed = 0;
  std::size_t positions = 0;
  std::vector<float> tokens;
  std::vector<float> places;
  std::vector<TokenId> codes;  // rows x positions

  std::size_t row_count() const { return codes.size() / positions; }
  std::size_t dimension() const { return positions * embed; }

  // rows x dimension: the float32 sum of token and position embedding.
  std::vector<float> Expand() const {
    std::vector<float> values;
    for (std::size_t i = 0; i < codes.size(); ++i) {
      for (std::size_t j = 0; j < embed; ++j) {
        values.push_back(tokens[codes[i] * embed + j] + places[i % positions * embed + j]);
      }
    }
    return values;
  }
};

MadeEmbedding Make(std::size_t vocabulary_size, std::size_t embed, std::size_t positions, std::size_t row_count,
                   bool whole_numbers = false) {
  MadeEmbedding made{vocabulary_size, embed, positions, {}, {}, {}};
  std::mt19937 generator(9);
  std::normal_distribution<float> normal;
  const auto number = [&] {
    return whole_numbers ? static_cast<float>(static_cast<int>(generator() % 5) - 2) : normal(generator);
  };
  for (std::size_t i = 0; i < vocabulary_size * embed; ++i) made.tokens.push_back(number());
  for (std::size_t i = 0; i < positions * embed; ++i) made.places.push_back(number());
  std::vector<std::vector<TokenId>> rows(row_count, std::vector<TokenId>(positions));
  for (auto& row : rows) {
    for (TokenId& token : row) token = static_cast<TokenId>(generator() % vocabulary_size);
  }
  std::ranges::sort(rows);
  rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
  for (const auto& row : rows) made.codes.insert(made.codes.end(), row.begin(), row.end());
  return made;
}

void WriteCodes(const std::filesystem::path& path, const MadeEmbedding& made, RowRange rows) {
  WriteCodeFile(
      path,
      {.rows = rows,
       .positions = made.positions,
       .embed = made.embed,
       .tokens = std::span(made.codes).first(rows.size() * made.positions),
       .embedding_of = [&](TokenId token) { return std::span(made.tokens).subspan(token * made.embed, made.embed); },
       .position_embeddings = made.places});
}

std::unique_ptr<EmbeddingIndex> MakeIndex(const TemporaryFolder& folder, const MadeEmbedding& made,
                                          std::span<const StringOrdinal> ordinals) {
  WriteCodes(folder / "codes", made, {0, made.row_count()});
  return std::make_unique<EmbeddingIndex>(CodeFile(folder / "codes"), MakeRowOrder(folder, ordinals));
}

std::vector<float> RandomQueries(const MadeEmbedding& made, std::size_t count, bool whole_numbers) {
  std::mt19937 generator(10);
  std::normal_distribution<float> normal;
  const std::vector<float> values = made.Expand();
  std::vector<float> queries(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(made.dimension()));
  queries.resize(2 * made.dimension(), 0.0F);
  while (queries.size() < count * made.dimension()) {
    queries.push_back(whole_numbers ? static_cast<float>(generator() % 4) : normal(generator));
  }
  queries.resize(count * made.dimension());
  return queries;
}

// Every `step`-th row, and a range.
std::shared_ptr<const RowSet> Passing(std::size_t row_count, std::size_t step, RowRange range) {
  std::vector<RowRange> ranges{range};
  for (std::size_t row = 0; row < row_count; row += step) ranges.push_back({row, row + 1});
  return std::make_shared<const RowSet>(RowSet::OfRanges(row_count, ranges));
}

void CompareWithBruteForce(const MadeEmbedding& made, bool whole_numbers) {
  const TemporaryFolder folder;
  const std::vector<StringOrdinal> ordinals = ShuffledOrdinals(made.row_count());
  const auto index = MakeIndex(folder, made, ordinals);
  ASSERT_EQ(index->row_count(), made.row_count());
  ASSERT_EQ(index->dimension(), made.dimension());
  const std::vector<float> values = made.Expand();
  int number = 0;
  for (const Metric metric : kMetrics) {
    for (const Order order : {Order::kNearest, Order::kFarthest}) {
      for (const std::size_t query_count : {1, 6}) {
        const std::vector<float> queries = RandomQueries(made, query_count, whole_numbers);
        SearchRequest every{.metric = metric, .order = order, .k = std::nullopt};
        const std::vector<Match> all = BruteForce(values, ordinals, std::span(queries).first(made.dimension()), every);
        const auto [low, high] = std::minmax(all[all.size() / 3].distance, all[all.size() / 2].distance);
        for (const std::optional<std::uint64_t> k :
             {std::optional<std::uint64_t>(1), std::optional<std::uint64_t>(10), std::optional<std::uint64_t>()}) {
          for (const std::optional<Band>& band : {std::optional<Band>(), std::optional(Band{low, high})}) {
            for (const bool part : {false, true}) {
              SearchRequest request{.metric = metric, .order = order, .k = k, .within = band};
              if (part) request.rows = RowRange{made.row_count() / 7, made.row_count() - made.row_count() / 5};
              // Without a filter; of rows here and there; of a range and some rows; of rows close to each other.
              if (number % 4 == 1) request.among = Passing(made.row_count(), 17, {});
              if (number % 4 == 2)
                request.among = Passing(made.row_count(), 100, {made.row_count() / 10, made.row_count() / 2});
              if (number % 4 == 3) request.among = Passing(made.row_count(), 3, {});
              if (request.k) request.k = std::min(*request.k, LookedAt(request, made.row_count()));
              if (request.k == 0U) continue;
              request.threads = 1 + number++ % 3;
              if (k && *k > made.row_count() - 2 * made.row_count() / 5) continue;
              const auto answers = index->Search(queries, request);
              ASSERT_EQ(answers.size(), query_count);
              for (std::size_t query = 0; query < query_count; ++query) {
                ASSERT_TRUE(ExpectRightAnswer(
                    answers[query], values, ordinals,
                    std::span(queries).subspan(query * made.dimension(), made.dimension()), request,
                    whole_numbers ? 0 : 1e-13,
                    fmt::format("{} {} k {} band {} part {} query {} threads {}", Name(metric), Name(order),
                                k.value_or(0), band.has_value(), part, query, request.threads)));
              }
            }
          }
        }
      }
    }
  }
}

TEST(EmbeddingIndexTest, OneByteCodesGetTheBruteForceAnswer) {
  CompareWithBruteForce(Make(65, 20, 5, 3000), false);
  CompareWithBruteForce(Make(256, 3, 10, 500), false);
}

TEST(EmbeddingIndexTest, TwoByteCodesGetTheBruteForceAnswer) { CompareWithBruteForce(Make(300, 7, 8, 2000), false); }

TEST(EmbeddingIndexTest, FourByteCodesGetTheBruteForceAnswer) {
  CompareWithBruteForce(Make(300'000, 2, 3, 30'000), false);
}

// Many rows at exactly the same distance.
TEST(EmbeddingIndexTest, WholeNumbersGetExactlyTheBruteForceAnswer) {
  CompareWithBruteForce(Make(11, 2, 6, 20000, true), true);
  CompareWithBruteForce(Make(3, 1, 1, 3000, true), true);
  CompareWithBruteForce(Make(20'000, 2, 3, 9000, true), true);
}

// The same neighbors as a scan of the rows in float32.
TEST(EmbeddingIndexTest, AnswersAsAScanOfTheExpandedRows) {
  const MadeEmbedding made = Make(40, 16, 9, 5000);
  const TemporaryFolder folder;
  const std::vector<StringOrdinal> ordinals = ShuffledOrdinals(made.row_count());
  const auto index = MakeIndex(folder, made, ordinals);
  const std::vector<float> values = made.Expand();
  const auto scan = MakeExactIndex(folder, Element::kFloat32, made.dimension(), values, ordinals);
  const std::vector<float> queries = RandomQueries(made, 4, false);
  for (const Metric metric : kMetrics) {
    for (const Order order : {Order::kNearest, Order::kFarthest}) {
      const SearchRequest request{.metric = metric, .order = order, .k = 50, .threads = 2};
      const auto answers = index->Search(queries, request);
      const auto expected = scan->Search(queries, request);
      for (std::size_t query = 2; query < answers.size(); ++query) {
        for (std::size_t i = 0; i < answers[query].size(); ++i) {
          EXPECT_EQ(answers[query][i].row, expected[query][i].row);
          EXPECT_NEAR(answers[query][i].distance, expected[query][i].distance, 1e-12);
        }
      }
    }
  }
  for (const RowNumber row : {0U, 1U, 777U}) EXPECT_EQ(index->Vector(row), scan->Vector(row));
}

// The file is a FAISS product quantizer without loss: codebook m holds token + position embedding m, codes are the
// codes.
TEST(EmbeddingIndexTest, TheFileIsALosslessFaissProductQuantizer) {
  const MadeEmbedding made = Make(65, 16, 10, 4000);
  const TemporaryFolder folder;
  const std::vector<StringOrdinal> ordinals = ShuffledOrdinals(made.row_count());
  const auto index = MakeIndex(folder, made, ordinals);
  const CodeFile file(folder / "codes");

  faiss::IndexPQ quantizer(static_cast<faiss::Index::idx_t>(made.dimension()), made.positions, 8);
  for (std::size_t m = 0; m < made.positions; ++m) {
    for (std::size_t c = 0; c < quantizer.pq.ksub; ++c) {
      float* centroid = quantizer.pq.get_centroids(m, c);
      for (std::size_t i = 0; i < made.embed; ++i) {
        centroid[i] = c < file.token_count()
                          ? file.token_embeddings()[c * made.embed + i] + file.position_embeddings()[m * made.embed + i]
                          : 1e6F;
      }
    }
  }
  quantizer.is_trained = true;
  quantizer.codes.assign(file.Codes<std::uint8_t>().begin(), file.Codes<std::uint8_t>().end());
  quantizer.ntotal = static_cast<faiss::Index::idx_t>(made.row_count());

  const std::vector<float> queries = RandomQueries(made, 8, false);
  constexpr std::size_t kNeighbors = 20;
  std::vector<float> distances(8 * kNeighbors);
  std::vector<faiss::Index::idx_t> rows(8 * kNeighbors);
  quantizer.search(8, queries.data(), kNeighbors, distances.data(), rows.data());
  const auto answers = index->Search(queries, {.k = kNeighbors});
  for (std::size_t query = 0; query < 8; ++query) {
    for (std::size_t i = 0; i < kNeighbors; ++i) {
      const Match& match = answers[query][i];
      // FAISS computes its tables from the expanded square.
      EXPECT_NEAR(match.distance * match.distance, distances[query * kNeighbors + i],
                  1e-4 + 1e-5 * match.distance * match.distance);
      // The second query is zero, where nearly equal rows are likelier than float32 can tell apart.
      if (query != 1) {
        EXPECT_EQ(match.row, rows[query * kNeighbors + i]);
      }
    }
  }
  std::vector<float> decoded(made.dimension());
  quantizer.reconstruct(123, decoded.data());
  EXPECT_EQ(decoded, index->Vector(123));
}

// Makes code number `number` of the file the largest that its bytes hold.
void SpoilCode(const std::filesystem::path& path, std::size_t number) {
  const CodeFile file(path);
  const std::uint64_t offset = SectionFile(path, FileKind::kCodes).header().sections[2].offset;
  const std::string largest(file.code_bytes(), '\xff');
  OutputFile(path, OutputFile::Mode::kContinue).WriteAt(offset + number * file.code_bytes(), largest);
}

TEST(EmbeddingIndexTest, CodesBeyondTheTokensAreNamed) {
  for (const std::size_t vocabulary_size : {65, 300, 200'000}) {
    const MadeEmbedding made = Make(vocabulary_size, 4, 6, vocabulary_size > 65536 ? 20'000 : 5000);
    const TemporaryFolder folder;
    const std::vector<StringOrdinal> ordinals = ShuffledOrdinals(made.row_count());
    MakeIndex(folder, made, ordinals);
    SpoilCode(folder / "codes", 777 * 6 + 2);
    const EmbeddingIndex index(CodeFile(folder / "codes"), MakeRowOrder(folder, ordinals));
    const std::vector<float> query(made.dimension(), 0.5F);
    for (const Metric metric : kMetrics) {
      for (const Order order : {Order::kNearest, Order::kFarthest}) {
        EXPECT_THAT(ErrorOf([&] { index.Search(query, {.metric = metric, .order = order, .k = 3, .threads = 2}); }),
                    OneLineWith((folder / "codes").string(), "row 777"));
      }
    }
    EXPECT_THAT(ErrorOf([&] { index.Vector(777); }), OneLineWith((folder / "codes").string(), "row 777"));
    // Rows that are not asked for are not read.
    EXPECT_EQ(ErrorOf([&] { index.Search(query, {.k = 3, .rows = RowRange{0, 777}}); }), "no error");
  }
}

// A model whose positions are in its attention alone.
TEST(EmbeddingIndexTest, WithoutPositionEmbeddingsRowsAreTheTokensAlone) {
  MadeEmbedding made = Make(65, 16, 10, 2000);
  std::ranges::fill(made.places, 0.0F);
  const TemporaryFolder with;
  const TemporaryFolder without;
  const std::vector<StringOrdinal> ordinals = ShuffledOrdinals(made.row_count());
  const auto expected = MakeIndex(with, made, ordinals);
  made.places.clear();
  const auto index = MakeIndex(without, made, ordinals);
  EXPECT_LT(std::filesystem::file_size(without / "codes"), std::filesystem::file_size(with / "codes"));
  const std::vector<float> queries(2 * made.dimension(), 0.5F);
  const auto found = index->Search(queries, {.k = 20});
  const auto as_well = expected->Search(queries, {.k = 20});
  for (std::size_t i = 0; i < 20; ++i) {
    EXPECT_EQ(found[1][i].row, as_well[1][i].row);
    EXPECT_EQ(found[1][i].distance, as_well[1][i].distance);
  }
  EXPECT_EQ(index->Vector(5), expected->Vector(5));
}

TEST(EmbeddingIndexTest, RequestsAreCheckedAsByEveryIndex) {
  const MadeEmbedding made = Make(65, 4, 6, 100);
  const TemporaryFolder folder;
  const auto index = MakeIndex(folder, made, ShuffledOrdinals(made.row_count()));
  const std::vector<float> query(made.dimension(), 0.5F);
  EXPECT_EQ(ErrorOf([&] { index->Search(query, {.k = 101}); }),
            fmt::format("k 101: the site has {} rows; ask for at most that many", made.row_count()));
  EXPECT_THAT(ErrorOf([&] { index->Search(query, {.k = 1, .parameters = "nprobe=3"}); }), OneLineWith("nprobe=3"));
  EXPECT_THAT(ErrorOf([&] { index->Search(std::vector<float>(5), {.k = 1}); }), OneLineWith("5 numbers", "24"));
}

TEST(EmbeddingIndexTest, TheFileHoldsAllRowsOfItsOrder) {
  const MadeEmbedding made = Make(65, 4, 6, 100);
  const TemporaryFolder folder;
  const auto order = MakeRowOrder(folder, ShuffledOrdinals(made.row_count()));
  const auto error = [&](std::size_t rows, RowRange range) {
    WriteCodes(folder / "codes", made, {range.begin, range.begin + rows});
    return ErrorOf([&] { EmbeddingIndex(CodeFile(folder / "codes"), order); });
  };
  const std::size_t rows = made.row_count();
  EXPECT_EQ(error(rows, {0, rows}), "no error");
  EXPECT_THAT(error(rows - 1, {0, rows - 1}), OneLineWith((folder / "codes").string()));
  EXPECT_THAT(error(rows, {1, rows + 1}), OneLineWith((folder / "codes").string(), "row 0"));
}

}  // namespace
}  // namespace actkin
