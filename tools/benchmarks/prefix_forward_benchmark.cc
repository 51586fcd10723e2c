// How fast the prefix-shared forward pass is, beside what the same threads reach in bare matrix products.
//
//   prefix_forward_benchmark CORPUS MODEL [--strings 4096] [--threads N] [--seconds 20] [--length 10]
//
// Takes forests of consecutive strings, spread over all strings of the corpus in lexicographic order, and asks for
// every site of the last t_i. Matrix products are measured before and after; their peak is the best of both.
#include <cblas.h>
#include <sys/resource.h>
// A C header reached through this one may define it.
#undef I

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <ctime>
#include <map>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "indexer/checkpoint.h"
#include "indexer/corpus.h"
#include "indexer/prefix_tree.h"
#include "indexer/string_levels.h"
#include "indexer/torch_backend.h"
#include "schema/error.h"
#include "schema/vocabulary.h"

namespace actkin {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

// Of all threads together.
double ProcessorSeconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

// GFLOP/s of all threads together.
struct Speed {
  double by_clock = 0;
  double by_processor_time = 0;  // had every thread had a processor to itself

  static Speed Of(double gflop, double seconds, double processor_seconds, int threads) {
    return {gflop / seconds, gflop / processor_seconds * threads};
  }
  Speed Max(const Speed& other) const {
    return {std::max(by_clock, other.by_clock), std::max(by_processor_time, other.by_processor_time)};
  }
};

// Bare products of a tile's sizes, all threads at once.
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
  return Speed::Of(static_cast<double>(products) * 2e-9 * rows * outputs * inputs, SecondsSince(begin),
                   ProcessorSeconds() - processor_begin, threads);
}

// At the sizes of the feed-forward network of a 384-dimensional model.
Speed PeakSpeed(int threads) {
  return ProductSpeed(threads, 512, 1536, 384, 1.5).Max(ProductSpeed(threads, 512, 384, 1536, 1.5));
}

// What the linear layers of one prefix cost; attention and the rest are not counted. All blocks count in full for every
// prefix, although the last one makes only keys and values where no site is asked for: with the sites of one t_i the
// work is about a tenth less than what is counted.
double FlopsOfPrefix(const ModelShape& shape) {
  const auto embed = static_cast<double>(shape.embed);
  const auto width = static_cast<double>(shape.heads * shape.head_size);
  return 2.0 * static_cast<double>(shape.blocks) * (4 * width * embed + 2 * embed * static_cast<double>(shape.hidden));
}

struct Options {
  std::string corpus;
  std::string model;
  std::map<std::string_view, int> numbers{{"--strings", 4096},
                                          {"--threads", static_cast<int>(std::thread::hardware_concurrency())},
                                          {"--seconds", 20},
                                          {"--length", 10}};
};

Options Parse(int count, char** arguments) {
  Options options;
  std::vector<std::string> names;
  for (int i = 1; i < count; ++i) {
    const std::string_view argument = arguments[i];
    const auto number = options.numbers.find(argument);
    if (number == options.numbers.end()) {
      names.emplace_back(argument);
      continue;
    }
    const std::string_view value = ++i < count ? arguments[i] : "";
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number->second);
    if (error != std::errc() || end != value.data() + value.size() || number->second < 1) {
      FailUsage("{}: expected a positive number", argument);
    }
  }
  if (names.size() != 2) FailUsage("expected CORPUS MODEL [--strings N] [--threads N] [--seconds N] [--length N]");
  options.corpus = names[0];
  options.model = names[1];
  return options;
}

void Measure(const Options& options) {
  const int length = options.numbers.at("--length");
  const int threads = options.numbers.at("--threads");
  const auto forest_strings = static_cast<std::uint64_t>(options.numbers.at("--strings"));
  const Corpus corpus = ReadCorpus(options.corpus, length);
  const Vocabulary vocabulary = Vocabulary::OfText(corpus.text);
  const StringLevels strings(vocabulary.Encode(corpus.text, options.corpus), vocabulary.size(), length);
  const PrefixTree tree(strings, length);
  const Checkpoint checkpoint = ReadCheckpoint(options.model);
  const std::unique_ptr<Transformer> model = LoadTorchBackend().NewTransformer(checkpoint.state);

  std::vector<Site> sites;
  for (int block = 0; block < checkpoint.shape.blocks; ++block) {
    for (const Stream stream : {Stream::kProj, Stream::kFfwd}) sites.push_back({stream, block, length - 1});
  }
  // Every part of the corpus has its turn: forests are taken in a fixed order that jumps about.
  const std::uint64_t leaves = tree.row_count(length - 1);
  const std::uint64_t forests = (leaves + forest_strings - 1) / forest_strings;
  const Speed peak_before = PeakSpeed(threads);

  std::atomic<std::uint64_t> next = 0;
  std::atomic<std::uint64_t> prefixes = 0;
  std::atomic<std::uint64_t> done_strings = 0;
  const auto seconds = static_cast<double>(options.numbers.at("--seconds"));
  const Clock::time_point begin = Clock::now();
  const double processor_begin = ProcessorSeconds();
  {
    std::vector<std::jthread> workers;
    for (int t = 0; t < threads; ++t) {
      workers.emplace_back([&] {
        const std::unique_ptr<PrefixForward> forward = model->NewPrefixForward();
        float seen = 0;
        while (SecondsSince(begin) < seconds) {
          const std::uint64_t first = next++ * 7919 % forests * forest_strings;
          const PrefixTree::Slice slice = tree.Take({first, std::min(first + forest_strings, leaves)});
          forward->Run(slice.forest, sites, [&](const Site&, std::span<const float> values) { seen += values.back(); });
          prefixes += slice.forest.node_count();
          done_strings += slice.forest.levels.back().tokens.size();
        }
        if (seen != seen) fmt::print(stderr, "the model puts out NaN\n");
      });
    }
  }
  const double elapsed = SecondsSince(begin);
  const double processor_elapsed = ProcessorSeconds() - processor_begin;
  const Speed peak = peak_before.Max(PeakSpeed(threads));

  const double gflop = static_cast<double>(prefixes) * FlopsOfPrefix(checkpoint.shape) * 1e-9;
  const Speed speed = Speed::Of(gflop, elapsed, processor_elapsed, threads);
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  fmt::print("threads {}, strings a forest {}, seconds {:.1f}, largest memory {} MB\n", threads, forest_strings,
             elapsed, usage.ru_maxrss / 1024);
  fmt::print("distinct prefixes/s     {:8.0f}\n", static_cast<double>(prefixes) / elapsed);
  fmt::print("strings/s               {:8.0f}\n", static_cast<double>(done_strings) / elapsed);
  fmt::print("                        by clock  by processor time\n");
  fmt::print("forward pass, GFLOP/s   {:8.1f}  {:8.1f}\n", speed.by_clock, speed.by_processor_time);
  fmt::print("matrix product, GFLOP/s {:8.1f}  {:8.1f}\n", peak.by_clock, peak.by_processor_time);
  fmt::print("ratio                   {:8.3f}  {:8.3f}\n", speed.by_clock / peak.by_clock,
             speed.by_processor_time / peak.by_processor_time);
}

}  // namespace
}  // namespace actkin

int main(int count, char** arguments) {
  try {
    actkin::Measure(actkin::Parse(count, arguments));
    return 0;
  } catch (const actkin::Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return error.kind() == actkin::Error::Kind::kUsage ? 2 : 1;
  }
}
