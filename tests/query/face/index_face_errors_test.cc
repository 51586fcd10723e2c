// The public face says by code what went wrong.
#include <gmock/gmock.h>

#include <limits>

#include "actkin/index.h"
#include "storage/catalog/build_lock.h"
#include "storage/catalog/sqlite.h"
#include "storage/machine/file.h"
#include "tests/query/face/index_face_fixture.h"

namespace actkin {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST_F(IndexFaceTest, WrongInputsAreInvalidArguments) {
  actkin::Index index = Open();
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  const auto neighbors = [&](const actkin::Query& query) { return CodeOf([&] { index.Neighbors("abba ", query); }); };
  EXPECT_EQ(neighbors({.stream = "attention"}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(neighbors({.metric = "euclid"}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(neighbors({.order = "Nearest"}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(neighbors({.k = 0}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(neighbors({.k = 1000000}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(neighbors({.low = 2, .high = 1}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(neighbors({.low = kNan}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(neighbors({.parameters = "efSearch=3"}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(neighbors({.threads = -1}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(neighbors({.threads = 100000}), ErrorCode::kInvalidArgument);
  for (const char* prompt : {"", "x", "\xff", "abbaabbaabba"}) {
    EXPECT_EQ(CodeOf([&] { index.Neighbors(prompt); }), ErrorCode::kInvalidArgument) << prompt;
    EXPECT_EQ(CodeOf([&] { index.Model(prompt); }), ErrorCode::kInvalidArgument) << prompt;
  }
  EXPECT_EQ(CodeOf([&] {
              index.NeighborsOfPrompts(std::vector<std::string>{"abba ", "x"});
            }),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf([&] { index.NextTokens("abx"); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf([&] { index.Occurrences("\xff"); }), ErrorCode::kInvalidArgument);

  std::vector<float> vector(12, 1);
  EXPECT_EQ(CodeOf([&] { index.NeighborsOfVector(vector); }), std::nullopt);
  for (const float number : {kNan, std::numeric_limits<float>::infinity()}) {
    vector[3] = number;
    EXPECT_EQ(CodeOf([&] { index.NeighborsOfVector(vector); }), ErrorCode::kInvalidArgument);
  }
  for (const std::size_t size : {0, 11, 13, 24}) {
    EXPECT_EQ(CodeOf([&] { index.NeighborsOfVector(std::vector<float>(size, 1)); }), ErrorCode::kInvalidArgument)
        << size;
  }
  std::vector<float> room(13);
  const std::vector<std::uint64_t> one{StringId("abba")};
  EXPECT_EQ(CodeOf([&] { index.Rows({"ffwd", 0, 3}, one, room); }), ErrorCode::kInvalidArgument);

  EXPECT_EQ(CodeOf([&] { index.Predict("abba ", {.k = 0}); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf([&] { index.Predict("abba ", {.metric = "l3"}); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf([&] { index.Predict("abba ", {.merge = "all"}); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf([&] { index.Predict("abba ", {.t_is = {5}}); }), ErrorCode::kInvalidArgument);
  // It answers as before.
  ExpectSame(index.Neighbors("abba ", {.next_tokens = true}), Ask("query", {"abba "}));
}

TEST_F(IndexFaceTest, WhatIsNotThereIsNotFound) {
  EXPECT_EQ(CodeOf([] { actkin::Index("missing.actkin"); }), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf([] { actkin::Index index(folder_->path()); }), ErrorCode::kNotFound);
  actkin::Index index = Open();
  EXPECT_EQ(CodeOf([&] { index.Neighbors("abba ", {.block = 2}); }), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf([&] { index.Neighbors("abba ", {.t_i = 1}); }), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf([&] { index.Neighbors("abba ", {.index = "HNSW4"}); }), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf([&] { index.Predict("abba ", {.scheme = "mine"}); }), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf([&] { index.Predict("abba ", {.t_is = {1}}); }), ErrorCode::kNotFound);
  for (const std::uint64_t string_id : {std::uint64_t{0}, index.Info().strings + 1, ~std::uint64_t{0}}) {
    EXPECT_EQ(CodeOf([&] { index.NeighborsOfString(string_id); }), ErrorCode::kNotFound);
    EXPECT_EQ(CodeOf([&] { index.NextTokensOfString(string_id); }), ErrorCode::kNotFound);
  }
  // A string of another length.
  std::vector<float> room(12);
  const std::vector<std::uint64_t> one{StringId("abb")};
  EXPECT_EQ(CodeOf([&] { index.Rows({"ffwd", 0, 3}, one, room); }), ErrorCode::kNotFound);
}

TEST_F(IndexFaceTest, DamageIsSaidByCodeAndFoundByVerify) {
  actkin::Index sound = Open();
  const std::vector<IndexFinding> all = sound.Verify();
  EXPECT_GT(all.size(), 10U);
  for (const IndexFinding& finding : all) {
    EXPECT_TRUE(finding.state == IndexFinding::State::kSound || finding.path == "build.lock") << finding.path;
  }

  const std::string path = Copy("damaged.actkin");
  const std::filesystem::path vectors = std::filesystem::path(path) / "sites/ffwd-b1-t4.vectors";
  std::string bytes = ReadFile(vectors);
  bytes[64] ^= 1;
  folder_->Write("damaged.actkin/sites/ffwd-b1-t4.vectors", bytes);
  actkin::Index index(path);
  EXPECT_EQ(CodeOf([&] { index.Neighbors("abba "); }), ErrorCode::kDamaged);
  EXPECT_FALSE(index.Neighbors("abba ", {.block = 0}).rows.empty());
  std::vector<std::string> damaged;
  for (const IndexFinding& finding : index.Verify()) {
    if (finding.state != IndexFinding::State::kDamaged) continue;
    damaged.push_back(finding.path);
    EXPECT_THAT(finding.message, HasSubstr("checksum"));
  }
  EXPECT_THAT(damaged, ElementsAre("sites/ffwd-b1-t4.vectors"));

  folder_->Write("damaged.actkin/catalog.db", std::string(5000, 'x'));
  EXPECT_EQ(CodeOf([&] { actkin::Index again(path); }), ErrorCode::kDamaged);
}

TEST_F(IndexFaceTest, WhatANewerProgramWroteIsUnsupported) {
  const std::string path = Copy("newer.actkin");
  const auto execute = [&](const std::string& sql) {
    SqliteConnection(path + "/catalog.db", SqliteConnection::Mode::kWrite).Execute(sql);
  };
  execute("UPDATE site SET element = 'int4' WHERE stream = 'ffwd' AND block = 1");
  actkin::Index index(path);
  EXPECT_EQ(CodeOf([&] { index.Neighbors("abba ", {.block = 1, .t_i = 4}); }), ErrorCode::kUnsupported);
  execute("PRAGMA user_version = 1000");
  EXPECT_EQ(CodeOf([&] { actkin::Index again(path); }), ErrorCode::kUnsupported);
}

TEST_F(IndexFaceTest, VerifyStopsWhereItIsTold) {
  actkin::Index index = Open();
  std::uint64_t last = 0;
  std::uint64_t total = 0;
  index.Verify([&](std::uint64_t read, std::uint64_t bytes) {
    EXPECT_GE(read, last);
    last = read;
    total = bytes;
    return true;
  });
  EXPECT_GT(last, 0U);
  EXPECT_LE(last, total);
  int calls = 0;
  EXPECT_EQ(CodeOf([&] { index.Verify([&](std::uint64_t, std::uint64_t) { return ++calls < 3; }); }),
            ErrorCode::kInterrupted);
  EXPECT_EQ(calls, 3);
}

// What asking does not come to; what builds does.
TEST_F(IndexFaceTest, OtherCodes) {
  const IndexDirectory directory{Copy("locked.actkin")};
  const BuildLock lock(directory);
  EXPECT_EQ(CodeOf([&] { const BuildLock second(directory); }), ErrorCode::kBusy);
  EXPECT_EQ(CodeOf([] { WriteGivenFile("/dev/full", "x"); }), ErrorCode::kOutOfSpace);
  EXPECT_EQ(CodeOf([] { ReadFile("/proc/self/mem"); }), ErrorCode::kFailed);
}

TEST_F(IndexFaceTest, WhatWasMovedFromSaysSo) {
  actkin::Index index = Open();
  actkin::Index other = std::move(index);
  EXPECT_FALSE(other.Neighbors("abba ").rows.empty());
  // NOLINTBEGIN(bugprone-use-after-move): that is what is tested.
  EXPECT_EQ(CodeOf([&] { index.Info(); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf([&] { index.Neighbors("abba "); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf([&] { index.Verify(); }), ErrorCode::kInvalidArgument);
  // NOLINTEND(bugprone-use-after-move)
  index = std::move(other);
  EXPECT_FALSE(index.Neighbors("abba ").rows.empty());
}

}  // namespace
}  // namespace actkin
