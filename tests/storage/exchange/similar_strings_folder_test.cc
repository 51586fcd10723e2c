#include "storage/exchange/similar_strings_folder.h"

#include <gmock/gmock.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "storage/machine/file.h"
#include "tests/error_matchers.h"
#include "tests/shared_data.h"
#include "tests/temporary_folder.h"

namespace actkin {
namespace {

using nlohmann::json;
using testing::ElementsAre;

// Two batches, of the prompts "pq" and "rs" and of "tu"; two blocks; t_i 1 and 2; two neighbors.
class SimilarStringsFolderTest : public testing::Test {
 protected:
  SimilarStringsFolderTest() {
    folder_.Write(kBatchMapFile, R"({"tu": 1, "pq": 0, "rs": 0})");
    for (const int batch : {0, 1}) {
      const json strings = batch == 0 ? json{{"rs", 0}, {"pq", 1}} : json{{"tu", 0}};
      const std::vector<json> rows(strings.size(), json{"ab", "cd"});
      const json distances = {std::vector<double>(strings.size(), 0.5), std::vector<double>(strings.size(), 0.75)};
      const json file = {{"strings", strings}, {"sim_strings", rows}, {"distances", distances}};
      Write({Stream::kEmbedding, 0, 0}, batch, file);
      for (const Stream stream : {Stream::kProj, Stream::kFfwd}) {
        for (const int block : {0, 1}) {
          for (const int t_i : {1, 2}) Write({stream, block, t_i}, batch, file);
        }
      }
    }
  }

  void Write(const Site& site, int batch, const json& file) {
    folder_.Write(SimilarStringsFileName(site, batch), file.dump());
  }
  void Change(const std::string& name, const std::function<void(json&)>& change) {
    json file = json::parse(ReadFile(folder_ / name));
    change(file);
    folder_.Write(name, file.dump());
  }
  std::string ErrorReading(std::optional<Metric> metric = std::nullopt) {
    return ErrorOf([&] { ReadAll(metric); });
  }
  SimilarStringsFolder ReadAll(std::optional<Metric> metric = std::nullopt) {
    SimilarStringsFolder folder(folder_.path(), metric);
    for (std::size_t batch = 0; batch < folder.batch_count(); ++batch) {
      folder.Read({Stream::kEmbedding, 0, 0}, batch);
      for (const Stream stream : {Stream::kProj, Stream::kFfwd}) {
        for (int block = 0; block < folder.blocks(); ++block) {
          for (const int t_i : folder.t_is()) folder.Read({stream, block, t_i}, batch);
        }
      }
    }
    return folder;
  }

  TemporaryFolder folder_;
};

TEST_F(SimilarStringsFolderTest, SaysWhatIsThere) {
  folder_.Write("notes.txt", "not one of them");
  const SimilarStringsFolder folder = ReadAll();
  EXPECT_THAT(folder.prompts(), ElementsAre("rs", "pq", "tu"));
  EXPECT_EQ(folder.k(), 2U);
  EXPECT_EQ(folder.blocks(), 2);
  EXPECT_THAT(folder.t_is(), ElementsAre(1, 2));
  EXPECT_EQ(folder.batch_count(), 2U);
  EXPECT_EQ(folder.first_prompt(1), 2U);
  EXPECT_EQ(folder.metric(), Metric::kL2);
}

TEST_F(SimilarStringsFolderTest, TheStudysFoldersAreWhole) {
  ACTKIN_NEEDS_SHARED_DATA("golden");
  SimilarStringsFolder published(SharedData("golden/published"));
  EXPECT_EQ(published.blocks(), 6);
  EXPECT_THAT(published.t_is(), ElementsAre(9));
  published.Read({Stream::kFfwd, 5, 9}, 0);
  EXPECT_EQ(published.metric(), Metric::kL2);
  SimilarStringsFolder cosine(SharedData("golden/small/similar_strings_cosine"));
  EXPECT_THAT(cosine.t_is(), ElementsAre(3, 4, 5, 6, 7, 8, 9));
  cosine.Read({Stream::kProj, 2, 3}, 0);
  EXPECT_EQ(cosine.metric(), Metric::kCosine);
}

TEST_F(SimilarStringsFolderTest, AMissingFileIsNamed) {
  std::filesystem::remove(folder_ / "proj_out_sim_strings-001-01-002.json");
  EXPECT_THAT(ErrorReading(), OneLineWith("proj_out_sim_strings-001-01-002.json: is missing"));
  folder_.Write("proj_out_sim_strings-001-01-002.json", ReadFile(folder_ / "proj_out_sim_strings-001-01-001.json"));
  std::filesystem::remove(folder_ / "embs_sim_strings-000.json");
  EXPECT_THAT(ErrorReading(), OneLineWith("embs_sim_strings-000.json: is missing"));
  std::filesystem::remove(folder_ / kBatchMapFile);
  EXPECT_THAT(ErrorReading(), OneLineWith(kBatchMapFile));
  EXPECT_THAT(ErrorOf([] { SimilarStringsFolder{"/nowhere"}; }), OneLineWith("/nowhere: no such folder"));
}

TEST_F(SimilarStringsFolderTest, AMissingBlockIsNamed) {
  for (const char* name : {"proj_out_sim_strings-000-00-001.json", "proj_out_sim_strings-001-00-001.json",
                           "ffwd_out_sim_strings-000-00-001.json", "ffwd_out_sim_strings-001-00-001.json"}) {
    std::filesystem::remove(folder_ / name);
  }
  EXPECT_THAT(ErrorReading(), OneLineWith("proj_out_sim_strings-000-00-001.json: is missing"));
}

TEST_F(SimilarStringsFolderTest, ABatchThatTheMapDoesNotKnowIsNamed) {
  folder_.Write("embs_sim_strings-007.json", "{}");
  EXPECT_THAT(ErrorReading(),
              OneLineWith("embs_sim_strings-007.json", "batch 7 is not in " + std::string(kBatchMapFile)));
}

TEST_F(SimilarStringsFolderTest, OtherPromptsAreNamed) {
  Change("embs_sim_strings-001.json", [](json& file) { file["strings"] = {{"pq", 0}}; });
  EXPECT_THAT(ErrorReading(), OneLineWith("embs_sim_strings-001.json", "\"pq\" is not in this batch"));
  Change("embs_sim_strings-001.json", [](json& file) { file["strings"] = {{"tu", 0}}; });
  Change("ffwd_out_sim_strings-000-01-002.json", [](json& file) { file["strings"] = {{"pq", 0}, {"rs", 1}}; });
  EXPECT_THAT(ErrorReading(), OneLineWith("ffwd_out_sim_strings-000-01-002.json", "prompt 0 is \"pq\"", "\"rs\""));
  folder_.Write(kBatchMapFile, R"({"tu": 1, "pq": 0, "rs": 0, "xx": 1})");
  EXPECT_THAT(ErrorReading(), OneLineWith("embs_sim_strings-001.json: 1 prompts, expected the 2"));
}

TEST_F(SimilarStringsFolderTest, AnotherNumberOfNeighborsIsNamed) {
  Change("proj_out_sim_strings-001-00-002.json", [](json& file) {
    file["sim_strings"][0].erase(1);
    file["distances"].erase(1);
  });
  EXPECT_THAT(ErrorReading(),
              OneLineWith("proj_out_sim_strings-001-00-002.json: 1 neighbors", "the other files have 2"));
}

TEST_F(SimilarStringsFolderTest, DistancesAreSortedAllInOneWay) {
  Change("proj_out_sim_strings-000-00-002.json", [](json& file) { file["distances"][1][1] = 0.25; });
  EXPECT_THAT(ErrorReading(), OneLineWith("proj_out_sim_strings-000-00-002.json", "\"pq\" are descending: expected l2",
                                          "embs_sim_strings-000.json"));
  Change("proj_out_sim_strings-000-00-002.json", [](json& file) {
    for (const char* text : {"ef", "gh"}) {
      for (json& row : file["sim_strings"]) row.push_back(text);
      file["distances"].push_back({0.5, 0.5});
    }
  });
  EXPECT_THAT(ErrorReading(), OneLineWith("proj_out_sim_strings-000-00-002.json: 4 neighbors"));
  EXPECT_THAT(ErrorReading(Metric::kCosine),
              OneLineWith("embs_sim_strings-000.json", "are ascending: expected cosine, as asked for"));
}

TEST_F(SimilarStringsFolderTest, DistancesUpAndDownAreNamed) {
  const auto three = [](json& file) {
    for (json& row : file["sim_strings"]) row.push_back("ef");
    file["distances"].push_back(std::vector<double>(file["strings"].size(), 0.6));
  };
  for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
    if (entry.path().filename() != kBatchMapFile) Change(entry.path().filename(), three);
  }
  EXPECT_THAT(ErrorReading(), OneLineWith("embs_sim_strings-000.json", "of prompt \"rs\" are not sorted"));
}

TEST_F(SimilarStringsFolderTest, DistancesThatTheMetricDoesNotHaveAreNamed) {
  Change("ffwd_out_sim_strings-001-00-001.json", [](json& file) { file["distances"][0][0] = -0.5; });
  EXPECT_THAT(ErrorReading(), OneLineWith("ffwd_out_sim_strings-001-00-001.json", "-0.5", "no value of l2"));
}

TEST_F(SimilarStringsFolderTest, TheMetricIsAskedForWhereDistancesDoNotTell) {
  for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
    if (entry.path().filename() == kBatchMapFile) continue;
    Change(entry.path().filename(), [](json& file) { file["distances"][1] = file["distances"][0]; });
  }
  EXPECT_THAT(ErrorOf([&] { ReadAll().metric(); }), OneLineWith("l2 or cosine"));
  EXPECT_EQ(ReadAll(Metric::kCosine).metric(), Metric::kCosine);
}

}  // namespace
}  // namespace actkin
