// Indices over few rows, and over rows that are alike: FAISS refuses them in one line, or they answer.
#include "tests/error_matchers.h"
#include "tests/query/approximate/approximate_site.h"

namespace actkin {
namespace {

class ApproximateTinyTest : public ApproximateIndexTest {
 protected:
  // What a build says, or the number of rows that the index finds when it is asked for all.
  std::string Outcome(const std::string& name, Metric metric = Metric::kL2) {
    SearchRequest request;
    request.metric = metric;
    request.k = ordinals_.size();
    std::size_t found = 0;
    const std::string error = ErrorOf([&] {
      const auto index = Open(Build(name, metric));
      for (const std::size_t queries : {1UL, ordinals_.size()}) {
        found = index->Search(std::span(values_).first(queries * dimension_), request).front().size();
      }
    });
    return error == "no error" ? std::to_string(found) : error;
  }

  void MakeSiteOf(std::vector<float> values) {
    MakeSite(kDimension, std::move(values));
    // A file of no rows is not written.
    if (ordinals_.size() < 3) files_.erase(files_.begin());
  }

  // `distinct` rows, again and again.
  static std::vector<float> Repeated(std::size_t row_count, std::size_t distinct) {
    std::vector<float> values = Clusters(row_count, kDimension);
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = values[(i / kDimension % distinct) * kDimension + i % kDimension];
    }
    return values;
  }
};

// Numbers between neighbors on a line, so that no row is alike and few links are enough.
std::vector<float> Line(std::size_t row_count, std::size_t dimension) {
  std::vector<float> values(row_count * dimension);
  for (std::size_t row = 0; row < row_count; ++row) values[row * dimension] = static_cast<float>(row);
  return values;
}

TEST_F(ApproximateTinyTest, FewRowsAreAnsweredOrRefusedInOneLine) {
  for (const std::size_t rows : {1U, 50U}) {
    for (const std::vector<float>& values : {Clusters(rows, kDimension), Repeated(rows, 1)}) {
      MakeSiteOf(values);
      for (const std::string name : {"Flat",
                                     "HNSW8",
                                     "SQ8",
                                     "SQ4",
                                     "SQfp16",
                                     "LSH",
                                     "PQ6x4np",
                                     "PQ6x4fs",
                                     "HNSW8,SQ8",
                                     "IVF1,Flat",
                                     "IVF4,Flat",
                                     "IVF4,SQ8",
                                     "IVF4_HNSW8,Flat",

                                     "PCA8,HNSW8",
                                     "PCAW8,Flat",
                                     "SQ4,RFlat",
                                     "IDMap,Flat",
                                     "NSG16",
                                     "NSG16,SQ8",
                                     "PCA8,NSG16",
                                     "IVF4_NSG16,Flat"}) {
        for (const Metric metric : {Metric::kL2, Metric::kCosine}) {
          const std::string outcome = Outcome(name, metric);
          if (outcome.find_first_not_of("0123456789") == std::string::npos) {
            EXPECT_LE(std::stoul(outcome), rows) << name;
          } else {
            EXPECT_THAT(outcome, OneLineWith(fmt::format("index \"{}\": ", name)));
          }
        }
      }
    }
  }
}

TEST_F(ApproximateTinyTest, NsgSaysHowManyRowsItNeeds) {
  for (const std::size_t rows : {1U, 2U, 60U, 100U}) {
    MakeSiteOf(Clusters(rows, kDimension));
    for (const std::string name : {"NSG16", "NSG", "NSG16,Flat", "NSG16_SQ8", "RR8,NSG16"}) {
      EXPECT_THAT(Outcome(name), OneLineWith("index \"" + name + "\": NSG", "needs 101 rows or more", "HNSW"));
    }
  }
  MakeSiteOf(Clusters(120, kDimension));
  EXPECT_THAT(Outcome("NSG512"), OneLineWith("NSG512 needs 544 rows or more, the site has 120"));
}

TEST_F(ApproximateTinyTest, NsgAnswersWhereItsBuildEnds) {
  for (const std::size_t rows : {102U, 300U}) {
    MakeSiteOf(Clusters(rows, kDimension));
    for (const std::string name : {"NSG16", "NSG16,SQ8", "PCA8,NSG16"}) {
      for (const Metric metric : {Metric::kL2, Metric::kCosine}) {
        const std::string outcome = Outcome(name, metric);
        ASSERT_THAT(outcome, testing::MatchesRegex("[0-9]+")) << name;
        // FAISS's random choices may leave a row without a path to it.
        EXPECT_GE(std::stoul(outcome) * 50, rows * 49) << name;
      }
    }
  }
  std::mt19937 generator(5);
  std::normal_distribution<float> normal;
  std::vector<float> noise(500 * kDimension);
  for (float& number : noise) number = normal(generator);
  MakeSiteOf(noise);
  EXPECT_GE(Recall(*Open(Build("NSG16")), Metric::kL2, ""), 0.8);
}

TEST_F(ApproximateTinyTest, NsgOverRowsThatAreAlikeEnds) {
  for (const std::vector<float>& values : {Repeated(300, 1), std::vector<float>(300 * kDimension)}) {
    MakeSiteOf(values);
    for (const std::string name : {"NSG16", "PCA8,NSG16"}) {
      EXPECT_THAT(Outcome(name), OneLineWith("index \"" + name + "\": FAISS's NSG would not end", "HNSW"));
    }
  }
  // Where FAISS's random choices decide.
  MakeSiteOf(Repeated(600, 50));
  EXPECT_THAT(Outcome("NSG16"), testing::AnyOf(testing::MatchesRegex("[0-9]+"), OneLineWith("would not end", "HNSW")));
  // So few links that rows which differ cannot be reached.
  MakeSiteOf(Clusters(300, kDimension));
  EXPECT_THAT(Outcome("NSG2"), OneLineWith("would not end", "2 links a row are too few"));
  MakeSiteOf(Line(300, kDimension));
  EXPECT_EQ(Outcome("NSG2"), "300");
}

TEST_F(ApproximateTinyTest, NsgInsideAnotherIndexIsRefused) {
  MakeSiteOf(Clusters(300, kDimension));
  for (const std::string name : {"IVF4_NSG16,Flat", "IVF4(NSG16),Flat", "NSG16,RFlat", "SQ8,Refine(NSG16)",
                                 "PCA8,IVF4_NSG16,SQ8", "IDMap,NSG16", "MinMax,NSG16"}) {
    EXPECT_THAT(ErrorOf([&] {
                  LoadFaissBackend().Kind({name, Metric::kL2, {}, 1}, kDimension);
                }),
                OneLineWith("index \"" + name + "\"", "NSG is inside another index", "HNSW"));
  }
}

TEST_F(ApproximateTinyTest, WhatCannotBeAskedIsNotBuilt) {
  MakeSiteOf(Clusters(600, kDimension));
  EXPECT_THAT(Outcome("Residual4,PQ4x4"), OneLineWith("index \"Residual4,PQ4x4\": not implemented"));
  EXPECT_THAT(Outcome("IDMap,Flat"), OneLineWith("index \"IDMap,Flat\": add does not make sense"));
  // For cosine some are made for l2 all the same.
  for (const std::string name : {"HNSW8,PQ6np", "IVF4,ITQ8,SH", "NSG16,PQ6np"}) {
    EXPECT_THAT(Outcome(name, Metric::kCosine), OneLineWith("index \"" + name + "\"", "cosine", "only for l2"));
  }
  EXPECT_THAT(Outcome("LSH", Metric::kCosine), OneLineWith("index \"LSH\"", "'metric == METRIC_L2' failed"));
}

}  // namespace
}  // namespace actkin
