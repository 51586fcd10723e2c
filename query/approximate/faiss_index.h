#ifndef ACTKIN_QUERY_APPROXIMATE_FAISS_INDEX_H_
#define ACTKIN_QUERY_APPROXIMATE_FAISS_INDEX_H_

#include <memory>
#include <string>
#include <vector>

#include "query/approximate/approximate_index.h"
#include "storage/faiss/faiss_backend.h"
#include "storage/formats/faiss_file.h"

namespace actkin {

// An index that FAISS reads and searches. It takes FAISS's parameters, and k_factor_rf where FAISS's index has none of
// that name: k_factor_rf x k rows are chosen by FAISS, and the k nearest of them by their exact distances, as
// faiss::IndexRefineFlat does with a copy of the rows. Immutable; any thread.
class FaissIndex : public ApproximateIndex {
 public:
  // Verifies the whole file, then has FAISS read it. Throws Error naming the file when it is damaged, or not of these
  // rows, or FAISS cannot be loaded.
  FaissIndex(std::string name, FaissFile file, RowSource rows, std::shared_ptr<const RowMap> order);

 protected:
  std::vector<std::string> ParameterNames() const override;
  std::vector<std::vector<RowNumber>> Choose(std::span<const float> queries, std::uint64_t k,
                                             const IndexParameters& parameters, int threads) const override;

 private:
  FaissFile file_;
  std::unique_ptr<const FaissSearcher> searcher_;
  bool refines_itself_ = false;
};

}  // namespace actkin

#endif  // ACTKIN_QUERY_APPROXIMATE_FAISS_INDEX_H_
