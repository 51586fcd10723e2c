// Children of fork(), as Python's multiprocessing and PyTorch's DataLoader make them, ask what their parent asked.
#include <omp.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>

#include "tests/query/approximate/approximate_site.h"

namespace actkin {
namespace {

// A child that hangs is ended by SIGALRM.
constexpr unsigned kLongestSeconds = 60;

// What waitpid says of a child that runs the action: 0 where it returned.
int StatusOfChild(const std::function<void()>& action) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(kLongestSeconds);
    try {
      action();
    } catch (const std::exception& error) {
      fmt::print(stderr, "{}\n", error.what());
      _exit(1);
    }
    _exit(0);
  }
  int status = -1;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return status;
}

class ApproximateForkTest : public ApproximateIndexTest {
 protected:
  static constexpr std::size_t kQueries = 100;

  std::vector<RowNumber> Ask(const SiteIndex& index, std::size_t queries) const {
    SearchRequest request;
    request.threads = 4;
    std::vector<RowNumber> rows;
    for (const auto& answer : index.Search(std::span(values_).first(queries * kDimension), request)) {
      for (const Match& match : answer) rows.push_back(match.row);
    }
    return rows;
  }

  const std::vector<std::string> names_ = {
      "Flat",       "SQ8",     "PQ6x4",      "PQ6np", "LSH",   "HNSW8,SQ8",    "NSG16",           "IVF8,Flat",
      "IVF8,PQ6np", "PQ6x4fs", "PCA8,HNSW8", "HNSW8", "RQ2x4", "IVF4,PQ6x4fs", "IVF4_HNSW8,Flat", "SQ4,RFlat"};
};

TEST_F(ApproximateForkTest, ChildrenAnswerAsTheirParent) {
  MakeSite(kDimension, Clusters(500, kDimension));
  std::map<std::string, SiteIndexRow> built;
  std::map<std::string, std::shared_ptr<const SiteIndex>> open;
  std::map<std::string, std::vector<RowNumber>> expected;
  for (const std::string& name : names_) {
    built[name] = Build(name, Metric::kL2, 4);
    open[name] = Open(built[name]);
    Ask(*open[name], 1);
    expected[name] = Ask(*open[name], kQueries);
  }
  const std::vector<RowNumber> exact = Ask(*exact_, kQueries);
  // Somebody else's team of this thread, as PyTorch leaves one: the child has its record, but not its threads.
#pragma omp parallel num_threads(4)
  { EXPECT_EQ(omp_get_num_threads(), 4); }

  for (const std::string& name : names_) {
    const auto ask = [&](const SiteIndex& index) {
      Ask(index, 1);
      if (Ask(index, kQueries) != expected[name]) Fail("another answer");
    };
    // The parent's index, and one that the child opens.
    EXPECT_EQ(StatusOfChild([&] { ask(*open[name]); }), 0) << name;
    EXPECT_EQ(StatusOfChild([&] { ask(*Open(built[name])); }), 0) << name;
  }
  EXPECT_EQ(StatusOfChild([&] {
              if (Ask(*exact_, kQueries) != exact) Fail("another answer");
            }),
            0);
  // A child of a child.
  EXPECT_EQ(StatusOfChild([&] {
              if (StatusOfChild([&] { Ask(*open["SQ8"], kQueries); }) != 0) Fail("no");
            }),
            0);
}

TEST_F(ApproximateForkTest, ChildrenBuild) {
  MakeSite(kDimension, Clusters(500, kDimension));
  Build("IVF8,SQ8", Metric::kL2, 4);
  for (const std::string name : {"HNSW8", "IVF8,Flat", "NSG16", "PQ6x4"}) {
    EXPECT_EQ(StatusOfChild([&] { Build(name, Metric::kL2, 4); }), 0) << name;
  }
}

TEST_F(ApproximateForkTest, ASearchLeavesTheCallersThreadWithoutATeam) {
  MakeSite(kDimension, Clusters(500, kDimension));
  const int threads = omp_get_max_threads();
  const auto index = Open(Build("SQ8", Metric::kL2, 4));
  Ask(*index, kQueries);
  EXPECT_EQ(omp_get_max_threads(), threads);
}

}  // namespace
}  // namespace actkin
