#include "indexer/model/blas_kernels.h"

#include <dlfcn.h>
#include <gmock/gmock.h>

#include <cstdlib>
#include <string>

namespace actkin {
namespace {

// The test is not linked with OpenBLAS, as the command is not.
std::string CoreOfOpenBlas() {
  void* library = ::dlopen("libopenblas.so.0", RTLD_LAZY | RTLD_LOCAL);
  if (library == nullptr) return "none";
  const auto core_name = reinterpret_cast<const char* (*)()>(::dlsym(library, "openblas_get_corename"));
  std::string core = core_name == nullptr ? "unnamed" : core_name();
  ::dlclose(library);
  return core;
}

TEST(BlasKernelsTest, APrescottIsNoProcessorWithAvx2) {
  ::unsetenv("OPENBLAS_CORETYPE");
  const std::string before = CoreOfOpenBlas();
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  EXPECT_EQ(ChooseBlasKernels(), has_avx2 && before == "Prescott");
  EXPECT_NE(CoreOfOpenBlas(), has_avx2 ? "Prescott" : "");
  EXPECT_FALSE(ChooseBlasKernels()) << "once";
}

TEST(BlasKernelsTest, AChoiceThatWasMadeIsLeftAlone) {
  ::setenv("OPENBLAS_CORETYPE", "Prescott", 1);
  EXPECT_FALSE(ChooseBlasKernels());
  EXPECT_STREQ(std::getenv("OPENBLAS_CORETYPE"), "Prescott");
  EXPECT_EQ(CoreOfOpenBlas(), "Prescott");
}

}  // namespace
}  // namespace actkin
