#ifndef ACTKIN_TOOLS_BENCHMARKS_BENCHMARK_MAIN_H_
#define ACTKIN_TOOLS_BENCHMARKS_BENCHMARK_MAIN_H_

#include <fmt/format.h>

#include <exception>
#include <string_view>

namespace actkin {

// What main returns of a benchmark over an index directory: `help` is printed where --help is asked for (0) or the
// directory is missing (2); an error is one line (1).
inline int BenchmarkMain(int count, char** arguments, std::string_view help, void (*run)(int, char**)) {
  const std::string_view first = count < 2 ? "" : arguments[1];
  if (first.empty() || first == "--help" || first == "-h") {
    fmt::print(first.empty() ? stderr : stdout, "{}", help);
    return first.empty() ? 2 : 0;
  }
  try {
    run(count, arguments);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
  return 0;
}

}  // namespace actkin

#endif  // ACTKIN_TOOLS_BENCHMARKS_BENCHMARK_MAIN_H_
