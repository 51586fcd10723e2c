// How long exact search among the rows that pass a filter takes, beside a search among all, of single queries by one
// thread:
//   filter_benchmark DIRECTORY [--stream STREAM] [--block BLOCK] [--t-i T_I | --positions]
//
// Queries are rows of the site. For each share, the passing rows are random, then as many in one range; medians of 200
// queries, k 10.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "query/reader/index_reader.h"
#include "schema/random.h"
#include "tools/benchmarks/benchmark_main.h"

namespace actkin {
namespace {

constexpr std::size_t kQueries = 200;

struct Cost {
  double median_us = 0;
  std::uint64_t rows_read = 0;   // a query
  std::uint64_t code_bytes = 0;  // a query, of sketches
};

Cost Measure(const SiteIndex& index, const std::vector<std::vector<float>>& queries, SearchRequest request) {
  SearchCost cost;
  request.cost = &cost;
  std::vector<double> times;
  for (const std::vector<float>& query : queries) {
    const auto begin = std::chrono::steady_clock::now();
    index.Search(query, request);
    times.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count());
  }
  std::ranges::nth_element(times, times.begin() + kQueries / 2);
  std::uint64_t code_bytes = 0;
  for (const auto& bytes : cost.code_bytes_read) code_bytes += bytes;
  return {times[kQueries / 2], cost.rows_read / kQueries, code_bytes / kQueries};
}

void MeasureFilters(IndexReader& reader, const NeighborQuery& asked) {
  const Site site = reader.ResolveSite(asked, std::size_t{0});
  const std::shared_ptr<const SiteIndex> index = reader.OpenIndex(site);
  const std::uint64_t rows = index->row_count();
  std::vector<std::vector<float>> queries;
  for (std::size_t i = 0; i < kQueries; ++i) {
    queries.push_back(index->Vector(static_cast<RowNumber>(MixedBits(i) % rows)));
  }
  fmt::print("{}, {} rows of {}\n{:<22} {:>9} {:>12} {:>12} {:>9}\n", Describe(site), rows, index->dimension(),
             "passing", "rows", "code bytes", "rows read", "us");
  const auto print = [&](const std::string& name, std::uint64_t passing, const SearchRequest& request) {
    const Cost cost = Measure(*index, queries, request);
    fmt::print("{:<22} {:>9} {:>12} {:>12} {:>9.1f}\n", name, passing, cost.code_bytes, cost.rows_read, cost.median_us);
  };
  const SearchRequest all{.k = 10};
  print("all (warming up)", rows, all);
  print("all", rows, all);
  for (const double share : {1.0, 0.5, 0.1, 0.01, 0.001, 0.0001}) {
    std::vector<RowNumber> passing;
    for (std::uint64_t row = 0; row < rows; ++row) {
      if (static_cast<double>(MixedBits(row + 12345) >> 11) * 0x1p-53 < share) {
        passing.push_back(static_cast<RowNumber>(row));
      }
    }
    SearchRequest request = all;
    request.k = std::min<std::uint64_t>(10, std::max<std::uint64_t>(passing.size(), 1));
    if (passing.empty()) continue;
    request.among = std::make_shared<const RowSet>(RowSet::OfRows(rows, passing));
    print(fmt::format("{:g} %, random", 100 * share), passing.size(), request);
    const std::uint64_t begin = (rows - passing.size()) / 2;
    request.among = std::make_shared<const RowSet>(RowSet::OfRanges(rows, {{begin, begin + passing.size()}}));
    print(fmt::format("{:g} %, a range", 100 * share), passing.size(), request);
  }
}

}  // namespace
}  // namespace actkin

int main(int count, char** arguments) {
  return actkin::BenchmarkMain(
      count, arguments, "How long exact search takes over the rows that pass a filter, from one of many to nearly all.",
      {"filter_benchmark shakespeare.actkin", "filter_benchmark shakespeare.actkin --stream proj --block 3 --t-i 9"},
      actkin::MeasureFilters);
}
