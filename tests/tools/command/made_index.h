#ifndef ACTKIN_TESTS_TOOLS_COMMAND_MADE_INDEX_H_
#define ACTKIN_TESTS_TOOLS_COMMAND_MADE_INDEX_H_

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/temporary_folder.h"

namespace actkin {

// A test over an index of the made corpus and model (made_model.h), of strings of 5 tokens, that it may copy and
// change.
class MadeIndexTest : public testing::Test {
 protected:
  // Once for the whole suite. t_i: the positions that are built.
  static void MakeIndex(std::size_t characters, const std::string& t_i);
  static void TearDownTestSuite() { folder_.reset(); }

  static std::string Corpus() { return *folder_ / "corpus.txt"; }
  static std::string Model() { return *folder_ / "model.safetensors"; }
  static std::string Index() { return *folder_ / "made.actkin"; }
  // A copy of the index under a name of its own, in place of what was there.
  static std::string Copy(const std::string& name);

  // COMMAND INDEX --json MORE...
  static std::vector<std::string> Arguments(const std::string& command, const std::string& index,
                                            const std::vector<std::string>& more);
  static nlohmann::json Run(const std::string& command, const std::string& index, const std::vector<std::string>& more);

  // The first value that a query gives.
  static std::string Query(const std::string& index, const std::string& sql);
  // A table of the catalog, a row a line.
  static std::string Rows(const std::string& index, const std::string& table);
  // The files that experiments saved, by name.
  static std::map<std::string, std::string> Experiments(const std::string& index);

  static void ExpectFailure(const std::vector<std::string>& arguments, int status, const std::string& part);
  static void ExpectSound(const std::string& index);
  // Nothing unfinished is left.
  static void ExpectTidy(const std::string& index);

  // COMMAND, on copies of the index, killed before every step-th write, flush, rename and commit and run again: it ends
  // as one that nobody disturbed, with nothing damaged and nothing left. A hundred or so events in all.
  static void ExpectKilledEndsTheSame(const std::string& command, const std::vector<std::string>& more, int step);

  static inline std::unique_ptr<TemporaryFolder> folder_;
};

}  // namespace actkin

#endif  // ACTKIN_TESTS_TOOLS_COMMAND_MADE_INDEX_H_
