#include "tools/benchmarks/build_measurement.h"

#include <algorithm>
#include <vector>

#include "indexer/model/checkpoint.h"
#include "schema/error.h"
#include "tools/benchmarks/forward_rate.h"

namespace actkin {
namespace {

constexpr std::uint64_t kForestStrings = 4096;  // as many as a build takes
constexpr std::uint64_t kForests = 32;

// The strings of a run of rows (which are in lexicographic order) as a forest.
PrefixForest ForestOf(IndexReader& reader, int t_i, RowRange rows) {
  const auto order = reader.OpenRowOrder(t_i);
  StringId first_string_id = 0;
  for (const LengthRow& length : reader.catalog().Lengths()) {
    if (length.length == t_i + 1) first_string_id = length.first_string_id;
  }
  PrefixForest forest;
  forest.levels.resize(static_cast<std::size_t>(t_i) + 1);
  std::vector<TokenId> last;
  for (std::uint64_t row = rows.begin; row < rows.end; ++row) {
    const std::vector<TokenId> tokens =
        reader.catalog().String(first_string_id + order->Ordinal(static_cast<RowNumber>(row))).tokens;
    const auto common = static_cast<std::size_t>(std::ranges::mismatch(tokens, last).in1 - tokens.begin());
    for (std::size_t t = common; t < tokens.size(); ++t) {
      const std::size_t parents = t == 0 ? 1 : forest.levels[t - 1].tokens.size();
      forest.levels[t].tokens.push_back(tokens[t]);
      forest.levels[t].parents.push_back(static_cast<std::uint32_t>(parents - 1));
    }
    last = tokens;
  }
  return forest;
}

}  // namespace

BenchRow MeasureBuild(IndexReader& reader, int t_i, const Task& task, int threads, double seconds) {
  const std::optional<ModelRow> model_row = reader.catalog().Model();
  if (!model_row) Fail("the index was made without a model");
  const Checkpoint checkpoint = ReadCheckpoint(reader.directory().Resolve(model_row->file));
  const std::unique_ptr<Transformer> model = LoadTorchBackend().NewTransformer(*checkpoint.model);

  const std::uint64_t row_count = reader.OpenRowOrder(t_i)->row_count();
  const std::uint64_t forest_strings = std::min(kForestStrings, row_count);
  std::vector<PrefixForest> forests;
  for (std::uint64_t i = 0; i < kForests; ++i) {
    const std::uint64_t first = (row_count - forest_strings) * i / (kForests - 1);
    forests.push_back(ForestOf(reader, t_i, {first, first + forest_strings}));
  }
  std::vector<Site> sites;
  for (const SiteRow& row : reader.catalog().Sites()) {
    if (row.site.stream != Stream::kEmbedding && row.site.t_i == t_i) sites.push_back(row.site);
  }
  // Block by block, as a forward pass puts them out.
  std::ranges::sort(sites, {}, [](const Site& site) { return std::pair(site.block, site.stream); });

  const ForwardRate rate = MeasureForwardRate(
      *model, sites, [&](std::uint64_t number) { return forests[number * 7 % kForests]; }, threads, seconds);
  const double gflop = 1000 * FlopsOfPrefix(checkpoint.model->description()) * 1e-9;
  BenchRow row;
  row.name = task.name;
  row.peer = task.peer;
  row.rows = row.site_rows = row_count;
  row.ours_ms = 1000 * gflop / rate.forward.by_clock;
  row.peer_ms = 1000 * gflop / rate.peak.by_clock;
  row.ours_setting = fmt::format("{:.0f} GFLOP/s", rate.forward.by_clock);
  row.peer_setting = fmt::format("{:.0f} GFLOP/s", rate.peak.by_clock);
  return row;
}

}  // namespace actkin
