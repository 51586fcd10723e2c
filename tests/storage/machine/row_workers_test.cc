// Threads that go through rows together, and who ends or interrupts them.
#include "storage/machine/row_workers.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <stdexcept>
#include <thread>
#include <vector>

#include "schema/error.h"
#include "storage/machine/stop_scope.h"

namespace actkin {
namespace {

// Waits for what another thread does: false where it does not for a long time.
bool Await(const std::function<bool()>& done) {
  for (int i = 0; i < 10'000 && !done(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return done();
}

TEST(RowWorkersTest, PiecesTogetherAreTheRows) {
  WorkTeam team(3);
  for (const std::uint64_t piece : {1, 7, 100, 1000}) {
    std::vector<std::atomic<int>> times(500);
    team.ForEachPiece({13, 500}, piece, [&](int worker, RowRange rows) {
      EXPECT_LT(worker, team.size());
      EXPECT_LE(rows.size(), piece);
      for (std::uint64_t row = rows.begin; row < rows.end; ++row) ++times[row];
    });
    for (std::size_t row = 0; row < times.size(); ++row) EXPECT_EQ(times[row], row < 13 ? 0 : 1) << row;
  }
}

TEST(RowWorkersTest, AFailureIsThrownAndTheTeamGoesOn) {
  WorkTeam team(2);
  const auto fail = [](int, RowRange rows) {
    if (rows.begin == 40) throw std::runtime_error("at 40");
  };
  EXPECT_THROW(team.ForEachPiece({0, 100}, 1, fail), std::runtime_error);
  std::atomic<std::uint64_t> rows_seen = 0;
  team.ForEachPiece({0, 100}, 1, [&](int, RowRange rows) { rows_seen += rows.size(); });
  EXPECT_EQ(rows_seen, 100U);
}

// Of work that is cut no finer than a group of questions, what it asks of teams itself ends.
TEST(RowWorkersTest, AStopIsHeardByTeamsThatTheWorkAsks) {
  std::atomic<bool> stop = false;
  const StopScope scope(&stop);
  std::atomic<int> begun = 0;
  std::atomic<int> ended = 0;
  ErrorCode code{};
  try {
    ForEachPiece({0, 2}, 1, 2, [&](int, RowRange) {
      ++begun;
      EXPECT_TRUE(Await([&] { return begun == 2; }));  // on both threads
      ForEachPiece({0, 1000}, 1, 1, [&](int, RowRange) { stop = true; });
      ++ended;
    });
  } catch (const Error& error) {
    code = error.code();
  }
  EXPECT_EQ(code, ErrorCode::kInterrupted);
  EXPECT_EQ(ended, 0);
}

TEST(RowWorkersTest, TheCallerLooksWhileAnotherWorks) {
  std::atomic<int> looks = 0;
  const std::function<void()> look = [&] { ++looks; };
  const LookScope scope(look);
  std::atomic<bool> other_works = false;
  ForEachPiece({0, 2}, 1, 2, [&](int worker, RowRange) {
    if (worker == 0) {
      EXPECT_TRUE(Await([&] { return other_works.load(); }));
      return;
    }
    other_works = true;
    // More often than before its pieces, of which it gets two at most.
    EXPECT_TRUE(Await([&] { return looks > 4; }));
  });
}

}  // namespace
}  // namespace actkin
