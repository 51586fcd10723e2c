#include "tools/benchmarks/machine.h"

#include <cblas.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <xxhash.h>
// A C header reached through these may define it.
#undef I

#include <fstream>
#include <string>
#include <thread>

#include "storage/catalog.h"
#include "storage/file.h"

namespace actkin {
namespace {

std::string ProcessorName() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

const char* WidestInstructions() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512bw")) return "AVX-512";
  if (__builtin_cpu_supports("avx2")) return "AVX2";
  return "SSE";
#else
  return "unknown";
#endif
}

}  // namespace

nlohmann::ordered_json DescribeMachine() {
  nlohmann::ordered_json machine = {
      {"processor", ProcessorName()},
      {"cores", std::thread::hardware_concurrency()},
      {"instructions", WidestInstructions()},
      {"memory_bytes",
       static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<std::uint64_t>(::sysconf(_SC_PAGE_SIZE))},
      {"l2_bytes", ::sysconf(_SC_LEVEL2_CACHE_SIZE)},
      {"l3_bytes", ::sysconf(_SC_LEVEL3_CACHE_SIZE)},
  };
  utsname system{};
  if (::uname(&system) == 0) machine["system"] = std::string(system.sysname) + " " + system.release;
  machine["compiler"] = std::string("g++ ") + __VERSION__;
  // The kernels that it has chosen; OPENBLAS_CORETYPE in the environment changes that.
  machine["openblas"] = std::string(openblas_get_config()) + ", " + openblas_get_corename();
  double load = 0;
  if (::getloadavg(&load, 1) == 1) machine["load"] = load;
  return machine;
}

std::string ProgramChecksum() {
  const std::string bytes = ReadFile("/proc/self/exe");
  return ChecksumText(XXH3_64bits(bytes.data(), bytes.size()));
}

}  // namespace actkin
