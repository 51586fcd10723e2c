#ifndef ACTKIN_TOOLS_BENCHMARKS_REPORT_H_
#define ACTKIN_TOOLS_BENCHMARKS_REPORT_H_

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tools/benchmarks/bench_row.h"

namespace actkin {

// A peer that could not be measured at some site.
struct SkippedPeer {
  std::string peer;
  std::string where;  // a row's name
  std::string reason;
};

// All rows in a table, grouped by kind, with ratios.
std::string RowTable(std::vector<BenchRow> rows, bool color);

// What the project means to reach, each beside the worst of the rows that show it; what no row shows is left out.
std::string ReachTable(const std::vector<BenchRow>& rows, bool color);

// {"machine": ..., "rows": [...], "skipped": [...]}
nlohmann::ordered_json ReportJson(const nlohmann::ordered_json& machine, const std::vector<BenchRow>& rows,
                                  const std::vector<SkippedPeer>& skipped);

}  // namespace actkin

#endif  // ACTKIN_TOOLS_BENCHMARKS_REPORT_H_
