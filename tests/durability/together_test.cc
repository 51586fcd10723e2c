// Exports and trainings that share a place, are killed in it, or are signalled.
#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <map>
#include <thread>

#include "indexer/train/training_file.h"
#include "storage/machine/export_folder.h"
#include "storage/machine/file.h"
#include "tests/tools/command/made_index.h"
#include "tests/tools/command/made_model.h"
#include "tests/tools/command/run_command.h"

namespace actkin {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class TogetherTest : public MadeIndexTest {
 protected:
  static void SetUpTestSuite() {
    MakeIndex(400, "3,4");
    // Its neighbors are saved, so that exports of similar strings need not write to the index.
    ASSERT_EQ(RunCommand(SimilarStrings(*folder_ / "first")).status, 0);
  }

  static std::vector<std::string> SimilarStrings(const std::string& folder) {
    return {"export", Index(), "--layout", "similar-strings", folder, "--sample", "8", "-k", "3", "--batch", "3"};
  }
  static std::vector<std::string> Npy(const std::string& folder) {
    return {"export", Index(), "--layout", "npy", folder};
  }
  static std::vector<std::string> Train(const std::string& folder) {
    std::filesystem::create_directory(folder);
    return {"train",    Corpus(), "--out",        folder + "/m.safetensors",
            "--steps",  "6",      "--save-every", "2",
            "--blocks", "1",      "--heads",      "1",
            "--embed",  "4",      "--context",    "8",
            "--batch",  "2",      "--threads",    "1"};
  }

  static std::map<std::string, std::string> Files(const std::string& folder) {
    std::map<std::string, std::string> files;
    std::error_code absent;
    for (const auto& entry : std::filesystem::directory_iterator(folder, absent)) {
      files[entry.path().filename()] = ReadFile(entry.path());
    }
    return files;
  }
  // Of those that a user would take for what was exported.
  static bool LooksWhole(const std::string& name) {
    return !name.starts_with(".") && !name.ends_with(".next") && !name.ends_with(".lock");
  }
};

TEST_F(TogetherTest, KilledAtAnyStepNothingLooksWholeAndTheNextRunLeavesNothingBehind) {
  for (const auto& command : {Npy, SimilarStrings}) {
    const std::string whole = *folder_ / "whole";
    std::filesystem::remove_all(whole);
    ASSERT_EQ(RunCommand(command(whole)).status, 0);
    const auto expected = Files(whole);
    int kills = 0;
    for (const auto& [kind, step] : std::map<std::string, int>{{"write", 5}, {"flush", 7}, {"rename", 3}}) {
      for (int number = 1;; number += step) {
        const std::string folder = *folder_ / "killed";
        std::filesystem::remove_all(folder);
        const CommandResult killed =
            RunCommand(command(folder), {fmt::format("ACTKIN_STOP_BEFORE={}:{}", kind, number)});
        if (killed.status == 0) break;
        ASSERT_EQ(killed.status, 128 + SIGKILL) << killed.err;
        ++kills;
        for (const auto& [name, bytes] : Files(folder)) {
          if (!LooksWhole(name)) continue;
          EXPECT_EQ(bytes, expected.at(name)) << name << " before " << kind << " " << number;
        }
        EXPECT_EQ(RunCommand(command(folder)).status, 0);
        EXPECT_EQ(Files(folder), expected) << kind << " " << number;
      }
    }
    EXPECT_GT(kills, 5);
  }
}

TEST_F(TogetherTest, WhatAnotherExportLeftUnfinishedIsRemoved) {
  const std::string folder = *folder_ / "left";
  EXPECT_EQ(RunCommand(Npy(folder), {"ACTKIN_STOP_BEFORE=write:2"}).status, 128 + SIGKILL);
  EXPECT_EQ(RunCommand({"export", Index(), "--layout", "npy", folder, "--stream", "ffwd", "--block", "0", "--t-i", "3"})
                .status,
            0);
  EXPECT_THAT(Files(folder), testing::ElementsAre(testing::Key("ffwd-b0-t3.npy")));
}

TEST_F(TogetherTest, ASecondExportIntoAFolderIsRefusedWhileTheFirstIsAtWork) {
  const std::string folder = *folder_ / "taken";
  for (const auto& command : {Npy, SimilarStrings}) {
    std::filesystem::remove_all(folder);
    {
      const ExportFolder held(folder);
      ExpectFailure(command(folder), 1,
                    fmt::format("{}: another export into this folder is at work (\"process {} ", folder, ::getpid()));
    }
    EXPECT_EQ(RunCommand(command(folder)).status, 0);
  }
}

TEST_F(TogetherTest, ManyAtOnceEndAsOne) {
  for (const auto& command : {Npy, SimilarStrings, Train}) {
    const std::string whole = *folder_ / "alone";
    std::filesystem::remove_all(whole);
    ASSERT_EQ(RunCommand(command(whole)).status, 0);
    const auto expected = Files(whole);
    const std::string folder = *folder_ / "shared";
    std::filesystem::remove_all(folder);
    const std::vector<std::string> arguments = command(folder);
    std::vector<CommandResult> results(4);
    {
      std::vector<std::jthread> runs;
      for (CommandResult& result : results) runs.emplace_back([&] { result = RunCommand(arguments); });
    }
    int succeeded = 0;
    for (const CommandResult& result : results) {
      succeeded += result.status == 0 ? 1 : 0;
      EXPECT_TRUE(result.status == 0 || result.err.find("is at work") != std::string::npos) << result.err;
    }
    EXPECT_GE(succeeded, 1);
    EXPECT_EQ(Files(folder), expected);
  }
}

TEST_F(TogetherTest, ChartsOfTheSameNameAreEachWhole) {
  const std::string chart = *folder_ / "chart.svg";
  std::vector<std::string> charts;
  const auto command = [&](const std::string& prompt) {
    return std::vector<std::string>{"predict", Index(), prompt, "--plot", chart};
  };
  for (const char* prompt : {"abba ", "bb ca"}) {
    ASSERT_EQ(RunCommand(command(prompt)).status, 0);
    charts.push_back(ReadFile(chart));
  }
  {
    std::vector<std::jthread> runs;
    for (const char* prompt : {"abba ", "bb ca", "abba ", "bb ca"}) {
      runs.emplace_back([&, prompt] { EXPECT_EQ(RunCommand(command(prompt)).status, 0); });
    }
  }
  EXPECT_THAT(charts, testing::Contains(ReadFile(chart)));
  EXPECT_FALSE(std::filesystem::exists(UnfinishedPath(chart)));
}

TEST_F(TogetherTest, ATrainingThatIsKilledLeavesNothingAfterTheNext) {
  const std::string whole = *folder_ / "trained";
  ASSERT_EQ(RunCommand(Train(whole)).status, 0);
  const auto expected = Files(whole);
  for (const char* point : {"write:1", "flush:1", "rename:1", "write:2", "rename:2", "write:3", "rename:3"}) {
    const std::string folder = *folder_ / "cut";
    std::filesystem::remove_all(folder);
    EXPECT_EQ(RunCommand(Train(folder), {std::string("ACTKIN_STOP_BEFORE=") + point}).status, 128 + SIGKILL) << point;
    EXPECT_EQ(RunCommand(Train(folder)).status, 0) << point;
    EXPECT_EQ(Files(folder), expected) << point;
  }
  // One that is killed so early that the next writes no checkpoint.
  const std::string folder = *folder_ / "early";
  std::vector<std::string> arguments = Train(folder);
  EXPECT_EQ(RunCommand(arguments, {"ACTKIN_STOP_BEFORE=write:1"}).status, 128 + SIGKILL);
  *std::ranges::find(arguments, "2") = "100";
  EXPECT_EQ(RunCommand(arguments).status, 0);
  EXPECT_EQ(Files(folder), expected);
}

TEST_F(TogetherTest, ASecondTrainingOfTheSameFileIsRefused) {
  const std::string folder = *folder_ / "busy";
  const std::vector<std::string> arguments = Train(folder);
  const FileLock held(TrainingLockPath(folder + "/m.safetensors"), "", FileLock::AtEnd::kRemove);
  ExpectFailure(arguments, 1, "m.safetensors: another training of this file is at work (\"process");
}

// A command that waits for its corpus in a pipe, with its handlers in place, gets a signal there.
class SignalTest : public TogetherTest {
 protected:
  // How it ended: its exit status, or 128 + signal.
  static int SignalledAt(std::vector<std::string> arguments, int signal, bool ignored) {
    const std::string pipe = *folder_ / "pipe";
    std::filesystem::remove(pipe);
    EXPECT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
    arguments[1] = pipe;
    const pid_t child = ::fork();
    if (child == 0) {
      std::signal(signal, ignored ? SIG_IGN : SIG_DFL);
      const int nothing = ::open("/dev/null", O_RDWR);
      for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(nothing, descriptor);
      std::vector<char*> argv{const_cast<char*>(ACTKIN_COMMAND)};
      for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
      argv.push_back(nullptr);
      ::execv(ACTKIN_COMMAND, argv.data());
      ::_exit(127);
    }
    const int writer = ::open(pipe.c_str(), O_WRONLY);  // returns once it reads
    ::kill(child, signal);
    const std::string corpus = MadeCorpus(400);
    std::signal(SIGPIPE, SIG_IGN);
    EXPECT_GE(::write(writer, corpus.data(), corpus.size()), -1);
    ::close(writer);
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
};

TEST_F(SignalTest, WhatABackgroundJobIgnoresItGoesOnIgnoring) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    const std::string folder = *folder_ / fmt::format("signal-{}", signal);
    const std::vector<std::string> train = Train(folder);
    const std::vector<std::string> build{"build", "", "--out", folder + "/x.actkin", "--length", "5"};
    EXPECT_NE(SignalledAt(build, signal, false), 0);
    EXPECT_NE(SignalledAt(train, signal, false), 0);
    EXPECT_EQ(SignalledAt(build, signal, true), 0);
    EXPECT_EQ(SignalledAt(train, signal, true), 0);
    EXPECT_TRUE(std::filesystem::exists(folder + "/m.safetensors"));
  }
}

}  // namespace
}  // namespace actkin
