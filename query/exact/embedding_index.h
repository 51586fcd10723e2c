#ifndef ACTKIN_QUERY_EXACT_EMBEDDING_INDEX_H_
#define ACTKIN_QUERY_EXACT_EMBEDDING_INDEX_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "query/exact/site_index.h"
#include "storage/formats/code_file.h"
#include "storage/formats/row_map.h"

namespace actkin {

// The index 'exact' of an embedding site, over its lossless product quantizer: distances are sums of one table look-up
// a position (Jegou, Douze, Schmid: Product Quantization for Nearest Neighbor Search, section III.A). A row's vector
// is, position after position, the float32 sum of token and position embedding (where the model has one), as the
// network computes it, and the answer is the brute-force answer over such vectors in double precision, the same on
// every processor and for every number of threads. Immutable; any thread.
class EmbeddingIndex : public SiteIndex {
 public:
  // The file holds all rows of the site, from 0 on. Throws Error naming it when it does not.
  EmbeddingIndex(CodeFile file, std::shared_ptr<const RowMap> order);

  std::uint64_t row_count() const override { return file_.rows().size(); }
  std::uint64_t dimension() const override { return file_.positions() * file_.embed(); }
  // Throws Error naming the file when one of the rows looked at holds a code that is none of its tokens.
  std::vector<std::vector<Match>> Search(std::span<const float> queries, const SearchRequest& request) const override;
  std::unique_ptr<RowScan> NewScan(std::span<const float> queries, Metric metric, int threads) const override;
  std::vector<std::uint64_t> CountBefore(std::span<const float> query, std::span<const Match> matches,
                                         const SearchRequest& request) const override;
  RowSet RowsUpTo(double length, int threads) const override;
  std::vector<float> Vector(RowNumber row) const override;

 private:
  // For the centered cosine: found by reading all codes when first needed. Empty for the other metrics.
  std::span<const double> MeanFor(Metric metric) const;

  CodeFile file_;
  std::shared_ptr<const RowMap> order_;
  mutable std::once_flag found_mean_;
  mutable std::vector<double> mean_;
};

}  // namespace actkin

#endif  // ACTKIN_QUERY_EXACT_EMBEDDING_INDEX_H_
