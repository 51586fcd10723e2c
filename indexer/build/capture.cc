#include "indexer/build/capture.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "schema/error.h"
#include "storage/formats/vector_file.h"
#include "storage/machine/file.h"

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

std::size_t WorkerCount(const CaptureOptions& options, std::uint64_t batches) {
  return std::min(
      {static_cast<std::size_t>(std::max(options.threads, 1)), kMaximumWorkers, static_cast<std::size_t>(batches)});
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

// The capture's progress on disk: which batches are done, and the checksum of the rows they wrote to each file.
struct CaptureProgress {
  std::vector<bool> done;
  std::vector<std::uint64_t> checksums;  // by site of the plan
};

std::string Encode(const CaptureProgress& progress, const CapturePlan& plan) {
  std::string done;
  for (const bool batch : progress.done) done += batch ? '1' : '0';
  return nlohmann::json{{"fingerprint", plan.fingerprint}, {"done", done}, {"checksums", progress.checksums}}.dump();
}

// None when there is nothing to continue.
std::optional<CaptureProgress> Decode(const std::string& text, const CapturePlan& plan, std::size_t batches) {
  try {
    const auto json = nlohmann::json::parse(text);
    if (json.at("fingerprint").get<std::string>() != plan.fingerprint) return std::nullopt;
    CaptureProgress progress;
    for (const char batch : json.at("done").get<std::string>()) progress.done.push_back(batch == '1');
    progress.checksums = json.at("checksums").get<std::vector<std::uint64_t>>();
    if (progress.done.size() != batches || progress.checksums.size() != plan.sites.size()) return std::nullopt;
    return progress;
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
}

// One run of a capture: workers take batches; the calling thread reports and makes checkpoints.
class CaptureRun {
 public:
  CaptureRun(const CapturePlan& plan, const PrefixTree& tree, const Transformer& model, const IndexDirectory& directory,
             const CaptureOptions& options, ProgressListener& progress)
      : plan_(plan),
        tree_(tree),
        model_(model),
        options_(options),
        listener_(progress),
        directory_(directory),
        folder_(directory.Capture(plan.fingerprint)),
        leaf_count_(tree.row_count(tree.depth() - 1)),
        batch_rows_(options.batch_rows != 0 ? options.batch_rows : BatchRows(model.description(), tree.depth())) {
    for (std::size_t i = 0; i < plan.sites.size(); ++i) site_index_[plan.sites[i]] = i;
    computed_ = plan.sites;
    for (const Site& site : plan.computed) {
      if (!site_index_.contains(site)) computed_.push_back(site);
    }
    std::ranges::sort(computed_);
    computed_ = ForestSites(std::move(computed_), options_.beginning);
  }

  std::vector<CapturedFile> Run() {
    Open();
    const auto count_done = [this] { return static_cast<std::uint64_t>(std::ranges::count(state_.done, true)); };
    const std::uint64_t already = std::min(count_done() * batch_rows_, leaf_count_);
    listener_.Begin("activations", leaf_count_, "strings");
    listener_.Advance(already, already);
    {
      std::vector<std::jthread> workers;
      const std::size_t threads = WorkerCount(options_, state_.done.size() - count_done());
      working_ = threads;
      for (std::size_t i = 0; i < threads; ++i) workers.emplace_back([this] { Work(); });
      Clock::time_point last_checkpoint = Clock::now();
      std::unique_lock lock(mutex_);
      while (working_ > 0) {
        changed_.wait_for(lock, std::chrono::milliseconds(200));
        const std::uint64_t done = std::min(count_done() * batch_rows_, leaf_count_);
        lock.unlock();
        listener_.Advance(done, already);
        if (std::chrono::duration<double>(Clock::now() - last_checkpoint).count() >= options_.checkpoint_seconds) {
          Guard([this] { Checkpoint(); });
          last_checkpoint = Clock::now();
        }
        lock.lock();
      }
    }
    if (failure_) {
      // What is done stays done. A second failure (the disk is full) must not hide the first.
      try {
        Checkpoint();
      } catch (const Error&) {
      }
      std::rethrow_exception(failure_);
    }
    Checkpoint();
    listener_.End();
    return Finish();
  }

 private:
  std::filesystem::path VectorPath(const Site& site) const {
    return folder_ / std::filesystem::path(IndexDirectory::Vectors(site)).filename();
  }
  std::filesystem::path ProgressPath() const { return folder_ / "progress.json"; }

  void Open() {
    const std::size_t batches = (leaf_count_ + batch_rows_ - 1) / batch_rows_;
    std::optional<CaptureProgress> found;
    if (std::filesystem::exists(ProgressPath())) found = Decode(ReadFile(ProgressPath()), plan_, batches);
    // A file that was published but not registered before the end of its build comes back.
    for (const Site& site : plan_.sites) {
      const std::filesystem::path published = directory_.path() / IndexDirectory::Vectors(site);
      if (found && !std::filesystem::exists(VectorPath(site)) && std::filesystem::exists(published)) {
        RenameDurably(published, VectorPath(site));
      }
    }
    continued_ = found && std::ranges::all_of(plan_.sites, [this](const Site& site) {
                   return std::filesystem::exists(VectorPath(site));
                 });
    if (continued_) {
      state_ = std::move(*found);
    } else {
      std::filesystem::remove_all(folder_);
      std::filesystem::create_directories(folder_);
      state_ = {std::vector<bool>(batches, false), std::vector<std::uint64_t>(plan_.sites.size(), 0)};
    }
    for (std::size_t i = 0; i < plan_.sites.size(); ++i) {
      const Site& site = plan_.sites[i];
      writers_.push_back(std::make_unique<VectorFileWriter>(VectorPath(site), plan_.element, plan_.embed,
                                                            RowRange{0, tree_.row_count(site.t_i)}, continued_,
                                                            state_.checksums[i]));
    }
    next_batch_ = 0;
  }

  // Remembers the first failure; the workers stop at their next batch.
  template <typename Action>
  void Guard(const Action& action) {
    try {
      action();
    } catch (...) {
      const std::scoped_lock lock(mutex_);
      if (!failure_) failure_ = std::current_exception();
      stopping_ = true;
    }
  }

  void Work() {
    Guard([this] {
      const std::unique_ptr<PrefixForward> forward = model_.NewPrefixForward();
      for (;;) {
        std::size_t batch = 0;
        {
          const std::scoped_lock lock(mutex_);
          while (next_batch_ < state_.done.size() && state_.done[next_batch_]) ++next_batch_;
          if (stopping_ || next_batch_ == state_.done.size()) return;
          batch = next_batch_++;
        }
        RunBatch(*forward, batch);
      }
    });
    const std::scoped_lock lock(mutex_);
    --working_;
    changed_.notify_all();
  }

  void RunBatch(PrefixForward& forward, std::size_t batch) {
    const std::uint64_t begin = batch * batch_rows_;
    PrefixTree::Slice slice = tree_.Take({begin, std::min(begin + batch_rows_, leaf_count_)});
    if (options_.beginning) PutBefore(*options_.beginning, slice.forest);
    std::vector<std::uint64_t> shares(plan_.sites.size(), 0);
    forward.Run(slice.forest, computed_, [&](const Site& computed, std::span<const float> values) {
      const Site site{computed.stream, computed.block, computed.t_i - (options_.beginning ? 1 : 0)};
      const auto kept = site_index_.find(site);
      if (kept == site_index_.end()) return;
      const auto t = static_cast<std::size_t>(site.t_i);
      const std::uint64_t skipped = slice.owned[t].begin - slice.rows[t].begin;
      if (slice.owned[t].size() == 0) return;
      const std::size_t index = kept->second;
      shares[index] = writers_[index]->WriteRows(static_cast<RowNumber>(slice.owned[t].begin),
                                                 values.subspan(skipped * plan_.embed));
    });
    const std::scoped_lock lock(mutex_);
    for (std::size_t i = 0; i < shares.size(); ++i) writers_[i]->AddChecksum(shares[i]);
    state_.done[batch] = true;
    changed_.notify_all();
  }

  // What was done before the flush is on the medium after it; only then does the progress file say so.
  void Checkpoint() {
    std::string encoded;
    {
      const std::scoped_lock lock(mutex_);
      for (std::size_t i = 0; i < writers_.size(); ++i) state_.checksums[i] = writers_[i]->checksum();
      encoded = Encode(state_, plan_);
    }
    for (const auto& writer : writers_) writer->Flush();
    ReplaceFile(ProgressPath(), encoded);
  }

  // Of a file that earlier runs began: nobody has watched it since.
  void RequireSound(const VectorFile& file) {
    listener_.Detail("checking what was continued");
    try {
      file.Verify();
    } catch (const Error& error) {
      std::filesystem::remove(ProgressPath());
      Fail("{}: it changed while no build was at work: run the same command again, it captures all of it anew",
           error.what());
    }
  }

  std::vector<CapturedFile> Finish() {
    std::vector<CapturedFile> files;
    for (std::size_t i = 0; i < plan_.sites.size(); ++i) {
      CapturedFile file{plan_.sites[i], VectorPath(plan_.sites[i]), tree_.row_count(plan_.sites[i].t_i), 0, 0};
      const std::uint64_t header_checksum = writers_[i]->Finish();
      // Opened again before anyone may use it.
      const VectorFile written(file.path);
      if (written.header_checksum() != header_checksum) Fail("{}: did not read back as written", file.path.string());
      if (continued_) RequireSound(written);
      file.bytes = written.file_bytes();
      file.header_checksum = header_checksum;
      files.push_back(std::move(file));
    }
    return files;
  }

  const CapturePlan& plan_;
  const PrefixTree& tree_;
  const Transformer& model_;
  const CaptureOptions& options_;
  ProgressListener& listener_;
  bool continued_ = false;  // from what an earlier run left
  const IndexDirectory& directory_;
  const std::filesystem::path folder_;
  const std::uint64_t leaf_count_;
  const std::uint64_t batch_rows_;
  std::map<Site, std::size_t> site_index_;
  std::vector<Site> computed_;
  std::vector<std::unique_ptr<VectorFileWriter>> writers_;  // by site of the plan

  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  CaptureProgress state_;
  std::size_t next_batch_ = 0;
  std::size_t working_ = 0;
  bool stopping_ = false;
  std::exception_ptr failure_;
};

}  // namespace

std::uint64_t CaptureMemory(const CapturePlan& plan, const PrefixTree& tree, const ModelDescription& model,
                            const CaptureOptions& options) {
  const std::uint64_t leaves = tree.row_count(tree.depth() - 1);
  const std::uint64_t batch_rows = std::min(BatchRows(model, tree.depth()), leaves);
  std::uint64_t nodes = 0;
  for (int level = 0; level < tree.depth(); ++level) nodes += std::min(batch_rows, tree.row_count(level));
  const auto floats = static_cast<std::uint64_t>(4 * model.shape.embed + model.qkv_size());
  return WorkerCount(options, (leaves + batch_rows - 1) / batch_rows) * nodes * floats * sizeof(float) +
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
    for (std::size_t i = 0; i < WorkerCount(options, pieces); ++i) {
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
  return CaptureRun(plan, tree, model, directory, options, progress).Run();
}

}  // namespace actkin
