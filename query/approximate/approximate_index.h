#ifndef ACTKIN_QUERY_APPROXIMATE_APPROXIMATE_INDEX_H_
#define ACTKIN_QUERY_APPROXIMATE_APPROXIMATE_INDEX_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "query/exact/site_index.h"
#include "storage/faiss/faiss_backend.h"
#include "storage/formats/row_map.h"
#include "storage/formats/row_source.h"

namespace actkin {

// An index that chooses rows quickly and may miss some. Distances and order are those of 'exact' for the rows that it
// finds: they are computed from the site's own rows, in double precision. It finds the nearest of one metric among all
// rows; a band needs a k and is searched from the near side, among the 16,384 nearest, as rows that pass a filter are.
// An answer may be shorter than k: FilledUpIndex is what readers get.
// Immutable; any thread.
class ApproximateIndex : public SiteIndex {
 public:
  std::uint64_t row_count() const override { return rows_.row_count(); }
  std::uint64_t dimension() const override { return rows_.dimension(); }
  std::vector<std::vector<Match>> Search(std::span<const float> queries, const SearchRequest& request) const override;
  std::vector<float> Vector(RowNumber row) const override;

 protected:
  // name: as the catalog has it; rows and order: of the same site. Throws Error where they are not.
  ApproximateIndex(std::string name, Metric metric, RowSource rows, std::shared_ptr<const RowMap> order);

  const std::string& name() const { return name_; }
  Metric metric() const { return metric_; }
  const RowSource& rows() const { return rows_; }

  // The parameters that a request may set.
  virtual std::vector<std::string> ParameterNames() const = 0;
  // At least the k rows that the index takes for the nearest of each query, or all that it finds. queries: count x
  // dimension(), for cosine of unit length. Parameters: checked.
  virtual std::vector<std::vector<RowNumber>> Choose(std::span<const float> queries, std::uint64_t k,
                                                     const IndexParameters& parameters, int threads) const = 0;

 private:
  IndexParameters CheckParameters(const std::string& text) const;
  // The chosen rows with their distances, sorted, the best k of them.
  std::vector<Match> Finish(std::span<const float> query, std::vector<RowNumber> chosen,
                            const SearchRequest& request) const;
  // The nearest in the band, of the rows that pass the filter.
  std::vector<Match> SearchPart(std::span<const float> query, const IndexParameters& parameters,
                                const SearchRequest& request) const;

  std::string name_;
  Metric metric_;
  RowSource rows_;
  std::shared_ptr<const RowMap> order_;
};

}  // namespace actkin

#endif  // ACTKIN_QUERY_APPROXIMATE_APPROXIMATE_INDEX_H_
