#ifndef ACTKIN_STORAGE_MACHINE_PROCESSOR_H_
#define ACTKIN_STORAGE_MACHINE_PROCESSOR_H_

namespace actkin {

// With ACTKIN_INSTRUCTIONS=avx2, sse4 or ssse3 in the environment, vector kernels use nothing newer than that: this is
// how tests show that answers do not depend on the processor (for OpenBLAS there is its own OPENBLAS_CORETYPE). To be
// called before any kernel runs. Throws Error (usage) on another value.
void LimitInstructions();

}  // namespace actkin

#endif  // ACTKIN_STORAGE_MACHINE_PROCESSOR_H_
