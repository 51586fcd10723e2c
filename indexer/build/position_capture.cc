#include "indexer/build/position_capture.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <thread>
#include <utility>

namespace actkin {
namespace {

using Clock = std::chrono::steady_clock;

// Tokens that go through the model at once: several tiles of the forward pass.
constexpr std::uint64_t kPassTokens = 2048;
// So that a large model stays within memory, however many threads are asked for.
constexpr std::uint64_t kPassBytes = std::uint64_t{512} << 20;

// Bytes that one token takes on its way through the model.
std::uint64_t TokenBytes(const ModelDescription& model) {
  // residual, proj, ffwd, rows on their way out; queries, keys and values.
  return sizeof(float) * static_cast<std::uint64_t>(4 * model.shape.embed + model.qkv_size());
}

// The chosen positions among `positions`, as rows.
RowRange RowsOf(const SeenPositions& seen, const RowRange& positions) {
  if (!seen.chosen) return positions;
  const auto place = [&](std::uint64_t position) {
    return static_cast<std::uint64_t>(std::ranges::lower_bound(*seen.chosen, position) - seen.chosen->begin());
  };
  return {place(positions.begin), place(positions.end)};
}

// Some windows on their way through the model, and where their rows come out.
struct Pass {
  WindowBatch batch;
  std::vector<std::size_t> kept;  // places in batch.tokens, one a row
  RowNumber first_row = 0;

  bool empty() const { return batch.lengths.empty(); }
};

// Runs batches of windows through the model; one thread's own.
class WindowRunner {
 public:
  WindowRunner(const PositionCapturePlan& plan, const SeenPositions& positions, const Transformer& model,
               const PositionWork& work, const std::optional<TokenId>& beginning)
      : plan_(plan), positions_(positions), work_(work), beginning_(beginning), forward_(model.NewWindowForward()) {
    for (std::size_t i = 0; i < plan.sites.size(); ++i) site_index_[plan.sites[i]] = i;
  }

  // write(site, first row, values): as RowSink's.
  template <typename Write>
  void Run(const RowRange& windows, const Write& write) {
    Pass pass;
    for (std::uint64_t number = windows.begin; number < windows.end; ++number) {
      const CorpusWindows::Window window = positions_.windows.At(number);
      const RowRange rows = RowsOf(positions_, window.positions);
      if (rows.size() == 0) continue;
      if (!pass.empty() && pass.batch.tokens.size() + window.tokens.size() > work_.pass_tokens) {
        Send(pass, write);
        pass = {};
      }
      Add(window, rows, pass);
    }
    if (!pass.empty()) Send(pass, write);
  }

 private:
  void Add(const CorpusWindows::Window& window, const RowRange& rows, Pass& pass) const {
    if (pass.empty()) pass.first_row = static_cast<RowNumber>(rows.begin);
    std::vector<TokenId>& tokens = pass.batch.tokens;
    if (beginning_) tokens.push_back(*beginning_);
    const std::uint64_t begin = tokens.size();
    const auto seen = positions_.tokens.subspan(window.tokens.begin, window.tokens.size());
    tokens.insert(tokens.end(), seen.begin(), seen.end());
    pass.batch.lengths.push_back(static_cast<std::uint32_t>(seen.size() + (beginning_ ? 1 : 0)));
    for (std::uint64_t row = rows.begin; row < rows.end; ++row) {
      pass.kept.push_back(begin + (positions_.chosen ? (*positions_.chosen)[row] : row) - window.tokens.begin);
    }
  }

  template <typename Write>
  void Send(const Pass& pass, const Write& write) {
    forward_->Run(pass.batch, plan_.sites, [&](const Site& site, std::span<const float> values) {
      rows_.resize(pass.kept.size() * plan_.embed);
      float* row = rows_.data();
      for (const std::size_t place : pass.kept) {
        row = std::copy_n(values.data() + place * plan_.embed, plan_.embed, row);
      }
      write(site_index_.at(site), pass.first_row, std::span<const float>(rows_));
    });
  }

  const PositionCapturePlan& plan_;
  const SeenPositions& positions_;
  const PositionWork& work_;
  const std::optional<TokenId>& beginning_;
  std::map<Site, std::size_t> site_index_;
  std::unique_ptr<WindowForward> forward_;
  std::vector<float> rows_;  // of one pass at one site
};

WorkPlan BatchesOf(const PositionCapturePlan& plan, const SeenPositions& positions, const PositionWork& work) {
  return {plan.fingerprint, positions.windows.count(), work.batch_windows};
}

}  // namespace

PositionWork PlanPositionWork(const SeenPositions& positions, const ModelDescription& model,
                              const CaptureOptions& options) {
  PositionWork work;
  const CorpusWindows& windows = positions.windows;
  std::uint64_t longest = 0;
  for (std::uint64_t number = 0; number < windows.count(); ++number) {
    const CorpusWindows::Window window = windows.At(number);
    if (RowsOf(positions, window.positions).size() == 0) continue;
    ++work.windows_run;
    work.tokens_run += window.tokens.size();
    longest = std::max(longest, window.tokens.size());
  }
  work.pass_tokens = std::max(longest, std::min(kPassTokens, kPassBytes / TokenBytes(model)));
  const std::uint64_t batch_tokens = options.batch_rows != 0 ? options.batch_rows : work.pass_tokens;
  const double share =
      static_cast<double>(batch_tokens) / static_cast<double>(std::max<std::uint64_t>(1, work.tokens_run));
  work.batch_windows =
      std::max<std::uint64_t>(1, static_cast<std::uint64_t>(share * static_cast<double>(windows.count())));
  return work;
}

std::uint64_t PositionCaptureMemory(const PositionCapturePlan& plan, const SeenPositions& positions,
                                    const ModelDescription& model, const CaptureOptions& options) {
  const PositionWork work = PlanPositionWork(positions, model, options);
  const std::uint64_t workers = CaptureWorkers(options, BatchesOf(plan, positions, work).batches());
  return workers * std::min(work.pass_tokens, work.tokens_run) * TokenBytes(model) + plan.sites.size() * 4096;
}

double PositionCaptureSeconds(const PositionCapturePlan& plan, const SeenPositions& positions, const Transformer& model,
                              const CaptureOptions& options, double measured_seconds) {
  const PositionWork work = PlanPositionWork(positions, model.description(), options);
  // Smaller than batches, so that a large model is measured in time; enough for whole tiles.
  const WorkPlan batches{"", positions.windows.count(), std::max<std::uint64_t>(1, work.batch_windows / 4)};
  std::atomic<std::uint64_t> next = 0;
  std::atomic<std::uint64_t> windows = 0;
  const Clock::time_point start = Clock::now();
  const auto seconds = [&] { return std::chrono::duration<double>(Clock::now() - start).count(); };
  {
    std::vector<std::jthread> workers;
    for (std::size_t i = 0; i < CaptureWorkers(options, batches.batches()); ++i) {
      workers.emplace_back([&] {
        WindowRunner runner(plan, positions, model, work, options.beginning);
        do {
          const std::uint64_t number = next++;
          if (number >= batches.batches()) return;
          // Every part of the corpus has its turn: 7919 is prime, so none comes twice unless it divides their number.
          const RowRange run = batches.Items(number * 7919 % batches.batches());
          runner.Run(run, [](std::size_t, RowNumber, std::span<const float>) {});
          windows += run.size();
        } while (seconds() < measured_seconds);
      });
    }
  }
  return seconds() * static_cast<double>(batches.items) / static_cast<double>(std::max<std::uint64_t>(windows, 1));
}

std::vector<CapturedFile> CapturePositions(const PositionCapturePlan& plan, const SeenPositions& positions,
                                           const Transformer& model, const IndexDirectory& directory,
                                           const CaptureOptions& options, ProgressListener& progress) {
  const PositionWork work = PlanPositionWork(positions, model.description(), options);
  const RowCapture capture{plan.sites, std::vector<std::uint64_t>(plan.sites.size(), positions.row_count()),
                           plan.element, plan.embed, BatchesOf(plan, positions, work)};
  const WorkOptions how{static_cast<int>(CaptureWorkers(options, capture.work.batches())), options.checkpoint_seconds,
                        "activations over positions", "windows"};
  return CaptureRows(capture, directory, how, progress, [&]() -> RowMaker {
    const auto runner = std::make_shared<WindowRunner>(plan, positions, model, work, options.beginning);
    return [runner, &capture](std::uint64_t batch, RowSink& sink) {
      runner->Run(capture.work.Items(batch), [&](std::size_t site, RowNumber first, std::span<const float> values) {
        sink.Write(site, first, values);
      });
    };
  });
}

}  // namespace actkin
