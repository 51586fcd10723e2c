// How long exact search takes by metric, and what it reads, of single queries by one thread:
//   search_benchmark DIRECTORY [--stream STREAM] [--block BLOCK] [--t-i T_I | --positions]
//
// In the corpus: queries are rows of the site. Outside it: outputs of
// strings whose halves are of two of the corpus' strings, and that it does not have; of 24 tokens before each of two
// positions. Medians of 100 queries, in processor time; then, of searches that stop early, how many of the 10 nearest
// they find, and many queries at once.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <memory>
#include <string>
#include <vector>

#include "query/exact/exact_search.h"
#include "query/reader/index_reader.h"
#include "query/reader/prompt_set.h"
#include "schema/random.h"
#include "tools/benchmarks/benchmark_main.h"

namespace actkin {
namespace {

constexpr std::size_t kQueries = 100;

using Queries = std::vector<std::vector<float>>;

// Milliseconds, of this thread: what others do on the machine does not count.
double ProcessorTime() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return 1e3 * static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_nsec);
}

std::vector<std::vector<Match>> Measure(const std::string& name, const SiteIndex& index, const Queries& queries,
                                        SearchRequest request) {
  SearchCost cost;
  request.cost = &cost;
  std::vector<double> times;
  std::vector<std::vector<Match>> answers;
  for (const std::vector<float>& query : queries) {
    const double begin = ProcessorTime();
    answers.push_back(index.Search(query, request).front());
    times.push_back(ProcessorTime() - begin);
  }
  std::ranges::nth_element(times, times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2));
  fmt::print("{:<36} {:>9.3f} {:>9}", name, times[times.size() / 2], cost.boxes_read / queries.size());
  for (const auto& bytes : cost.code_bytes_read) fmt::print(" {:>10}", bytes / queries.size());
  fmt::print(" {:>9}", cost.rows_read / queries.size());
  return answers;
}

Queries Inside(const SiteIndex& index) {
  Queries queries;
  for (std::size_t i = 0; i < kQueries; ++i) {
    queries.push_back(index.Vector(static_cast<RowNumber>(MixedBits(i) % index.row_count())));
  }
  return queries;
}

Queries OutsidePositions(IndexReader& reader, const Site& site) {
  constexpr std::size_t kHalf = 24;
  const std::vector<Prompt> prompts = SamplePositionSet(reader, site, 2 * kQueries, 77).prompts;
  Queries queries;
  for (std::size_t i = 0; i + 1 < prompts.size(); i += 2) {
    Prompt mixed;
    for (const Prompt* part : {&prompts[i], &prompts[i + 1]}) {
      const std::size_t taken = std::min(kHalf, part->tokens.size());
      mixed.tokens.insert(mixed.tokens.end(), part->tokens.end() - static_cast<std::ptrdiff_t>(taken),
                          part->tokens.end());
    }
    queries.push_back(reader.QueryVector(mixed, site));
  }
  return queries;
}

Queries Outside(IndexReader& reader, const Site& site) {
  if (site.over_positions()) return OutsidePositions(reader, site);
  Queries queries;
  const StringId first = reader.FirstStringId(site.t_i + 1);
  const std::uint64_t rows = reader.RowCount(site.t_i);
  const auto draw = [&](std::uint64_t seed) { return reader.PromptOf(first + MixedBits(seed) % rows).tokens; };
  for (std::uint64_t i = 0; queries.size() < kQueries && i < 100 * kQueries; ++i) {
    std::vector<TokenId> tokens = draw(2 * i + 1'000'000);
    const std::vector<TokenId> other = draw(2 * i + 1'000'001);
    std::copy(other.begin() + static_cast<std::ptrdiff_t>(other.size() / 2), other.end(),
              tokens.begin() + static_cast<std::ptrdiff_t>(tokens.size() / 2));
    const Prompt prompt = reader.Encode(PromptInput(tokens));
    if (!prompt.ordinal) queries.push_back(reader.QueryVector(prompt, site));
  }
  return queries;
}

// By two threads: the time that passes, and that of both.
void MeasureAtOnce(const SiteIndex& index) {
  std::vector<float> queries;
  constexpr std::size_t kAtOnce = 2000;
  for (std::size_t i = 0; i < kAtOnce; ++i) {
    const std::vector<float> query = index.Vector(static_cast<RowNumber>(MixedBits(i + 5000) % index.row_count()));
    queries.insert(queries.end(), query.begin(), query.end());
  }
  const auto begin = std::chrono::steady_clock::now();
  const std::clock_t processor = std::clock();
  index.Search(queries, {.k = 10, .threads = 2});
  const double used = 1e3 * static_cast<double>(std::clock() - processor) / CLOCKS_PER_SEC;
  const double passed = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
  fmt::print("{:<36} {:>9.3f} ms of processor time a query, {:.3f} passed\n", "l2 k 10, 2,000 at once, 2 threads",
             used / kAtOnce, passed / kAtOnce);
}

void MeasureSite(IndexReader& reader, const NeighborQuery& asked) {
  const Site site = reader.ResolveSite(asked, std::size_t{0});
  const std::shared_ptr<const SiteIndex> index = reader.OpenIndex(site);
  fmt::print("{}, {} rows of {}\n{:<36} {:>9} {:>9} {:>65} {:>10}\n", Describe(site), index->row_count(),
             index->dimension(), "", "ms", "boxes", "bytes of each level", "rows read");
  const Queries inside = Inside(*index);
  const Queries outside = Outside(reader, site);
  Measure("warming up", *index, inside, {});
  fmt::print("\n");
  for (const Metric metric : {Metric::kL2, Metric::kCosine, Metric::kCenteredCosine, Metric::kDot}) {
    for (const std::uint64_t k : {10, 1000}) {
      for (const bool in_corpus : {true, false}) {
        const std::string name = fmt::format("{} k {} {}", Name(metric), k, in_corpus ? "in" : "outside");
        Measure(name, *index, in_corpus ? inside : outside, {.metric = metric, .k = k});
        fmt::print("\n");
      }
    }
  }
  MeasureAtOnce(*index);
  Measure("l2 farthest k 10 in", *index, inside, {.order = Order::kFarthest, .k = 10});
  fmt::print("\n");
  for (const bool in_corpus : {true, false}) {
    const Queries& queries = in_corpus ? inside : outside;
    std::vector<std::vector<Match>> right;
    for (const std::vector<float>& query : queries) right.push_back(index->Search(query, {.k = 10}).front());
    for (const std::uint64_t rows : {1000, 4000, 16'000, 64'000}) {
      const auto found = Measure(fmt::format("rows={} k 10 {}", rows, in_corpus ? "in" : "outside"), *index, queries,
                                 {.k = 10, .parameters = fmt::format("rows={}", rows)});
      std::size_t hits = 0;
      for (std::size_t query = 0; query < queries.size(); ++query) {
        for (const Match& match : found[query]) hits += std::ranges::count(right[query], match.row, &Match::row);
      }
      fmt::print("  recall@10 {:.3f}\n", static_cast<double>(hits) / static_cast<double>(10 * queries.size()));
    }
  }
}

}  // namespace
}  // namespace actkin

int main(int count, char** arguments) {
  return actkin::BenchmarkMain(
      count, arguments, "How long exact search takes by metric, and what it reads, of single queries by one thread.",
      {"search_benchmark shakespeare.actkin", "search_benchmark shakespeare.actkin --stream proj --block 0 --t-i 9",
       "search_benchmark smollm2.actkin --stream residual --block 15 --positions"},
      actkin::MeasureSite);
}
