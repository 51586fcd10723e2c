#include "indexer/model/blas_kernels.h"

#include <dlfcn.h>
#include <unistd.h>

#include <cstdlib>
#include <string_view>

namespace actkin {
namespace {

// False also where OpenBLAS is not there, or not one that chooses as it is loaded.
bool ItTakesThisForAPrescott() {
  void* library = ::dlopen("libopenblas.so.0", RTLD_LAZY | RTLD_LOCAL);
  if (library == nullptr) return false;
  using CoreName = const char* (*)();
  const auto core_name = reinterpret_cast<CoreName>(::dlsym(library, "openblas_get_corename"));
  const bool is_prescott = core_name != nullptr && std::string_view(core_name()) == "Prescott";
  // It chooses again when it is loaded again.
  ::dlclose(library);
  return is_prescott;
}

// The kernels' name in OpenBLAS; null for a processor without AVX2. The instructions are those that its own choice asks
// for.
const char* Kernels() {
#ifdef __x86_64__
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq")) {
    return "SkylakeX";
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "Haswell";
#endif
  return nullptr;
}

}  // namespace

bool ChooseBlasKernels() {
  constexpr char kVariable[] = "OPENBLAS_CORETYPE";
  if (std::getenv(kVariable) != nullptr) return false;
  const char* kernels = Kernels();
  return kernels != nullptr && ItTakesThisForAPrescott() && ::setenv(kVariable, kernels, /*overwrite=*/0) == 0;
}

void ChooseBlasKernelsAndRestart(char** arguments) {
  if (ChooseBlasKernels()) ::execv("/proc/self/exe", arguments);
}

}  // namespace actkin
