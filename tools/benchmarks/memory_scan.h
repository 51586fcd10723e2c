#ifndef ACTKIN_TOOLS_BENCHMARKS_MEMORY_SCAN_H_
#define ACTKIN_TOOLS_BENCHMARKS_MEMORY_SCAN_H_

#include <cstddef>

namespace actkin {

// The sum of all numbers, by so many threads, each over one part: what it takes to read them, and nothing else.
// Numbers that are not finite make the sum so.
float SumByThreads(const float* values, std::size_t count, int threads);

}  // namespace actkin

#endif  // ACTKIN_TOOLS_BENCHMARKS_MEMORY_SCAN_H_
