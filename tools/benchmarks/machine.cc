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

#include "schema/error.h"
#include "storage/catalog/catalog.h"
#include "storage/machine/file.h"

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
  };
  // Of the first core, as the kernel names them: "1024K". (sysconf tells of the host's on virtual machines.)
  for (const int level : {2, 3}) {
    std::ifstream file(fmt::format("/sys/devices/system/cpu/cpu0/cache/index{}/size", level));
    std::string size;
    if (file >> size) machine[fmt::format("l{}_cache", level)] = size;
  }
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
