#ifndef ACTKIN_INDEXER_MODEL_BLAS_KERNELS_H_
#define ACTKIN_INDEXER_MODEL_BLAS_KERNELS_H_

namespace actkin {

// OpenBLAS before 0.3.25 takes an Intel processor that is newer than itself for a Prescott, whose kernels multiply 5 to
// 10 times more slowly (https://github.com/OpenMathLib/OpenBLAS/issues/4267; Debian 12 has 0.3.21). Where it does,
// tells it by OPENBLAS_CORETYPE which kernels the processor can run, as 0.3.25 finds by itself; a variable that is set
// is left alone. It holds for an OpenBLAS that is loaded afterwards; true when the variable was set. For programs of
// our own, as it changes the environment. One thread.
bool ChooseBlasKernels();

// For a program that is linked with OpenBLAS, which has chosen by now: starts it over where ChooseBlasKernels changes
// anything. arguments: main's.
void ChooseBlasKernelsAndRestart(char** arguments);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_MODEL_BLAS_KERNELS_H_
