#include "storage/machine/work_plan.h"

#include <gtest/gtest.h>

#include <atomic>
#include <numeric>
#include <set>
#include <thread>

#include "schema/error.h"
#include "storage/machine/file.h"
#include "tests/error_matchers.h"
#include "tests/temporary_folder.h"

namespace actkin {
namespace {

class Listener : public ProgressListener {
 public:
  void Begin(const std::string&, std::uint64_t, const std::string&) override {}
  void Advance(std::uint64_t done, std::uint64_t already) override {
    first_already_ = first_ ? already : first_already_;
    first_ = false;
    if (done >= throws_at) Fail("the listener has enough");
  }
  void End() override {}
  void Note(const std::string&) override {}
  std::uint64_t already() const { return first_already_; }

  std::uint64_t throws_at = 1'000'000;

 private:
  bool first_ = true;
  std::uint64_t first_already_ = 0;
};

class WorkPlanTest : public testing::Test {
 protected:
  const WorkPlan plan_{"of these inputs", 95, 10};

  WorkFolder Open(const WorkPlan& plan, RowRange batches) {
    return {folder_ / "work", plan, batches, {folder_ / "published"}, 1};
  }
  WorkFolder Open() { return Open(plan_, {0, plan_.batches()}); }

  // Each batch writes its number's letter and adds its items up.
  BatchMaker Maker(const WorkFolder& work, std::uint64_t fails_at = 1000) {
    return [this, &work, fails_at](std::uint64_t batch) -> std::vector<std::uint64_t> {
      if (batch >= fails_at) Fail("batch {} broke", batch);
      OutputFile(work.File(0), OutputFile::Mode::kContinue)
          .WriteAt(batch, std::string(1, static_cast<char>('a' + batch)));
      ++made_;
      const RowRange items = work.plan().Items(batch);
      return {(items.begin + items.end - 1) * items.size() / 2};
    };
  }

  void Do(WorkFolder& work, int threads = 2, std::uint64_t fails_at = 1000) {
    DoBatches(
        work, {threads, 0, "work", "things"}, listener_, [] {}, [&] { return Maker(work, fails_at); });
  }

  TemporaryFolder folder_;
  Listener listener_;
  std::atomic<int> made_ = 0;
};

TEST_F(WorkPlanTest, BatchesCoverTheItems) {
  EXPECT_EQ(plan_.batches(), 10);
  std::uint64_t next = 0;
  for (std::uint64_t batch = 0; batch < plan_.batches(); ++batch) {
    EXPECT_EQ(plan_.Items(batch).begin, next);
    next = plan_.Items(batch).end;
  }
  EXPECT_EQ(next, 95);
  EXPECT_EQ((WorkPlan{"", 0, 10}.batches()), 0);
}

TEST_F(WorkPlanTest, PartsFollowEachOtherAndDifferByOneBatch) {
  for (const std::uint64_t parts : {1, 3, 4, 10, 13}) {
    std::uint64_t next = 0;
    std::set<std::uint64_t> sizes;
    for (std::uint64_t part = 0; part < parts; ++part) {
      const RowRange range = plan_.Part(part, parts);
      EXPECT_EQ(range.begin, next);
      next = range.end;
      sizes.insert(range.size());
    }
    EXPECT_EQ(next, plan_.batches());
    EXPECT_LE(*sizes.rbegin() - *sizes.begin(), 1);
  }
}

TEST_F(WorkPlanTest, AllBatchesAreMadeOnceAndTheirSharesAddUp) {
  for (const int threads : {0, 1, 3, 50}) {
    made_ = 0;
    WorkFolder work = Open();
    EXPECT_FALSE(work.continued());
    Do(work, threads);
    EXPECT_EQ(made_, 10);
    EXPECT_EQ(work.items_done(), 95);
    EXPECT_EQ(work.batches_left(), 0);
    EXPECT_EQ(work.sums(), (std::vector<std::uint64_t>{95 * 94 / 2}));
    EXPECT_EQ(ReadFile(work.File(0)), "abcdefghij");
    work.Remove();
    EXPECT_FALSE(std::filesystem::exists(folder_ / "work"));
  }
}

TEST_F(WorkPlanTest, WhatIsDoneIsNotMadeAgain) {
  for (const int threads : {0, 2}) {
    made_ = 0;
    WorkFolder first = Open();
    EXPECT_THAT(ErrorOf([&] { Do(first, threads, 6); }), OneLineWith("broke"));
    WorkFolder second = Open();
    EXPECT_TRUE(second.continued());
    EXPECT_EQ(second.items_done(), 60);
    Listener listener;
    DoBatches(
        second, {threads, 0, "work", "things"}, listener, [] {}, [&] { return Maker(second); });
    EXPECT_EQ(listener.already(), 60);
    EXPECT_EQ(made_, 10);
    EXPECT_EQ(second.sums(), (std::vector<std::uint64_t>{95 * 94 / 2}));
    second.Remove();
  }
}

TEST_F(WorkPlanTest, ABatchThatIsDoneDuringAFlushWaitsForTheNext) {
  WorkFolder work = Open();
  OutputFile(work.File(0), OutputFile::Mode::kCreate);
  const std::uint64_t early = work.Take().value();
  const std::uint64_t late = work.Take().value();
  work.SetDone(early, std::vector<std::uint64_t>{1});
  work.Save([&] { work.SetDone(late, std::vector<std::uint64_t>{1}); });
  EXPECT_EQ(work.items_done(), 20);
  EXPECT_EQ(Open().items_done(), 10);
  EXPECT_EQ(Open().sums(), std::vector<std::uint64_t>{1});
  work.Save([] {});
  EXPECT_EQ(Open().items_done(), 20);
}

TEST_F(WorkPlanTest, AFlushThatFailsLeavesTheMapAsItWas) {
  WorkFolder work = Open();
  EXPECT_THAT(ErrorOf([&] {
                DoBatches(
                    work, {0, 0, "work", "things"}, listener_, [] { Fail("the disk broke"); },
                    [&] { return Maker(work); });
              }),
              OneLineWith("the disk broke"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "work" / "progress.json"));
  EXPECT_FALSE(Open().continued());
}

TEST_F(WorkPlanTest, AListenerThatThrowsEndsTheWorkAndKeepsWhatIsDone) {
  for (const int threads : {0, 2}) {
    WorkFolder work = Open();
    listener_.throws_at = 50;
    EXPECT_THAT(ErrorOf([&] { Do(work, threads); }), OneLineWith("has enough"));
    EXPECT_GE(Open().items_done(), 50);
    listener_.throws_at = 1'000'000;
    Open().Remove();
  }
}

TEST_F(WorkPlanTest, OtherPlansAndDamagedMapsBeginAnew) {
  const auto interrupted = [&] {
    WorkFolder work = Open();
    EXPECT_THAT(ErrorOf([&] { Do(work, 0, 6); }), OneLineWith("broke"));
  };
  for (const WorkPlan& other :
       {WorkPlan{"of others", 95, 10}, WorkPlan{"of these inputs", 94, 10}, WorkPlan{"of these inputs", 95, 11}}) {
    interrupted();
    EXPECT_FALSE(Open(other, {0, other.batches()}).continued());
  }
  interrupted();
  EXPECT_FALSE(Open(plan_, {1, plan_.batches()}).continued());
  std::filesystem::remove_all(folder_ / "work");
  interrupted();
  std::filesystem::copy(folder_ / "work", folder_ / "sound");
  const std::string sound = ReadFile(folder_ / "work" / "progress.json");
  const auto continued_with = [&](const std::string& name, const std::string& bytes) {
    std::filesystem::remove_all(folder_ / "work");
    std::filesystem::copy(folder_ / "sound", folder_ / "work");
    folder_.Write("work/" + name, bytes);
    return Open().continued();
  };
  EXPECT_TRUE(continued_with("progress.json", sound));
  for (std::size_t i = 0; i < sound.size(); ++i) {
    std::string damaged = sound;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    EXPECT_FALSE(continued_with("progress.json", damaged)) << "byte " << i << ": " << damaged;
  }
  // Longer than it was it may hold what came after the last save; shorter it lacks what was saved.
  EXPECT_TRUE(continued_with("published", "abcdefgh"));
  EXPECT_FALSE(continued_with("published", "abcde"));
}

TEST_F(WorkPlanTest, AFileThatWasPublishedComesBack) {
  WorkFolder work = Open();
  Do(work);
  RenameDurably(work.File(0), folder_ / "published");
  const WorkFolder again = Open();
  EXPECT_TRUE(again.continued());
  EXPECT_EQ(again.batches_left(), 0);
  EXPECT_EQ(ReadFile(again.File(0)), "abcdefghij");
  // Without its file there is nothing to continue.
  std::filesystem::remove(again.File(0));
  EXPECT_FALSE(Open().continued());
}

// Two that know nothing of each other make a half each.
TEST_F(WorkPlanTest, PartsOfAPlanAddUpToAllOfIt) {
  std::uint64_t sum = 0;
  std::string bytes;
  for (const std::uint64_t part : {1, 0}) {
    const RowRange batches = plan_.Part(part, 2);
    WorkFolder half(folder_ / std::to_string(part), plan_, batches, {folder_ / "published"}, 1);
    Do(half);
    sum += half.sums()[0];
    bytes = ReadFile(half.File(0)).substr(batches.begin, batches.size()) + bytes;
  }
  EXPECT_EQ(sum, 95 * 94 / 2);
  EXPECT_EQ(bytes, "abcdefghij");
}

}  // namespace
}  // namespace actkin
