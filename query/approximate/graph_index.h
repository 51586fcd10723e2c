#ifndef ACTKIN_QUERY_APPROXIMATE_GRAPH_INDEX_H_
#define ACTKIN_QUERY_APPROXIMATE_GRAPH_INDEX_H_

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "query/approximate/approximate_index.h"
#include "storage/formats/graph_file.h"

namespace actkin {

// Search through an HNSW graph that FAISS built, over the site's own rows (Malkov, Yashunin: Efficient and robust
// approximate nearest neighbor search using Hierarchical Navigable Small World graphs,
// https://arxiv.org/abs/1603.09320, algorithms 2 and 5), without FAISS: links and rows are read where they are mapped,
// so that opening costs nothing and readers share memory. A search takes the parameter efSearch, 16 by default as in
// FAISS, and at least k. Immutable; any thread.
class GraphIndex : public ApproximateIndex {
 public:
  // Throws Error naming the file when the graph is not of these rows.
  GraphIndex(std::string name, GraphFile file, RowSource rows, std::shared_ptr<const RowMap> order);
  ~GraphIndex() override;

 protected:
  std::vector<std::string> ParameterNames() const override { return {"efSearch"}; }
  std::vector<std::vector<RowNumber>> Choose(std::span<const float> queries, std::uint64_t k,
                                             const IndexParameters& parameters, int threads) const override;

 private:
  class GraphSearch;
  std::unique_ptr<GraphSearch> TakeSearch() const;

  GraphFile file_;
  // Those at rest: their memory serves the next ones.
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<GraphSearch>> searches_;
};

}  // namespace actkin

#endif  // ACTKIN_QUERY_APPROXIMATE_GRAPH_INDEX_H_
