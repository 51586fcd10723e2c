#ifndef ACTKIN_STORAGE_FAISS_FAISS_PARAMETER_H_
#define ACTKIN_STORAGE_FAISS_FAISS_PARAMETER_H_

#include <string>

namespace actkin {

// Throws Error (usage) unless the value is one that FAISS takes as it is, for it cuts fractions off and says nothing:
// a whole number (for k_factor and k_factor_rf any) from 1 (for ht and max_codes from 0, where those are off) to
// `largest`. name: of a faiss::ParameterSpace parameter, "quantizer_" before those of IVF's quantizer.
void CheckFaissParameter(const std::string& name, double value, double largest);

}  // namespace actkin

#endif  // ACTKIN_STORAGE_FAISS_FAISS_PARAMETER_H_
