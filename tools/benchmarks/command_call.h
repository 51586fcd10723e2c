#ifndef ACTKIN_TOOLS_BENCHMARKS_COMMAND_CALL_H_
#define ACTKIN_TOOLS_BENCHMARKS_COMMAND_CALL_H_

#include <cstdint>
#include <filesystem>
#include <string>

#include "schema/site.h"

namespace actkin {

// Runs `actkin query` as a process of its own, its answer thrown away. Throws Error when it fails.
void RunQueryCommand(const std::filesystem::path& directory, const Site& site, const std::string& prompt,
                     std::uint64_t k, int threads);

}  // namespace actkin

#endif  // ACTKIN_TOOLS_BENCHMARKS_COMMAND_CALL_H_
