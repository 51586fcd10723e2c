#include "storage/machine/file.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <thread>
#include <vector>

#include "storage/catalog/build_lock.h"
#include "storage/catalog/index_directory.h"
#include "storage/machine/file_lock.h"
#include "tests/error_matchers.h"
#include "tests/temporary_folder.h"

namespace actkin {
namespace {

TEST(FileTest, WhatSeveralReplaceAtOnceIsAlwaysOneOfTheirs) {
  const TemporaryFolder folder;
  const std::string path = folder / "f";
  const auto text = [](int writer) { return std::string(100'000 + 1000 * writer, static_cast<char>('a' + writer)); };
  ReplaceFile(path, text(0));
  std::atomic<int> at_work{4};
  std::vector<std::jthread> writers;
  for (int writer = 0; writer < 4; ++writer) {
    writers.emplace_back([&, writer] {
      for (int i = 0; i < 20; ++i) ReplaceFile(path, text(writer));
      --at_work;
    });
  }
  while (at_work > 0) {
    const std::string found = ReadFile(path);
    EXPECT_TRUE(found == text(found.at(0) - 'a')) << found.size();
  }
  EXPECT_FALSE(std::filesystem::exists(UnfinishedPath(path)));
}

TEST(FileLockTest, OneHoldsItAtATimeAlthoughItsFileIsRemovedInBetween) {
  const TemporaryFolder folder;
  std::atomic<int> holders{0};
  std::atomic<int> held{0};
  {
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < 4; ++thread) {
      threads.emplace_back([&] {
        for (int i = 0; i < 500; ++i) {
          try {
            const FileLock lock(folder / "lock", "taken", FileLock::AtEnd::kRemove);
            EXPECT_EQ(++holders, 1);
            ++held;
            --holders;
          } catch (const Error& error) {
            EXPECT_THAT(error.what(), OneLineWith("taken (", "wait for it, or end it"));
          }
        }
      });
    }
  }
  EXPECT_GT(held, 0);
  EXPECT_FALSE(std::filesystem::exists(folder / "lock"));
}

TEST(FileTest, ReplaceFileLeavesTheOldOrTheNew) {
  const TemporaryFolder folder;
  ReplaceFile(folder / "f", "old");
  ReplaceFile(folder / "f", "a new text");
  EXPECT_EQ(ReadFile(folder / "f"), "a new text");
}

// Runs `action` in a child whose N-th event of a kind kills it; the signal that ended it, or 0.
template <typename Action>
int SignalOf(const std::string& stop_before, const Action& action) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::setenv("ACTKIN_STOP_BEFORE", stop_before.c_str(), 1);
    action();
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

TEST(FileTest, AGivenFileIsWrittenThroughLinksAndIntoDevices) {
  const TemporaryFolder folder;
  folder.Write("target", "old");
  std::filesystem::create_symlink(folder / "target", folder / "link");
  WriteGivenFile(folder / "link", "new");
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "link"));
  EXPECT_EQ(ReadFile(folder / "target"), "new");
  WriteGivenFile("/dev/null", "text");
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/null"));
  EXPECT_THAT(ErrorOf([] { WriteGivenFile("/dev/full", "text"); }), OneLineWith("/dev/full", "full"));
  EXPECT_THAT(ErrorOf([&] { WriteGivenFile(folder.path(), "text"); }), OneLineWith("this is a folder"));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 2) << "nothing is left beside";
}

TEST(FileTest, OrdersStopBeforeEachEventByKindAndNumber) {
  const TemporaryFolder folder;
  const auto replace = [&] { ReplaceFile(folder / "f", "new"); };
  for (const char* stop : {"write:1", "flush:1", "rename:1", "1", "2", "3"}) {
    ReplaceFile(folder / "f", "old");
    EXPECT_EQ(SignalOf(stop, replace), SIGKILL) << stop;
    EXPECT_EQ(ReadFile(folder / "f"), "old") << stop;
  }
  EXPECT_EQ(SignalOf("flush:2", replace), SIGKILL);  // of the folder, after the rename
  EXPECT_EQ(ReadFile(folder / "f"), "new");
  EXPECT_EQ(SignalOf("rename:2", replace), 0);
}

TEST(FileTest, ADiskThatIsFullIsNamed) {
  OutputFile full("/dev/full", OutputFile::Mode::kContinue);
  EXPECT_THAT(ErrorOf([&] { full.WriteAt(0, "x"); }), OneLineWith("/dev/full", "disk is full", "it continues"));
}

TEST(FileTest, MissingFilesAndFoldersAreNamed) {
  const TemporaryFolder folder;
  EXPECT_THAT(ErrorOf([&] { ReadFile(folder / "absent"); }), OneLineWith("absent", "No such file"));
  EXPECT_THAT(ErrorOf([&] { ReadFile(folder.path()); }), OneLineWith("this is a folder"));
  EXPECT_THAT(ErrorOf([&] { OutputFile(folder / "no/such/f", OutputFile::Mode::kCreate); }), OneLineWith("no/such/f"));
}

TEST(IndexDirectoryTest, NamesThatLeaveTheDirectoryAreRefused) {
  const IndexDirectory directory("x.actkin");
  EXPECT_EQ(directory.Resolve("sites/t9.rows"), std::filesystem::path("x.actkin/sites/t9.rows"));
  for (const std::string& name : {std::string("../secret"), std::string("/etc/passwd"), std::string("sites/../../x"),
                                  std::string(), std::string("a\0b", 3)}) {
    EXPECT_THAT(ErrorOf([&] { directory.Resolve(name); }), OneLineWith("outside the directory"));
  }
}

TEST(BuildLockTest, TheSecondIsToldWhoHoldsItAndADeadHolderIsNone) {
  const TemporaryFolder folder;
  const IndexDirectory directory(folder / "x.actkin");
  directory.Create();
  {
    const BuildLock lock(directory);
    EXPECT_THAT(ErrorOf([&] { BuildLock second(directory); }),
                OneLineWith("x.actkin", "another build is at work", std::to_string(::getpid())));
  }
  const pid_t child = ::fork();
  if (child == 0) {
    const BuildLock lock(directory);
    std::raise(SIGKILL);
  }
  ::waitpid(child, nullptr, 0);
  const BuildLock lock(directory);
}

}  // namespace
}  // namespace actkin
