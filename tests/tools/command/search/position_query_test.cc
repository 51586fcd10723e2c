// Asking over positions, through actkin/index.h and the command: against brute force over rows that are known.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <random>
#include <set>

#include "actkin/index.h"
#include "query/reader/index_reader.h"
#include "schema/error.h"
#include "schema/text.h"
#include "storage/machine/file.h"
#include "tests/tools/command/made_index.h"
#include "tests/tools/command/made_model.h"
#include "tests/tools/command/made_positions.h"
#include "tests/tools/command/run_command.h"

namespace actkin {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr std::uint64_t kWindow = 6;
constexpr std::uint64_t kStride = 2;
constexpr std::uint64_t kDimension = 3;
constexpr std::uint64_t kEvery = 3;

// What is thrown, or an empty line.
template <typename Action>
std::string LineOf(const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

class PositionQueryTest : public MadeIndexTest {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TemporaryFolder>();
    const std::string text = MadeCorpus(400);
    // Cuts between characters, one document empty.
    std::u32string points = CodePoints(text, "the made corpus");
    std::string lines;
    std::size_t begin = 0;
    for (const std::size_t length : {150, 0, 9, 1, 120}) {
      const json line = {{"text", Utf8(points.substr(begin, length))}};
      lines += line.dump() + "\n";
      begin += length;
    }
    folder_->Write("documents.jsonl", lines);
    folder_->Write("model.safetensors", SerializeSafetensors(MadeModel()));
    const CommandResult built =
        RunCommand({"build", *folder_ / "documents.jsonl", "--field", "text", "--model", Model(), "--out", Index(),
                    "--length", "4", "--t-i", "3", "--streams", "proj"});
    ASSERT_EQ(built.status, 0) << built.err;
    AddPositionSites(Index(), kWindow, kStride,
                     std::vector<Site>{{Stream::kEmbedding, 0, kOverPositions},
                                       {Stream::kFfwd, 0, kOverPositions},
                                       {Stream::kFfwd, 1, kOverPositions},
                                       {Stream::kProj, 1, kOverPositions},
                                       {Stream::kResidual, 1, kOverPositions}});
    recorded_ = AddRecordedSite(Index(), "probe", 4, kDimension, kEvery, 5);
    IndexReader reader{IndexDirectory(Index())};
    const std::shared_ptr<const CorpusTokensFile> corpus = reader.CorpusTokens();
    for (std::uint64_t position = 0; position < corpus->token_count(); ++position) {
      const std::uint64_t document = corpus->DocumentOf(position);
      Token token{reader.vocabulary().Text(corpus->Token(position)), corpus->Token(position), document, {}};
      if (position + 1 < corpus->Positions(document).end) token.next = corpus->Token(position + 1);
      tokens_.push_back(token);
    }
  }

  struct Token {
    std::string text;
    TokenId id = 0;
    std::uint64_t document = 0;
    std::optional<TokenId> next;
  };

  // Position and distance.
  using Found = std::vector<std::pair<std::uint64_t, double>>;
  static Found FoundBy(const NeighborList& list) {
    Found found;
    for (const Neighbor& row : list.rows) {
      EXPECT_EQ(row.rank, found.size() + 1);
      EXPECT_EQ(row.string_id, 0);
      const Token& token = tokens_[row.position.value()];
      EXPECT_EQ(row.text, token.text);
      EXPECT_EQ(row.document_id, token.document);
      found.emplace_back(*row.position, row.distance);
    }
    return found;
  }

  // By brute force over the recorded rows: those that pass, the best of each group, k of them.
  template <typename Passes, typename Group>
  static Found BruteForce(std::span<const float> vector, const actkin::Query& query, const Passes& passes,
                          const Group& group) {
    Found all;
    for (std::uint64_t row = 0; row * kDimension < recorded_.size(); ++row) {
      const std::uint64_t position = row * kEvery;
      if (!passes(position)) continue;
      double sum = 0;
      for (std::uint64_t d = 0; d < kDimension; ++d) {
        sum += std::pow(static_cast<double>(vector[d]) - recorded_[row * kDimension + d], 2);
      }
      all.emplace_back(position, std::sqrt(sum));
    }
    std::ranges::stable_sort(all, [&](const auto& a, const auto& b) {
      return query.order == "farthest" ? a.second > b.second : a.second < b.second;
    });
    Found best;
    std::set<std::string> groups;
    for (const auto& [position, distance] : all) {
      if (distance < query.low.value_or(0) || distance > query.high.value_or(1e9)) continue;
      if (!groups.insert(group(position)).second) continue;
      if (best.size() < query.k.value_or(query.low || query.high ? 1000 : 10)) best.emplace_back(position, distance);
    }
    return best;
  }

  static inline std::vector<float> recorded_;
  static inline std::vector<Token> tokens_;
};

TEST_F(PositionQueryTest, AnswersAreThoseOfBruteForce) {
  actkin::Index index(Index());
  std::mt19937 random(1);
  const auto pick = [&](unsigned count) { return random() % count; };
  for (int round = 0; round < 400; ++round) {
    const std::vector<float> vector{static_cast<float>(pick(3)), static_cast<float>(pick(3)), 0.5F * pick(4)};
    actkin::Query query{.stream = "probe", .block = 4};
    if (pick(2) == 0) query.rows = "positions";
    if (pick(2) == 0) query.order = "farthest";
    if (pick(3) == 0) query.low = 0.5 * pick(3);
    if (pick(3) == 0) query.high = 1 + 0.5 * pick(5);
    std::function<bool(std::uint64_t)> passes = [](std::uint64_t) { return true; };
    switch (pick(5)) {
      case 0:
        query.where = "document_id = 0";
        passes = [](std::uint64_t position) { return tokens_[position].document == 0; };
        break;
      case 1:
        query.where = "position BETWEEN 20 AND 200 AND text IN ('a', 'b', ' ') -- some";
        passes = [](std::uint64_t position) {
          const std::string& text = tokens_[position].text;
          return position >= 20 && position <= 200 && (text == "a" || text == "b" || text == " ");
        };
        break;
      case 2:
        query.where = "next_token_id IS NULL OR token_id = next_token_id OR position < 30.5 OR document_id > 2";
        passes = [](std::uint64_t position) {
          const Token& token = tokens_[position];
          return !token.next || token.id == *token.next || position <= 30 || token.document > 2;
        };
        break;
      case 3:
        query.where = "document_id IN (SELECT document_id FROM document WHERE token_count < 100)";
        passes = [](std::uint64_t position) {
          return tokens_[position].document == 2 || tokens_[position].document == 3;
        };
        break;
      default:
        break;
    }
    if (pick(4) == 0) {
      query.max_length = 0.5 * pick(8);
      passes = [chosen = passes, limit = *query.max_length](std::uint64_t position) {
        double square = 0;
        for (std::uint64_t d = 0; d < kDimension; ++d) {
          square += std::pow(recorded_[position / kEvery * kDimension + d], 2);
        }
        return chosen(position) && std::sqrt(square) <= limit;
      };
    }
    std::function<std::string(std::uint64_t)> group = [](std::uint64_t position) { return std::to_string(position); };
    switch (pick(4)) {
      case 0:
        query.distinct = pick(2) == 0 ? "text" : "token";
        group = [](std::uint64_t position) { return tokens_[position].text; };
        break;
      case 1:
        query.distinct = "document";
        group = [](std::uint64_t position) { return std::to_string(tokens_[position].document); };
        break;
      default:
        break;
    }
    EXPECT_EQ(FoundBy(index.NeighborsOfVector(vector, query)), BruteForce(vector, query, passes, group))
        << round << " " << query.where << " " << query.distinct;

    // Of a position: without itself, and what stands around it.
    const std::uint64_t row = pick(static_cast<unsigned>(recorded_.size() / kDimension));
    const std::uint64_t position = row * kEvery;
    if (pick(2) == 0) query.exclude_window = 4;
    query.exclude_self = pick(2) == 0;
    const auto others = [&](std::uint64_t other) {
      const bool self = other == position && (query.exclude_self || query.exclude_window > 0);
      const bool near = other + query.exclude_window >= position && other <= position + query.exclude_window &&
                        tokens_[other].document == tokens_[position].document && query.exclude_window > 0;
      return passes(other) && !self && !near;
    };
    EXPECT_EQ(FoundBy(index.NeighborsOfPosition(position, query)),
              BruteForce(std::span(recorded_).subspan(row * kDimension, kDimension), query, others, group))
        << round << " " << query.where << " " << query.distinct << " position " << position;
  }
}

TEST_F(PositionQueryTest, APromptIsComparedByItsOwnOutput) {
  actkin::Index index(Index());
  for (const char* stream : {"embedding", "ffwd", "proj", "residual"}) {
    const actkin::Query query{.stream = stream, .rows = "positions", .k = 3, .next_tokens = true};
    // The beginning of a document is seen there as it is alone.
    for (const std::uint64_t position : {0, 3, 5}) {
      std::vector<std::uint32_t> ids;
      for (std::uint64_t p = 0; p <= position; ++p) ids.push_back(tokens_[p].id);
      const NeighborList found = index.Neighbors(ids, query);
      EXPECT_TRUE(found.over_positions);
      EXPECT_NEAR(found.rows.front().distance, 0, 1e-5) << stream << " " << position;
      std::set<std::uint64_t> nearest;
      for (const Neighbor& row : found.rows) {
        if (row.distance < 1e-5) nearest.insert(*row.position);
      }
      EXPECT_TRUE(nearest.contains(position)) << stream << " " << position;
      // Another of its tokens.
      ids.push_back(tokens_[0].id);
      ids.push_back(tokens_[1].id);
      actkin::Query earlier = query;
      earlier.at = -3;
      EXPECT_EQ(FoundBy(index.Neighbors(ids, earlier)), FoundBy(found));
      earlier.at = static_cast<int>(position);
      EXPECT_EQ(FoundBy(index.Neighbors(ids, earlier)), FoundBy(found));
      // What came next.
      for (const Neighbor& row : found.rows) {
        const Token& token = tokens_[*row.position];
        ASSERT_EQ(row.next_tokens.size(), token.next ? 1 : 0);
        if (token.next) {
          EXPECT_EQ(row.next_tokens.front().token_id, *token.next);
          EXPECT_EQ(row.next_tokens.front().count, 1);
        }
      }
      // Nowhere that the corpus has the prompt.
      actkin::Query without = query;
      without.exclude_self = true;
      without.k.reset();
      without.low = 0;
      const std::vector<std::uint32_t> prompt(ids.begin(), ids.end() - 2);
      const NeighborList others = index.Neighbors(prompt, without);
      std::size_t own = 0;
      for (std::uint64_t p = position; p < tokens_.size(); ++p) {
        bool same = true;
        for (std::uint64_t i = 0; i <= position; ++i) {
          same = same && tokens_[p - i].id == prompt[position - i] && tokens_[p - i].document == tokens_[p].document;
        }
        own += same ? 1 : 0;
      }
      EXPECT_EQ(others.rows.size(), tokens_.size() - own);
    }
  }
  // As long as the model's context, and not longer.
  EXPECT_FALSE(index.Neighbors(std::vector<std::uint32_t>(8, 2), {.rows = "positions"}).rows.empty());
  EXPECT_THAT(LineOf([&] { index.Neighbors(std::vector<std::uint32_t>(9, 2), {.rows = "positions"}); }),
              HasSubstr("8"));
}

TEST_F(PositionQueryTest, APositionWithoutARowIsSeenAsItsSiteSawTheOthers) {
  actkin::Index index(Index());
  IndexReader reader{IndexDirectory(Index())};
  // Its own row is what the model gives for its window alone.
  const Site site{Stream::kFfwd, 1, kOverPositions};
  for (const std::uint64_t position : {0, 5, 6, 7, 149, 150, 158, 159, 170, 279}) {
    const std::vector<float> row = reader.VectorAt(position, site);
    const Prompt prompt = reader.PromptAt(static_cast<std::int64_t>(position));
    EXPECT_LE(prompt.tokens.size(), kWindow);
    const std::vector<float> computed = reader.QueryVector({.text = "", .tokens = prompt.tokens}, site);
    for (std::size_t i = 0; i < row.size(); ++i) EXPECT_NEAR(row[i], computed[i], 1e-5) << position;
    // A stream that was not built over positions.
    EXPECT_EQ(reader.VectorAt(position, {Stream::kProj, 0, kOverPositions}).size(), row.size());
  }
  // Rows of strings, asked by a position.
  const NeighborList found = index.NeighborsOfPosition(149, {.stream = "proj", .rows = "strings", .k = 2});
  EXPECT_FALSE(found.over_positions);
  EXPECT_EQ(found.t_i, 3);
}

TEST_F(PositionQueryTest, RowsAreOfStringsUnlessOnlyPositionsAreBuilt) {
  actkin::Index index(Index());
  EXPECT_TRUE(index.Neighbors("a").over_positions);  // ffwd
  EXPECT_EQ(index.Neighbors("a").block, 1);
  EXPECT_TRUE(index.Neighbors("a", {.block = 0}).over_positions);
  EXPECT_FALSE(index.Neighbors("a", {.stream = "proj"}).over_positions);
  EXPECT_TRUE(index.Neighbors("a", {.stream = "proj", .rows = "positions"}).over_positions);
  EXPECT_FALSE(index.Neighbors("a", {.stream = "proj", .t_i = -1}).over_positions);
  EXPECT_TRUE(index.Neighbors("a", {.stream = "embedding", .rows = "positions"}).over_positions);
}

TEST_F(PositionQueryTest, PredictionsAreOfWhatCameNext) {
  actkin::Index index(Index());
  for (const bool include : {false, true}) {
    const auto predicted = [&](const NeighborList& found) {
      std::map<std::uint32_t, double> counts;
      double total = 0;
      for (const Neighbor& row : found.rows) {
        for (const NextToken& next : row.next_tokens) {
          ++counts[next.token_id];
          ++total;
        }
      }
      for (auto& [token, count] : counts) count /= total;
      return counts;
    };
    const actkin::Query neighbors{.k = 7, .exclude_self = !include, .next_tokens = true};
    PredictionQuery query{.scheme = "last_ffwd_only", .k = 7};
    query.rows = "positions";
    if (include) query.exclude_self = false;
    const auto as_map = [](const Distribution& distribution) {
      std::map<std::uint32_t, double> values;
      for (const TokenProbability& token : distribution.tokens) values[token.token_id] = token.probability;
      return values;
    };
    EXPECT_EQ(as_map(index.Predict("abba", query)), predicted(index.Neighbors("abba", neighbors)));
    EXPECT_EQ(as_map(index.PredictAtPosition(77, query)), predicted(index.NeighborsOfPosition(77, neighbors)));
  }
  const json answer = Run("predict", Index(), {"--position", "77", "--positions", "--scheme", "last_ffwd_only"});
  EXPECT_EQ(answer["position"], 77);
  EXPECT_EQ(answer["rows"], "positions");
  EXPECT_EQ(answer["exclude_self"], true);
  const CommandResult shown = RunCommand({"predict", Index(), "abba", "--positions", "--scheme", "last_ffwd_only"});
  EXPECT_THAT(shown.out, HasSubstr("k 10  over positions, without itself\n"));
  // Each position of a sample, without its own row; by all of it, the distance to the model's can only be another.
  const json evaluated = Run("evaluate", Index(), {"--positions", "--sample", "40", "--scheme", "last_ffwd_only"});
  EXPECT_EQ(evaluated["samples"], 40);
  EXPECT_EQ(evaluated["runs"][0]["rows"], "positions");
  const double distance = evaluated["runs"][0]["hellinger_mean"];
  EXPECT_GT(distance, 0);
  EXPECT_LE(distance, 1);
  EXPECT_EQ(evaluated, Run("evaluate", Index(),
                           {"--positions", "--sample", "40", "--scheme", "last_ffwd_only", "--threads", "1"}));
}

TEST_F(PositionQueryTest, SaysWhatIsMissing) {
  actkin::Index index(Index());
  const std::vector<std::pair<std::string, std::function<void()>>> asked{
      {"t_i 3: rows over positions have none", [&] { index.Neighbors("a", {.t_i = 3, .rows = "positions"}); }},
      {"rows \"rows\" is unknown: expected strings or positions", [&] { index.Neighbors("a", {.rows = "rows"}); }},
      {"distinct \"x\" is unknown: expected text, token or document", [&] { index.Neighbors("a", {.distinct = "x"}); }},
      {"distinct document: rows of strings are of no document",
       [&] { index.Neighbors("a", {.stream = "proj", .distinct = "document"}); }},
      {"exclude_window 2: rows of strings have no tokens around them",
       [&] { index.Neighbors("a", {.stream = "proj", .exclude_window = 2}); }},
      {"no site proj block 0 over positions (attn_out): this index has proj at blocks 0-1 and t_i 3, and at blocks 1 "
       "over "
       "positions; this builds it: actkin build ",
       [&] { index.Neighbors("a", {.stream = "proj", .block = 0, .rows = "positions"}); }},
      {"--blocks 0 --positions", [&] { index.Neighbors("a", {.stream = "proj", .block = 0, .rows = "positions"}); }},
      {"no site probe block 1 over positions: this index has probe at blocks 4 over positions",
       [&] { index.Neighbors("a", {.stream = "probe", .block = 1}); }},
      {"stream \"prob\" is unknown: expected embedding, proj, ffwd, residual, or what was recorded here: probe",
       [&] { index.Neighbors("a", {.stream = "prob"}); }},
      {"probe block 4 over positions was recorded elsewhere, and no model here gives it for a prompt",
       [&] { index.Neighbors("a", {.stream = "probe"}); }},
      {"position 1: probe block 4 over positions has no row of it, and it was recorded elsewhere",
       [&] { index.NeighborsOfPosition(1, {.stream = "probe"}); }},
      {"position 280: this corpus has positions 0 to 279", [&] { index.NeighborsOfPosition(280); }},
      {"at 3: prompt \"ab\" has 2 tokens: expected -2 to 1", [&] { index.Neighbors("ab", {.at = 3}); }},
      {"where: no such column: occurrences", [&] { index.Neighbors("a", {.where = "occurrences > 1"}); }},
      {"k 8: 7 of these rows differ by their text", [&] { index.Neighbors("a", {.k = 8, .distinct = "text"}); }},
      {"a vector has no row of its own to leave out",
       [&] { index.NeighborsOfVector(std::vector<float>(12), {.rows = "positions", .exclude_self = true}); }},
  };
  for (const auto& [part, action] : asked) {
    const std::string line = LineOf(action);
    EXPECT_THAT(line, HasSubstr(part));
    EXPECT_THAT(line, Not(HasSubstr("\n")));
  }
}

TEST_F(PositionQueryTest, TheCommandShowsAnswersInTheirText) {
  const json answer = Run("query", Index(), {"--position", "159", "--exclude-self", "-k", "3"});
  EXPECT_EQ(answer["position"], 159);
  EXPECT_EQ(answer["rows"], "positions");
  EXPECT_TRUE(answer["t_i"].is_null());
  EXPECT_EQ(answer["exclude_self"], true);
  actkin::Index index(Index());
  const NeighborList found = index.NeighborsOfPosition(159, {.k = 3, .exclude_self = true, .next_tokens = true});
  ASSERT_EQ(answer["neighbors"].size(), 3);
  for (std::size_t i = 0; i < 3; ++i) {
    const json& row = answer["neighbors"][i];
    const Neighbor& same = found.rows[i];
    EXPECT_EQ(row["position"], *same.position);
    EXPECT_EQ(row["distance"], same.distance);
    EXPECT_EQ(row["document"], same.document);
    EXPECT_EQ(row["document_id"], *same.document_id);
    EXPECT_EQ(row["next_tokens"].size(), same.next_tokens.size());
    const TokenContext context = index.Context(*same.position, 12, 4);
    EXPECT_EQ(row["context"], json({{"before", context.before}, {"token", context.token}, {"after", context.after}}));
    EXPECT_EQ(row["offset"].get<std::uint64_t>() + index.Documents()[*same.document_id].first_position, *same.position);
  }
  // For people, on lines of their own.
  const CommandResult shown = RunCommand({"query", Index(), "--position", "5", "--context", "3,2", "-k", "4",
                                          "--exclude-window", "2", "--distinct", "text"});
  EXPECT_EQ(shown.status, 0) << shown.err;
  EXPECT_THAT(shown.out,
              HasSubstr("ffwd block 1 over positions (mlp_out)  l2, without itself and 2 tokens around it, the best of "
                        "each text\nrank"));
  EXPECT_THAT(shown.out, HasSubstr("position 5 ("));
  EXPECT_EQ(std::ranges::count(shown.out, '\n'), 6) << shown.out;

  // Where a string's answer occurs.
  const json strings = Run("query", Index(), {"abba", "--stream", "proj", "-k", "2", "--occurrences", "2"});
  for (const json& row : strings["neighbors"]) {
    ASSERT_FALSE(row["occurrences"].empty());
    for (const json& place : row["occurrences"]) EXPECT_EQ(place["context"]["token"], row["text"]);
  }
  const CommandResult places =
      RunCommand({"query", Index(), "abba", "--stream", "proj", "-k", "2", "--occurrences", "2"});
  EXPECT_THAT(places.out, HasSubstr("«"));
}

TEST_F(PositionQueryTest, TheCommandTakesVectors) {
  // NumPy's format, version 1.0: two vectors of three float32.
  const std::string head = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
  std::string bytes = "\x93NUMPY\x01";
  bytes += '\0';
  const std::string padding(static_cast<std::size_t>(118 - head.size() - 1), ' ');
  bytes += static_cast<char>(118);
  bytes += '\0';
  bytes += head + padding + "\n";
  const std::vector<float> vectors{0, 1, 2, 2, 2, 0.5F};
  bytes.append(reinterpret_cast<const char*>(vectors.data()), vectors.size() * sizeof(float));
  folder_->Write("vectors.npy", bytes);
  const json answers = Run("query", Index(), {"--vector", *folder_ / "vectors.npy", "--stream", "blocks.4.probe"});
  ASSERT_EQ(answers.size(), 2);
  actkin::Index index(Index());
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(answers[i]["vector_row"], i);
    const Found found =
        FoundBy(index.NeighborsOfVector(std::span(vectors).subspan(3 * i, 3), {.stream = "probe", .block = 4}));
    ASSERT_EQ(answers[i]["neighbors"].size(), found.size());
    for (std::size_t r = 0; r < found.size(); ++r) {
      EXPECT_EQ(answers[i]["neighbors"][r]["position"], found[r].first);
      EXPECT_EQ(answers[i]["neighbors"][r]["distance"], found[r].second);
    }
  }
  ExpectFailure({"query", Index(), "--vector", *folder_ / "vectors.npy"}, 2, "a vector of 3 numbers");
}

}  // namespace
}  // namespace actkin
