#ifndef ACTKIN_TOOLS_BENCHMARKS_MACHINE_H_
#define ACTKIN_TOOLS_BENCHMARKS_MACHINE_H_

#include <nlohmann/json.hpp>

namespace actkin {

// What the figures depend on: processor, cores, caches, memory, system, compiler, OpenBLAS, and the load average of the
// last minute. "processor", "cores" and "memory_bytes" are there always; the rest where the system tells.
nlohmann::ordered_json DescribeMachine();

// The xxh3 of the running program, in hexadecimal: rows measured by another say so.
std::string ProgramChecksum();

}  // namespace actkin

#endif  // ACTKIN_TOOLS_BENCHMARKS_MACHINE_H_
