// How fast the prefix-shared forward pass is, beside what the same threads reach in bare matrix products.
//
//   prefix_forward_benchmark CORPUS MODEL [--strings 4096] [--threads N] [--seconds 20] [--length 10] [--window 0]
//
// Takes forests of consecutive strings, spread over all strings of the corpus in lexicographic order, and asks for
// every site of the last t_i; or, with --window 256, windows of so many tokens, 2,048 tokens at once, as a build over
// positions does. Matrix products are measured before and after; their peak is the best of both.
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "indexer/model/blas_kernels.h"
#include "indexer/model/checkpoint.h"
#include "indexer/model/forward_backend.h"
#include "indexer/text/corpus.h"
#include "indexer/text/corpus_windows.h"
#include "indexer/text/prefix_tree.h"
#include "indexer/text/string_levels.h"
#include "schema/error.h"
#include "schema/text.h"
#include "schema/tokenizer/character_tokenizer.h"
#include "schema/tokenizer/tokenizer_json.h"
#include "storage/machine/file.h"
#include "tools/benchmarks/forward_rate.h"

namespace actkin {
namespace {

struct Options {
  std::string corpus;
  std::string model;
  std::map<std::string_view, int> numbers{{"--strings", 4096},
                                          {"--threads", static_cast<int>(std::thread::hardware_concurrency())},
                                          {"--seconds", 20},
                                          {"--length", 10},
                                          {"--window", 0}};
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
  if (names.size() != 2)
    FailUsage("expected CORPUS MODEL [--strings N] [--threads N] [--seconds N] [--length N] [--window N]");
  options.corpus = names[0];
  options.model = names[1];
  return options;
}

std::vector<Site> SitesAt(const Transformer& model, int t_i) {
  std::vector<Site> sites;
  for (int block = 0; block < model.description().shape.blocks; ++block) {
    for (const Stream stream : {Stream::kProj, Stream::kFfwd}) sites.push_back({stream, block, t_i});
  }
  return sites;
}

ForwardRate MeasureForests(const Transformer& model, const CorpusTokens& tokens, std::size_t vocabulary_size,
                           const Options& options) {
  const int length = options.numbers.at("--length");
  const auto forest_strings = static_cast<std::uint64_t>(options.numbers.at("--strings"));
  const StringLevels strings(tokens.tokens, vocabulary_size, length);
  const PrefixTree tree(strings, length);
  // Every part of the corpus has its turn: forests are taken in a fixed order that jumps about.
  const std::uint64_t leaves = tree.row_count(length - 1);
  const std::uint64_t forests = (leaves + forest_strings - 1) / forest_strings;
  return MeasureForwardRate(
      model, SitesAt(model, length - 1),
      [&](std::uint64_t number) {
        const std::uint64_t first = number * 7919 % forests * forest_strings;
        return tree.Take({first, std::min(first + forest_strings, leaves)}).forest;
      },
      options.numbers.at("--threads"), static_cast<double>(options.numbers.at("--seconds")));
}

// As a build over positions takes them.
ForwardRate MeasureWindows(const Transformer& model, const CorpusTokens& tokens, int window, int threads,
                           double seconds) {
  const auto length = static_cast<std::uint64_t>(window);
  const CorpusWindows windows(tokens.Positions(), length, std::max<std::uint64_t>(1, length / 2));
  const std::uint64_t at_once = std::max<std::uint64_t>(1, 2048 / length);
  return MeasureWindowRate(
      model, SitesAt(model, kOverPositions),
      [&](std::uint64_t number) {
        WindowBatch batch;
        for (std::uint64_t i = 0; i < at_once; ++i) {
          const RowRange seen = windows.At((number * at_once * 7919 + i) % windows.count()).tokens;
          batch.tokens.insert(batch.tokens.end(), tokens.tokens.begin() + static_cast<std::ptrdiff_t>(seen.begin),
                              tokens.tokens.begin() + static_cast<std::ptrdiff_t>(seen.end));
          batch.lengths.push_back(static_cast<std::uint32_t>(seen.size()));
        }
        return batch;
      },
      threads, seconds);
}

void Measure(const Options& options) {
  const int length = options.numbers.at("--length");
  const int threads = options.numbers.at("--threads");
  const Corpus corpus = ReadCorpus(options.corpus);
  const Checkpoint checkpoint = ReadCheckpoint(options.model);
  std::unique_ptr<const Tokenizer> tokenizer;
  if (checkpoint.tokenizer) {
    tokenizer = ReadTokenizerJson(ReadFile(*checkpoint.tokenizer), checkpoint.tokenizer->string());
  } else {
    tokenizer = std::make_unique<CharacterTokenizer>(Vocabulary::OfText(corpus.alphabet));
  }
  const CorpusTokens tokens = Tokenize(corpus, *tokenizer, length, options.corpus);
  const std::unique_ptr<Transformer> model = LoadForwardBackend().NewTransformer(*checkpoint.model);
  const int window = options.numbers.at("--window");
  const double seconds = options.numbers.at("--seconds");
  const ForwardRate rate = window > 0 ? MeasureWindows(*model, tokens, window, threads, seconds)
                                      : MeasureForests(*model, tokens, tokenizer->size(), options);
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  fmt::print("threads {}, {}, seconds {:.1f}, largest memory {} MB\n", threads,
             window > 0 ? fmt::format("windows of {}", window)
                        : fmt::format("strings a forest {}", options.numbers.at("--strings")),
             rate.seconds, usage.ru_maxrss / 1024);
  fmt::print("distinct prefixes/s     {:8.0f}\n", static_cast<double>(rate.prefixes) / rate.seconds);
  fmt::print("strings/s               {:8.0f}\n", static_cast<double>(rate.strings) / rate.seconds);
  fmt::print("                        by clock  by processor time\n");
  fmt::print("forward pass, GFLOP/s   {:8.1f}  {:8.1f}\n", rate.forward.by_clock, rate.forward.by_processor_time);
  fmt::print("matrix product, GFLOP/s {:8.1f}  {:8.1f}\n", rate.peak.by_clock, rate.peak.by_processor_time);
  fmt::print("ratio                   {:8.3f}  {:8.3f}\n", rate.forward.by_clock / rate.peak.by_clock,
             rate.forward.by_processor_time / rate.peak.by_processor_time);
}

}  // namespace
}  // namespace actkin

int main(int count, char** arguments) {
  actkin::ChooseBlasKernelsAndRestart(arguments);
  try {
    actkin::Measure(actkin::Parse(count, arguments));
    return 0;
  } catch (const actkin::Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return error.kind() == actkin::Error::Kind::kUsage ? 2 : 1;
  }
}
