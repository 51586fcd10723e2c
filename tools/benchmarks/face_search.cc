// The public face's batch search, by the processor's time: face_search DIRECTORY STREAM BLOCK VECTORS K
//
// Vectors are the site's rows from the first on. For every line that it reads it searches once, and prints the seconds
// of processor time that this took, of all threads. tools/benchmarks/python_search reads them, in turns with Python's.
#include <fmt/format.h>

#include <cstdint>
#include <cstdio>
#include <ctime>
#include <exception>
#include <iostream>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "actkin/index.h"

namespace actkin {
namespace {

double ProcessorSeconds() {
  timespec now = {};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

void Serve(const std::string& directory, const SiteName& name, std::uint64_t count, std::uint64_t k) {
  Index index(directory);
  std::vector<std::uint64_t> rows(count);
  std::iota(rows.begin(), rows.end(), 0);
  std::vector<float> vectors(count * index.FindSite(name).dimension);
  index.RowsByNumber(name, rows, vectors);
  Query query;
  query.stream = name.stream;
  query.block = name.block;
  query.rows = name.rows;
  query.k = k;
  for (std::string line; std::getline(std::cin, line);) {
    const double begin = ProcessorSeconds();
    const RowMatches found = index.Search(vectors, count, query);
    fmt::print("{:.6f} {}\n", ProcessorSeconds() - begin, found.rows.empty() ? 0 : found.rows.back());
    std::fflush(stdout);
  }
}

}  // namespace
}  // namespace actkin

int main(int argument_count, char** arguments) {
  try {
    if (argument_count != 6) throw std::invalid_argument("face_search DIRECTORY STREAM BLOCK VECTORS K");
    actkin::SiteName name;
    name.stream = arguments[2];
    name.block = std::stoi(arguments[3]);
    actkin::Serve(arguments[1], name, std::stoull(arguments[4]), std::stoull(arguments[5]));
  } catch (const std::exception& error) {
    fmt::print(stderr, "face_search: {}\n", error.what());
    return 1;
  }
}
