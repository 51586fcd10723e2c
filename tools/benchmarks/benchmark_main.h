#ifndef ACTKIN_TOOLS_BENCHMARKS_BENCHMARK_MAIN_H_
#define ACTKIN_TOOLS_BENCHMARKS_BENCHMARK_MAIN_H_

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <exception>
#include <string>
#include <vector>

#include "query/reader/index_reader.h"

namespace actkin {

// What main returns of a benchmark of one site of an index directory, which is named by the flags that commands have
// for it. examples: command lines that --help shows. Wrong arguments: 2; an error is one line: 1.
inline int BenchmarkMain(int count, char** arguments, const std::string& description,
                         const std::vector<std::string>& examples, void (*run)(IndexReader&, const NeighborQuery&)) {
  CLI::App program(description);
  std::string directory;
  std::string stream = "ffwd";
  NeighborQuery site;
  bool positions = false;
  program.add_option("DIRECTORY", directory, "The index directory")->required();
  program.add_option("--stream", stream, "embedding, proj, ffwd or residual")->capture_default_str();
  program.add_option("--block", site.block,
                     "Transformer block; -1 is the model's last (default: the last that is built)");
  program.add_option("--t-i", site.t_i, "Rows of strings of t_i + 1 tokens (default: the longest built of the block)");
  program.add_flag("--positions", positions, "Rows over positions");
  std::string footer = "\nExamples:\n";
  for (const std::string& example : examples) footer += "  " + example + "\n";
  program.footer(footer);
  try {
    program.parse(count, arguments);
  } catch (const CLI::ParseError& error) {
    return program.exit(error) == 0 ? 0 : 2;
  }
  try {
    site.stream = ParseStream(stream);
    if (positions) site.rows = RowKind::kPositions;
    IndexReader reader{IndexDirectory(directory)};
    run(reader, site);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
  return 0;
}

}  // namespace actkin

#endif  // ACTKIN_TOOLS_BENCHMARKS_BENCHMARK_MAIN_H_
