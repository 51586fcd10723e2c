#include "indexer/build/capture.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <chrono>
#include <map>
#include <memory>
#include <thread>

namespace actkin {
namespace {

using Clock = std::chrono::steady_clock;

// Together the workers stay within 3 GB, however many threads are asked for.
constexpr std::uint64_t kWorkerBytes = std::uint64_t{512} << 20;
constexpr std::size_t kMaximumWorkers = 6;

// Leaves of a batch: as many as keep one worker's activations within kWorkerBytes were no prefix shared, so that memory
// stays bounded whatever the model. A power of two, at most 4,096: more leaves share more prefixes, but leave the
// cache.
std::uint64_t BatchRows(const ModelDescription& model, int depth) {
  // Of each prefix: residual, proj, ffwd, a copy on the way out, and queries, keys and values.
  const auto floats = static_cast<std::uint64_t>(6 * model.shape.embed + model.qkv_size() + model.attention_size());
  const std::uint64_t bytes = 4 * floats * static_cast<std::uint64_t>(depth);
  return std::clamp<std::uint64_t>(std::bit_floor(kWorkerBytes / bytes), 16, 4096);
}

// One node, of which all roots become children.
void PutBefore(TokenId token, PrefixForest& forest) {
  forest.levels.front().parents.assign(forest.levels.front().tokens.size(), 0);
  forest.levels.insert(forest.levels.begin(), PrefixForest::Level{{token}, {0}});
}

// The sites as the forward pass knows them. The beginning is the forest's first level: strings' tokens come one level
// later.
std::vector<Site> ForestSites(std::vector<Site> sites, const std::optional<TokenId>& beginning) {
  for (Site& site : sites) site.t_i += beginning ? 1 : 0;
  return sites;
}

// Runs batches of leaves through the model; one thread's own.
class LeafForward {
 public:
  LeafForward(const CapturePlan& plan, const PrefixTree& tree, const Transformer& model, const WorkPlan& work,
              const std::optional<TokenId>& beginning)
      : plan_(plan), tree_(tree), work_(work), beginning_(beginning), forward_(model.NewPrefixForward()) {
    for (std::size_t i = 0; i < plan.sites.size(); ++i) site_index_[plan.sites[i]] = i;
    computed_ = plan.sites;
    for (const Site& site : plan.computed) {
      if (!site_index_.contains(site)) computed_.push_back(site);
    }
    std::ranges::sort(computed_);
    computed_ = ForestSites(std::move(computed_), beginning);
  }

  void Run(std::uint64_t batch, RowSink& sink) {
    PrefixTree::Slice slice = tree_.Take(work_.Items(batch));
    if (beginning_) PutBefore(*beginning_, slice.forest);
    forward_->Run(slice.forest, computed_, [&](const Site& computed, std::span<const float> values) {
      const Site site{computed.stream, computed.block, computed.t_i - (beginning_ ? 1 : 0)};
      const auto kept = site_index_.find(site);
      if (kept == site_index_.end()) return;
      const auto t = static_cast<std::size_t>(site.t_i);
      const std::uint64_t skipped = slice.owned[t].begin - slice.rows[t].begin;
      if (slice.owned[t].size() == 0) return;
      sink.Write(kept->second, static_cast<RowNumber>(slice.owned[t].begin), values.subspan(skipped * plan_.embed));
    });
  }

 private:
  const CapturePlan& plan_;
  const PrefixTree& tree_;
  const WorkPlan& work_;
  const std::optional<TokenId>& beginning_;
  std::map<Site, std::size_t> site_index_;
  std::vector<Site> computed_;  // as the forest has them
  std::unique_ptr<PrefixForward> forward_;
};

}  // namespace

std::size_t CaptureWorkers(const CaptureOptions& options, std::uint64_t batches) {
  return std::min(
      {static_cast<std::size_t>(std::max(options.threads, 1)), kMaximumWorkers, static_cast<std::size_t>(batches)});
}

std::uint64_t CaptureMemory(const CapturePlan& plan, const PrefixTree& tree, const ModelDescription& model,
                            const CaptureOptions& options) {
  const std::uint64_t leaves = tree.row_count(tree.depth() - 1);
  const std::uint64_t batch_rows = std::min(BatchRows(model, tree.depth()), leaves);
  std::uint64_t nodes = 0;
  for (int level = 0; level < tree.depth(); ++level) nodes += std::min(batch_rows, tree.row_count(level));
  const auto floats = static_cast<std::uint64_t>(4 * model.shape.embed + model.qkv_size());
  return CaptureWorkers(options, (leaves + batch_rows - 1) / batch_rows) * nodes * floats * sizeof(float) +
         plan.sites.size() * 4096;
}

double CaptureSeconds(const CapturePlan& plan, const PrefixTree& tree, const Transformer& model,
                      const CaptureOptions& options, double measured_seconds) {
  // Smaller than a capture's batches, so that a large model is measured in time; enough for whole tiles.
  constexpr std::uint64_t kMeasuredLeaves = 256;
  const std::uint64_t leaves = tree.row_count(tree.depth() - 1);
  const std::uint64_t pieces = (leaves + kMeasuredLeaves - 1) / kMeasuredLeaves;
  const std::vector<Site> sites = ForestSites(plan.sites, options.beginning);
  std::uint64_t all_nodes = 0;
  for (int level = 0; level < tree.depth(); ++level) all_nodes += tree.row_count(level);
  std::atomic<std::uint64_t> next = 0;
  std::atomic<std::uint64_t> nodes = 0;
  const Clock::time_point start = Clock::now();
  const auto seconds = [&] { return std::chrono::duration<double>(Clock::now() - start).count(); };
  {
    std::vector<std::jthread> workers;
    for (std::size_t i = 0; i < CaptureWorkers(options, pieces); ++i) {
      workers.emplace_back([&] {
        const std::unique_ptr<PrefixForward> forward = model.NewPrefixForward();
        do {
          const std::uint64_t number = next++;
          if (number >= pieces) return;
          // Every part of the tree has its turn: 7919 is prime, so none comes twice unless it divides their number.
          const std::uint64_t begin = number * 7919 % pieces * kMeasuredLeaves;
          PrefixTree::Slice slice = tree.Take({begin, std::min(begin + kMeasuredLeaves, leaves)});
          if (options.beginning) PutBefore(*options.beginning, slice.forest);
          forward->Run(slice.forest, sites, [](const Site&, std::span<const float>) {});
          nodes += slice.forest.node_count();
        } while (seconds() < measured_seconds);
      });
    }
  }
  return seconds() * static_cast<double>(all_nodes) / static_cast<double>(std::max<std::uint64_t>(nodes, 1));
}

std::vector<CapturedFile> Capture(const CapturePlan& plan, const PrefixTree& tree, const Transformer& model,
                                  const IndexDirectory& directory, const CaptureOptions& options,
                                  ProgressListener& progress) {
  const std::uint64_t batch_rows =
      options.batch_rows != 0 ? options.batch_rows : BatchRows(model.description(), tree.depth());
  RowCapture capture{
      plan.sites, {}, plan.element, plan.embed, {plan.fingerprint, tree.row_count(tree.depth() - 1), batch_rows}};
  for (const Site& site : plan.sites) capture.row_counts.push_back(tree.row_count(site.t_i));
  const WorkOptions work{static_cast<int>(CaptureWorkers(options, capture.work.batches())), options.checkpoint_seconds,
                         "activations", "strings"};
  return CaptureRows(capture, directory, work, progress, [&]() -> RowMaker {
    const auto forward = std::make_shared<LeafForward>(plan, tree, model, capture.work, options.beginning);
    return [forward](std::uint64_t batch, RowSink& sink) { forward->Run(batch, sink); };
  });
}

}  // namespace actkin
