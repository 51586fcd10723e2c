// What exact search reads of a site of a language model, a tiny one that is always the same: bounds that a worse
// sketch, order or scan would break.
#include <gtest/gtest.h>

#include <numeric>

#include "query/exact/site_index.h"
#include "query/reader/index_reader.h"
#include "tests/tools/command/made_index.h"
#include "tests/tools/command/made_model.h"
#include "tests/tools/command/run_command.h"

namespace actkin {
namespace {

constexpr std::uint64_t kRows = 12'000;
constexpr std::size_t kQueries = 20;

class ModelSearchCostTest : public MadeIndexTest {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TemporaryFolder>();
    folder_->Write("corpus.txt", MadeCorpus(kRows));
    ModelShape shape = kMadeShape;
    shape.context = 32;
    shape.embed = 128;
    shape.head_size = 64;
    shape.hidden = 256;
    folder_->Write("model.safetensors", SerializeSafetensors(MadeModel(4, shape)));
    const CommandResult built = RunCommand({"build", Corpus(), "--model", Model(), "--out", Index(), "--length", "2",
                                            "--positions", "--window", "16", "--streams", "proj,ffwd"});
    ASSERT_EQ(built.status, 0) << built.err;
  }

  static void ExpectAtMost(Stream stream, SearchRequest request, std::uint64_t boxes, std::uint64_t code_bytes,
                           std::uint64_t rows) {
    IndexReader reader{IndexDirectory(Index())};
    const std::shared_ptr<const SiteIndex> index = reader.OpenIndex({stream, 1, kOverPositions});
    ASSERT_EQ(index->row_count(), kRows);
    SearchCost cost;
    request.cost = &cost;
    for (RowNumber row = 100; row < kRows; row += kRows / kQueries) index->Search(index->Vector(row), request);
    const auto& bytes = cost.code_bytes_read;
    EXPECT_LE(cost.boxes_read / kQueries, boxes);
    EXPECT_LE(std::accumulate(bytes.begin(), bytes.end(), std::uint64_t{0}) / kQueries, code_bytes);
    EXPECT_LE(cost.rows_read / kQueries, rows);
    EXPECT_GE(cost.rows_read / kQueries, *request.k);
  }
};

TEST_F(ModelSearchCostTest, OfEachStreamAndMetric) {
  ExpectAtMost(Stream::kProj, {.metric = Metric::kL2}, 540, 235'000, 56);
  ExpectAtMost(Stream::kFfwd, {.metric = Metric::kL2}, 540, 245'000, 60);
  ExpectAtMost(Stream::kFfwd, {.metric = Metric::kCosine}, 550, 275'000, 82);
  ExpectAtMost(Stream::kFfwd, {.metric = Metric::kDot}, 560, 286'000, 143);
  ExpectAtMost(Stream::kFfwd, {.order = Order::kFarthest}, 560, 300'000, 172);
}

}  // namespace
}  // namespace actkin
