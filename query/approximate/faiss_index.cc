#include "query/approximate/faiss_index.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "schema/error.h"

namespace actkin {
namespace {

constexpr char kRefine[] = "k_factor_rf";

}  // namespace

FaissIndex::FaissIndex(std::string name, FaissFile file, RowSource rows, std::shared_ptr<const RowMap> order)
    : ApproximateIndex(std::move(name), file.source().metric, std::move(rows), std::move(order)),
      file_(std::move(file)) {
  const FaissSource& source = file_.source();
  if (source.row_count != row_count() || source.dimension != dimension() ||
      source.rows_checksum != this->rows().checksum()) {
    FailDamaged("{}: was built over other rows than the site has: drop it and add it again", file_.path().string());
  }
  file_.Verify();
  searcher_ = LoadFaissBackend().Read(file_);
  const std::vector<std::string> names = searcher_->ParameterNames();
  refines_itself_ = std::ranges::find(names, kRefine) != names.end();
}

std::vector<std::string> FaissIndex::ParameterNames() const {
  std::vector<std::string> names = searcher_->ParameterNames();
  if (!refines_itself_) names.emplace_back(kRefine);
  return names;
}

std::vector<std::vector<RowNumber>> FaissIndex::Choose(std::span<const float> queries, std::uint64_t k,
                                                       const IndexParameters& parameters, int threads) const {
  IndexParameters of_faiss;
  std::uint64_t wanted = k;
  for (const auto& [name, value] : parameters) {
    if (name == kRefine && !refines_itself_) {
      wanted = static_cast<std::uint64_t>(std::ceil(value * static_cast<double>(k)));
    } else if (name.starts_with("k_factor")) {
      if (name == kRefine && value != std::floor(value)) {
        FailUsage("parameter {}={}: expected a whole number: this index refines by itself", name, value);
      }
      // FAISS allocates that many times k, however few rows there are.
      of_faiss.emplace_back(name,
                            std::min(value, std::ceil(static_cast<double>(row_count()) / static_cast<double>(k))));
    } else {
      of_faiss.emplace_back(name, value);
    }
  }
  wanted = std::min(wanted, row_count());
  const std::size_t count = queries.size() / dimension();
  std::vector<std::int64_t> found(count * wanted, -1);
  searcher_->Search(queries, wanted, of_faiss, threads, found);
  std::vector<std::vector<RowNumber>> chosen(count);
  for (std::size_t query = 0; query < count; ++query) {
    for (const std::int64_t row : std::span(found).subspan(query * wanted, wanted)) {
      if (row < 0) continue;
      if (static_cast<std::uint64_t>(row) >= row_count()) {
        FailDamaged("{}: damaged: it finds row {}, of {}", file_.path().string(), row, row_count());
      }
      chosen[query].push_back(static_cast<RowNumber>(row));
    }
  }
  return chosen;
}

}  // namespace actkin
