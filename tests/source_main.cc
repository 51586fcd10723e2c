// GoogleTest's main for programs of several sources: PROGRAM SOURCE [GoogleTest's arguments] runs the tests of one,
// named without its folder and ending; without it, all.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <string>

namespace {

// GoogleTest's filter for the tests of a source.
std::string TestsOf(const std::string& source) {
  const testing::UnitTest& all = *testing::UnitTest::GetInstance();
  std::string filter;
  for (int i = 0; i < all.total_test_suite_count(); ++i) {
    const testing::TestSuite& suite = *all.GetTestSuite(i);
    for (int j = 0; j < suite.total_test_count(); ++j) {
      const testing::TestInfo& test = *suite.GetTestInfo(j);
      if (std::filesystem::path(test.file()).stem() != source) continue;
      filter += std::string(suite.name()) + "." + test.name() + ":";
    }
  }
  return filter;
}

}  // namespace

int main(int argument_count, char** arguments) {
  testing::InitGoogleMock(&argument_count, arguments);
  if (argument_count > 1) {
    const std::string filter = TestsOf(arguments[1]);
    if (filter.empty()) {
      std::fprintf(stderr, "%s: no tests of %s.cc\n", arguments[0], arguments[1]);
      return 1;
    }
    if (testing::GTEST_FLAG(filter) == "*") testing::GTEST_FLAG(filter) = filter;
  }
  return RUN_ALL_TESTS();
}
