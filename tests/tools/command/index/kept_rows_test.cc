// What rows are kept as: int8, and none at all.
#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>
#include <random>

#include "query/exact/exact_distance.h"
#include "query/reader/index_reader.h"
#include "storage/machine/file.h"
#include "tests/temporary_folder.h"
#include "tests/tools/command/made_model.h"
#include "tests/tools/command/run_command.h"

namespace actkin {
namespace {

using nlohmann::json;
using testing::HasSubstr;

constexpr int kLast = 6;  // t_i of strings of 7 tokens

class KeptRowsTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TemporaryFolder>();
    // The characters that the model knows, without the repetition that makes strings few.
    std::mt19937 generator(6);
    const std::vector<std::string> characters{"a", "b", "c", "d", " ", "\n", "\u00e4"};
    std::string text;
    for (int i = 0; i < 6000; ++i) text += characters[generator() % characters.size()];
    folder_->Write("corpus.txt", text);
    folder_->Write("model.safetensors", SerializeSafetensors(MadeModel()));
    for (const char* element : {"float32", "int8", "none"}) {
      const CommandResult built = Build(element, {"--rows", element, "--t-i", "2,6"});
      ASSERT_EQ(built.status, 0) << built.err;
    }
  }
  static void TearDownTestSuite() { folder_.reset(); }

  static std::string Path(const std::string& name) { return *folder_ / (name + ".actkin"); }
  static CommandResult Build(const std::string& name, const std::vector<std::string>& more) {
    std::vector<std::string> arguments{"build",     *folder_ / "corpus.txt",
                                       "--model",   *folder_ / "model.safetensors",
                                       "--out",     Path(name),
                                       "--length",  "7",
                                       "--streams", "proj,ffwd,residual"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return RunCommand(arguments);
  }

  static std::string Copy(const std::string& name) {
    std::filesystem::copy(Path(name), Path("copy"), std::filesystem::copy_options::recursive);
    return Path("copy");
  }
  void TearDown() override { std::filesystem::remove_all(Path("copy")); }

  // Every kind of search is brute force over the rows as the reader gives them.
  static void ExpectBruteForce(const std::string& name) {
    IndexReader reader{IndexDirectory(Path(name))};
    for (const Stream stream : {Stream::kProj, Stream::kFfwd, Stream::kResidual}) {
      const auto index = reader.OpenIndex({stream, 1, kLast});
      ASSERT_GT(index->row_count(), 4096U);
      std::vector<std::vector<float>> rows;
      for (RowNumber row = 0; row < index->row_count(); ++row) rows.push_back(index->Vector(row));
      const std::vector<float> outside = reader.QueryVector(reader.Encode(PromptInput{"ab"}), {stream, 1, kLast});
      for (const std::vector<float>& query : {rows[17], rows[3000], outside}) {
        const std::vector<double> exact(query.begin(), query.end());
        for (const Metric metric : {Metric::kL2, Metric::kCosine, Metric::kDot}) {
          for (const Order order : {Order::kNearest, Order::kFarthest}) {
            std::vector<double> distances;
            for (const std::vector<float>& row : rows) {
              distances.push_back(ExactDistance(metric, SumExactly(metric, row, exact), SquaredNorm(exact)));
            }
            const bool smaller_first = (metric == Metric::kL2) == (order == Order::kNearest);
            std::vector<double> expected = distances;
            std::ranges::sort(expected);
            if (!smaller_first) std::ranges::reverse(expected);
            const std::vector<Match> found = index->Search(query, {.metric = metric, .order = order, .k = 25})[0];
            ASSERT_EQ(found.size(), 25U);
            for (std::size_t i = 0; i < found.size(); ++i) {
              EXPECT_EQ(found[i].distance, expected[i]) << Name(metric) << " " << i;
              EXPECT_EQ(found[i].distance, distances[found[i].row]);
            }
          }
        }
      }
    }
  }

  static std::uint64_t Bytes(const std::string& name, const std::string& extension) {
    std::uint64_t bytes = 0;
    for (const auto& entry : std::filesystem::directory_iterator(Path(name) + "/sites")) {
      if (entry.path().extension() == extension) bytes += entry.file_size();
    }
    return bytes;
  }

  // The neighbors are those of float32, but for how rows are rounded.
  static void ExpectNearly(const std::string& name, double tolerance) {
    for (const char* stream : {"proj", "ffwd", "residual"}) {
      const auto query = [&](const std::string& of) {
        return RunForJson({"query", Path(of), "abba c", "--t-i", "6", "--stream", stream, "--json"})["neighbors"];
      };
      const json found = query(name);
      const json expected = query("float32");
      ASSERT_EQ(found.size(), expected.size());
      for (std::size_t i = 0; i < found.size(); ++i) {
        EXPECT_NEAR(found[i]["distance"].get<double>(), expected[i]["distance"], tolerance);
      }
    }
  }

  static inline std::unique_ptr<TemporaryFolder> folder_;
};

TEST_F(KeptRowsTest, RowsOfInt8AreSearchedAsTheyAreKept) {
  ExpectBruteForce("int8");
  ExpectNearly("int8", 0.05);
}

TEST_F(KeptRowsTest, RowsThatAreNotKeptAreSearchedAsTheyAreComputed) {
  ExpectBruteForce("none");
  ExpectNearly("none", 1e-4);
}

TEST_F(KeptRowsTest, WhatIsNotKeptTakesNoDisk) {
  EXPECT_EQ(Bytes("none", ".sketches"), Bytes("float32", ".sketches"));
  EXPECT_LT(Bytes("int8", ".vectors"), Bytes("float32", ".vectors"));
  // Those of the sites that are too small for sketches.
  EXPECT_LT(Bytes("none", ".vectors"), Bytes("float32", ".vectors") / 10);
  const json none = RunForJson({"info", Path("none"), "--json"});
  for (const json& site : none["sites"]) {
    EXPECT_EQ(site["element"], site["t_i"] == kLast ? "none" : "float32");
  }
  // What they were like is known.
  const auto statistics = [](const std::string& name) {
    json of_sites = json::array();
    const json info = RunForJson({"info", Path(name), "--json"});
    for (const json& site : info["sites"]) of_sites.push_back(site["statistics"]);
    return of_sites;
  };
  EXPECT_EQ(statistics("none"), statistics("float32"));
  for (const char* name : {"int8", "none"}) {
    const CommandResult verified = RunCommand({"verify", Path(name)});
    EXPECT_EQ(verified.status, 0) << verified.out;
    EXPECT_THAT(verified.out, HasSubstr(" 0 failed"));
    EXPECT_EQ(RunForJson({"build", *folder_ / "corpus.txt", "--out", Path(name), "--length", "7", "--streams",
                          "proj,ffwd,residual", "--t-i", "2,6", "--rows", name, "--json"})["sites_added"],
              0);
  }
}

TEST_F(KeptRowsTest, HowInt8DiffersFromFloat32IsMeasuredAtTheBuild) {
  const json info = RunForJson({"info", Path("int8"), "--json"});
  for (const json& site : info["sites"]) {
    ASSERT_TRUE(site.contains("rounding")) << site;
    const json& rounding = site["rounding"];
    EXPECT_EQ(rounding["k"], 10);
    EXPECT_LE(rounding["sampled_rows"], 2048);
    EXPECT_GT(rounding["recall"], 0.8);
  }
  EXPECT_THAT(RunCommand({"info", Path("int8")}).out, HasSubstr("rows of int8: of the 10 nearest of float32,"));
  EXPECT_FALSE(RunForJson({"info", Path("float32"), "--json"})["sites"][0].contains("rounding"));
}

TEST_F(KeptRowsTest, ThePlanSaysWhatPassesThroughTheDisk) {
  const auto plan = [&](const std::string& element) {
    return RunForJson({"build", *folder_ / "corpus.txt", "--model", *folder_ / "model.safetensors", "--out",
                       Path("planned"), "--length", "7", "--streams", "ffwd", "--t-i", "6", "--rows", element, "--plan",
                       "--json"});
  };
  const json kept = plan("float32");
  const json none = plan("none");
  EXPECT_EQ(kept["peak_bytes"], kept["bytes"]);
  EXPECT_LT(none["bytes"], kept["bytes"]);
  EXPECT_GT(none["peak_bytes"], none["bytes"]);
}

TEST_F(KeptRowsTest, WhatNeedsAllRowsSaysThatTheyAreNotKept) {
  const std::string index = Path("none");
  const std::string last = std::to_string(kLast);
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"index", index, "--add", "HNSW8", "--stream", "ffwd", "--block", "1", "--t-i", last},
        std::vector<std::string>{"export", index, "--layout", "npy", "-", "--stream", "ffwd", "--block", "1", "--t-i",
                                 last}}) {
    const CommandResult refused = RunCommand(arguments);
    EXPECT_NE(refused.status, 0) << arguments[0];
    EXPECT_THAT(refused.err, HasSubstr("not kept")) << arguments[0];
  }
  const CommandResult positions = Build("positions", {"--rows", "none", "--positions"});
  EXPECT_EQ(positions.status, 2);
  EXPECT_THAT(positions.err, HasSubstr("--rows none"));
}

TEST_F(KeptRowsTest, RowsOfAnotherModelAreRefused) {
  const std::string copy = Copy("none");
  const std::vector<std::string> query = {"query", copy, "abba c", "--t-i", "6", "--stream", "proj"};
  EXPECT_EQ(RunCommand(query).status, 0);
  std::string bytes = ReadFile(copy + "/model.safetensors");
  // The highest bits of the last half's mantissas.
  for (std::size_t at = bytes.size() / 8 * 4 + 2; at < bytes.size(); at += 4) {
    bytes[at] = static_cast<char>(bytes[at] ^ 0x10);
  }
  ReplaceFile(copy + "/model.safetensors", bytes);
  const CommandResult refused = RunCommand(query);
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.err, HasSubstr("proj block 1 t_i 6 (attn_out): row "));
  EXPECT_THAT(refused.err, HasSubstr("another model"));
}

TEST_F(KeptRowsTest, DamageIsFoundAndRepaired) {
  for (const auto& [name, file] : {std::pair<std::string, std::string>{"none", "/sites/ffwd-b1-t6.sketches"},
                                   {"int8", "/sites/ffwd-b1-t6.vectors"}}) {
    const std::string copy = Copy(name);
    const std::string whole = ReadFile(copy + file);
    std::string bytes = whole;
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
    ReplaceFile(copy + file, bytes);
    EXPECT_EQ(RunCommand({"verify", copy}).status, 1);
    const CommandResult repaired =
        RunCommand({"build", *folder_ / "corpus.txt", "--model", *folder_ / "model.safetensors", "--out", copy,
                    "--length", "7", "--streams", "proj,ffwd,residual", "--t-i", "2,6", "--rows", name, "--repair"});
    EXPECT_EQ(repaired.status, 0) << repaired.err;
    EXPECT_EQ(ReadFile(copy + file), whole) << name;
    EXPECT_EQ(RunCommand({"verify", copy}).status, 0);
    std::filesystem::remove_all(copy);
  }
}

}  // namespace
}  // namespace actkin
