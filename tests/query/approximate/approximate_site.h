// A site of rows made here, and the indices that FAISS builds over them.
#ifndef ACTKIN_TESTS_QUERY_APPROXIMATE_APPROXIMATE_SITE_H_
#define ACTKIN_TESTS_QUERY_APPROXIMATE_APPROXIMATE_SITE_H_

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "query/approximate/open_approximate_index.h"
#include "storage/faiss/faiss_backend.h"
#include "storage/machine/file.h"
#include "tests/query/exact/made_site.h"

namespace actkin {

class Silent : public ProgressListener {
 public:
  void Begin(const std::string& step, std::uint64_t total, const std::string&) override {
    steps.push_back(step);
    total_ = total;
  }
  void Advance(std::uint64_t done, std::uint64_t) override { EXPECT_LE(done, total_); }
  void End() override {}
  void Note(const std::string&) override {}

  std::vector<std::string> steps;

 private:
  std::uint64_t total_ = 0;
};

// Points around 40 centers, as activations lie: near ones are much nearer than the rest.
inline std::vector<float> Clusters(std::size_t row_count, std::size_t dimension, unsigned seed = 3) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<float> centers(40 * dimension);
  for (float& number : centers) number = 4 * normal(generator);
  std::vector<float> values;
  for (std::size_t row = 0; row < row_count; ++row) {
    const std::size_t center = generator() % 40;
    for (std::size_t i = 0; i < dimension; ++i) values.push_back(centers[center * dimension + i] + normal(generator));
  }
  return values;
}

// A site whose rows are in two files, and its indices.
class ApproximateIndexTest : public testing::Test {
 protected:
  static constexpr std::size_t kDimension = 24;

  void MakeSite(std::size_t dimension, std::vector<float> values, Element element = Element::kFloat32) {
    dimension_ = dimension;
    element_ = element;
    values_ = std::move(values);
    ordinals_ = ShuffledOrdinals(values_.size() / dimension);
    const auto split = static_cast<RowNumber>(ordinals_.size() / 3);
    exact_ = MakeExactIndex(folder_, element, dimension, values_, ordinals_, {split});
    // Written above, under these names.
    files_ = {folder_ / fmt::format("{}-0-{}", Name(element), split),
              folder_ / fmt::format("{}-{}-{}", Name(element), split, ordinals_.size())};
  }

  RowSource Rows() const {
    std::vector<VectorFile> files;
    for (const std::filesystem::path& path : files_) files.emplace_back(path);
    return RowSource(std::move(files));
  }

  SiteIndexRow Build(const std::string& name, Metric metric = Metric::kL2, int threads = 2) {
    const FaissBackend& backend = LoadFaissBackend();
    const Site site{Stream::kFfwd, 0, 3};
    const bool graph = backend.Kind({name, metric, {}, threads}, dimension_) == FaissKind::kGraph;
    const std::string file =
        graph ? IndexDirectory::Graph(site, metric, name) : IndexDirectory::Faiss(site, metric, name);
    std::filesystem::create_directories(folder_ / "sites");
    Silent progress;
    const std::uint64_t checksum = backend.Build(Rows(), {name, metric, {}, threads}, folder_ / file, progress);
    EXPECT_THAT(progress.steps, testing::Not(testing::IsEmpty()));
    return {name, metric, {file, std::filesystem::file_size(folder_ / file), ChecksumText(checksum)}, 0};
  }

  std::shared_ptr<const SiteIndex> Open(const SiteIndexRow& row) const {
    return OpenApproximateIndex(IndexDirectory(folder_.path()), row, Rows(),
                                std::make_shared<const RowOrderFile>(folder_ / "order"));
  }

  std::span<const float> Query(std::size_t row) const {
    return std::span(values_).subspan(row * dimension_, dimension_);
  }

  // Every row of an answer is where 'exact' has it, and the order is that of the distances.
  void ExpectExactDistances(const std::vector<Match>& found, std::span<const float> query, Metric metric) const {
    SearchRequest every;
    every.metric = metric;
    every.k.reset();
    std::vector<Match> exact = exact_->Search(query, every).front();
    std::vector<Match> expected;
    for (const Match& match : exact) {
      const auto same = [&](const Match& other) { return other.row == match.row; };
      if (std::ranges::any_of(found, same)) expected.push_back(match);
    }
    ASSERT_EQ(found.size(), expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      EXPECT_EQ(found[i].row, expected[i].row);
      EXPECT_EQ(found[i].number, expected[i].number);
      EXPECT_EQ(found[i].distance, expected[i].distance);
    }
  }

  // Of the ten nearest of fifty rows, how many are found.
  double Recall(const SiteIndex& index, Metric metric, const std::string& parameters) const {
    std::size_t hits = 0;
    SearchRequest request;
    request.metric = metric;
    for (std::size_t i = 0; i < 50; ++i) {
      const std::span<const float> query = Query(i * ordinals_.size() / 50);
      request.parameters.clear();
      const std::vector<Match> exact = exact_->Search(query, request).front();
      request.parameters = parameters;
      const std::vector<Match> found = index.Search(query, request).front();
      ExpectExactDistances(found, query, metric);
      for (const Match& match : found) {
        hits += std::ranges::find(exact, match.row, &Match::row) != exact.end() ? 1U : 0U;
      }
    }
    return static_cast<double>(hits) / 500;
  }

  TemporaryFolder folder_;
  std::size_t dimension_ = 0;
  Element element_ = Element::kFloat32;
  std::vector<float> values_;
  std::vector<StringOrdinal> ordinals_;
  std::vector<std::filesystem::path> files_;
  std::unique_ptr<ExactIndex> exact_;
};

}  // namespace actkin

#endif  // ACTKIN_TESTS_QUERY_APPROXIMATE_APPROXIMATE_SITE_H_
