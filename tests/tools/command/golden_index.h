#ifndef ACTKIN_TESTS_TOOLS_COMMAND_GOLDEN_INDEX_H_
#define ACTKIN_TESTS_TOOLS_COMMAND_GOLDEN_INDEX_H_

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>

#include "tests/shared_data.h"
#include "tests/temporary_folder.h"
#include "tests/tools/command/run_command.h"

namespace actkin {

// The goldens' own tolerance; a prompt's own row may stand at a few 1e-7.
inline bool Close(double a, double b) { return std::abs(a - b) <= 1e-5 + 1e-4 * std::abs(b); }

// What the study's files call a neighbor's distance: under cosine the similarity.
inline double StudyDistance(const nlohmann::json& neighbor) {
  return neighbor[neighbor["similarity"].is_null() ? "distance" : "similarity"];
}

// A copy of the index of golden/small at all its positions, which CTest has made for several tests (its fixture
// golden_index); where it has not, made here. Files that nobody changes in place are links to the same.
inline void CopyGoldenIndex(const std::filesystem::path& to) {
  const std::filesystem::path made = ACTKIN_GOLDEN_INDEX;
  if (!std::filesystem::exists(made)) {
    const CommandResult built = RunCommand({"build", SharedData("golden/small/corpus.txt"), "--model",
                                            SharedData("golden/small/model.pt"), "--out", to, "--t-i", "3-9"});
    ASSERT_EQ(built.status, 0) << built.err;
    return;
  }
  std::filesystem::copy(made, to);
  for (const auto& folder : std::filesystem::directory_iterator(made)) {
    if (!folder.is_directory()) continue;
    std::filesystem::create_directory(to / folder.path().filename());
    for (const auto& file : std::filesystem::directory_iterator(folder)) {
      const std::filesystem::path copy = to / folder.path().filename() / file.path().filename();
      std::error_code of_another_file_system;
      std::filesystem::create_hard_link(file, copy, of_another_file_system);
      if (of_another_file_system) std::filesystem::copy_file(file, copy);
    }
  }
}

// A test over such an index, one copy for the suite; skipped where the goldens are absent. Base: testing::Test, or one
// with parameters.
template <typename Base>
class GoldenIndexTest : public Base {
 protected:
  static void SetUpTestSuite() {
    if (!std::filesystem::exists(SharedData("golden/small"))) return;
    folder_ = std::make_unique<TemporaryFolder>();
    index_ = *folder_ / "small.actkin";
    CopyGoldenIndex(index_);
  }
  static void TearDownTestSuite() { folder_.reset(); }
  void SetUp() override { ACTKIN_NEEDS_SHARED_DATA("golden/small"); }

  static inline std::unique_ptr<TemporaryFolder> folder_;
  static inline std::string index_;
};

}  // namespace actkin

#endif  // ACTKIN_TESTS_TOOLS_COMMAND_GOLDEN_INDEX_H_
