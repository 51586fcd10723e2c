#ifndef ACTKIN_TOOLS_BENCHMARKS_BENCH_ROW_H_
#define ACTKIN_TOOLS_BENCHMARKS_BENCH_ROW_H_

#include <compare>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "schema/site.h"

namespace actkin {

// What one row of the results measures. Written kind/stream/block/kK/qQUERIES: "exact/proj/0/k10/q1".
//
//   exact, outside    single prompts that the corpus holds, or does not hold, at the index 'exact'
//   batch             several prompts of the corpus in one call
//   approximate, approximate-outside
//                     our quickest index and an approximate peer, both at a recall of at least 0.99
//   sql               prompts through the SQLite extension; the peer is the library
//   process, process-outside
//                     the whole command `actkin query`
//   build             the prefix-shared forward pass, a thousand distinct prefixes (k and queries are 0)
struct RowName {
  std::string kind;
  Stream stream = Stream::kFfwd;
  int block = 0;
  std::uint64_t k = 10;
  std::uint64_t queries = 1;

  friend auto operator<=>(const RowName&, const RowName&) = default;
};

std::string Text(const RowName& name);
// Throws Error naming the text when it is no row's name.
RowName ParseRowName(std::string_view text);

// One row: ours beside one peer, in milliseconds a query.
struct BenchRow {
  RowName name;
  std::string peer;
  double ours_ms = 0;
  double peer_ms = 0;
  // Our first query after the peer had the caches.
  std::optional<double> ours_cold_ms;
  // Our time in percent of what reading all floats of the site takes.
  std::optional<double> percent_of_scan;
  // The time was measured with so many queries, and taken for proportional to their number.
  std::optional<std::uint64_t> ours_scaled_from;
  std::optional<std::uint64_t> peer_scaled_from;
  // Approximate: what was found, and how.
  std::optional<double> ours_recall;
  std::optional<double> peer_recall;
  std::string ours_setting;
  std::string peer_setting;
  std::optional<double> peer_build_seconds;
  std::uint64_t rows = 0;       // that were searched
  std::uint64_t site_rows = 0;  // that the site has
  // How the peer's answer contradicts ours; then the times mean nothing.
  std::string error;
  // Of the program that measured it.
  std::string program;

  double ratio() const { return peer_ms / ours_ms; }
};

nlohmann::ordered_json ToJson(const BenchRow& row);
// Throws Error naming what is missing or of the wrong type.
BenchRow BenchRowFromJson(const nlohmann::json& json);

}  // namespace actkin

#endif  // ACTKIN_TOOLS_BENCHMARKS_BENCH_ROW_H_
