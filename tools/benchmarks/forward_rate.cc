#include "tools/benchmarks/forward_rate.h"

#include <cblas.h>
// A C header reached through this one may define it.
#undef I

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <ctime>
#include <memory>
#include <thread>
#include <vector>

#include "schema/error.h"

namespace actkin {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

// Of all threads together.
double ProcessorSeconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

Speed SpeedOf(double gflop, double seconds, double processor_seconds, int threads) {
  return {gflop / seconds, gflop / processor_seconds * threads};
}

Speed ProductSpeed(int threads, int rows, int outputs, int inputs, double seconds) {
  std::atomic<std::uint64_t> products = 0;
  const Clock::time_point begin = Clock::now();
  const double processor_begin = ProcessorSeconds();
  {
    std::vector<std::jthread> workers;
    for (int t = 0; t < threads; ++t) {
      workers.emplace_back([&] {
        const std::vector<float> a(static_cast<std::size_t>(rows * inputs), 0.5F);
        const std::vector<float> b(static_cast<std::size_t>(outputs * inputs), 0.25F);
        std::vector<float> c(static_cast<std::size_t>(rows * outputs));
        while (SecondsSince(begin) < seconds) {
          cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, outputs, inputs, 1.0F, a.data(), inputs, b.data(),
                      inputs, 0.0F, c.data(), outputs);
          ++products;
        }
      });
    }
  }
  return SpeedOf(static_cast<double>(products) * 2e-9 * rows * outputs * inputs, SecondsSince(begin),
                 ProcessorSeconds() - processor_begin, threads);
}

// What one piece of work came to.
struct Done {
  std::uint64_t prefixes = 0;
  std::uint64_t strings = 0;
  float seen = 0;  // a number that depends on all that was put out
};

// new_runner() makes what a thread calls with the numbers of its pieces.
template <typename NewRunner>
ForwardRate MeasureRate(const Transformer& model, int threads, double seconds, const NewRunner& new_runner) {
  const double product_seconds = std::min(3.0, seconds);
  ForwardRate rate;
  rate.peak = MatrixProductSpeed(model.description(), threads, product_seconds);
  std::atomic<std::uint64_t> next = 0;
  std::atomic<std::uint64_t> prefixes = 0;
  std::atomic<std::uint64_t> strings = 0;
  std::atomic<bool> finite = true;
  const Clock::time_point begin = Clock::now();
  const double processor_begin = ProcessorSeconds();
  {
    std::vector<std::jthread> workers;
    for (int t = 0; t < threads; ++t) {
      workers.emplace_back([&] {
        const auto run = new_runner();
        while (SecondsSince(begin) < seconds) {
          const Done done = run(next++);
          prefixes += done.prefixes;
          strings += done.strings;
          if (!std::isfinite(done.seen)) finite = false;
        }
      });
    }
  }
  rate.seconds = SecondsSince(begin);
  const double processor_seconds = ProcessorSeconds() - processor_begin;
  if (!finite) Fail("the model puts out numbers that are not finite");
  rate.peak = rate.peak.Max(MatrixProductSpeed(model.description(), threads, product_seconds));
  rate.prefixes = prefixes;
  rate.strings = strings;
  rate.forward = SpeedOf(static_cast<double>(rate.prefixes) * FlopsOfPrefix(model.description()) * 1e-9, rate.seconds,
                         processor_seconds, threads);
  return rate;
}

}  // namespace

Speed Speed::Max(const Speed& other) const {
  return {std::max(by_clock, other.by_clock), std::max(by_processor_time, other.by_processor_time)};
}

double FlopsOfPrefix(const ModelDescription& model) {
  const auto embed = static_cast<double>(model.shape.embed);
  const auto attention = static_cast<double>(model.qkv_size() + model.attention_size());
  const double matrices = model.gated ? 3 : 2;
  return 2.0 * static_cast<double>(model.shape.blocks) *
         (attention * embed + matrices * embed * static_cast<double>(model.shape.hidden));
}

Speed MatrixProductSpeed(const ModelDescription& model, int threads, double seconds) {
  openblas_set_num_threads(1);
  const int embed = static_cast<int>(model.shape.embed);
  const int hidden = static_cast<int>(model.shape.hidden);
  return ProductSpeed(threads, 512, hidden, embed, seconds / 2)
      .Max(ProductSpeed(threads, 512, embed, hidden, seconds / 2));
}

ForwardRate MeasureForwardRate(const Transformer& model, std::span<const Site> sites,
                               const std::function<PrefixForest(std::uint64_t)>& forest_of, int threads,
                               double seconds) {
  return MeasureRate(model, threads, seconds, [&] {
    return [&, forward = std::shared_ptr(model.NewPrefixForward())](std::uint64_t number) {
      const PrefixForest forest = forest_of(number);
      Done done{forest.node_count(), forest.levels.back().tokens.size()};
      forward->Run(forest, sites, [&](const Site&, std::span<const float> values) { done.seen += values.back(); });
      return done;
    };
  });
}

ForwardRate MeasureWindowRate(const Transformer& model, std::span<const Site> sites,
                              const std::function<WindowBatch(std::uint64_t)>& batch_of, int threads, double seconds) {
  return MeasureRate(model, threads, seconds, [&] {
    return [&, forward = std::shared_ptr(model.NewWindowForward())](std::uint64_t number) {
      const WindowBatch batch = batch_of(number);
      Done done{batch.tokens.size(), batch.lengths.size()};
      forward->Run(batch, sites, [&](const Site&, std::span<const float> values) { done.seen += values.back(); });
      return done;
    };
  });
}

}  // namespace actkin
