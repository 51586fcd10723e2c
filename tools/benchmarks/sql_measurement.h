#ifndef ACTKIN_TOOLS_BENCHMARKS_SQL_MEASUREMENT_H_
#define ACTKIN_TOOLS_BENCHMARKS_SQL_MEASUREMENT_H_

#include "tools/benchmarks/plan.h"
#include "tools/benchmarks/site_workload.h"

namespace actkin {

// The same prompts asked through the loaded SQLite extension (ours) and through IndexReader (the peer), texts of the
// neighbors included. All rows of the site are searched. The row's `error` is set when the answers are not equal to the
// last bit. REQUIRES: a task of kind sql.
BenchRow MeasureSql(SiteWorkload& site, const Task& task, double seconds);

}  // namespace actkin

#endif  // ACTKIN_TOOLS_BENCHMARKS_SQL_MEASUREMENT_H_
