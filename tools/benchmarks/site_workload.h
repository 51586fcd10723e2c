#ifndef ACTKIN_TOOLS_BENCHMARKS_SITE_WORKLOAD_H_
#define ACTKIN_TOOLS_BENCHMARKS_SITE_WORKLOAD_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "query/reader/index_reader.h"
#include "tools/benchmarks/peers/peer.h"

namespace actkin {

// Query vectors of some prompts at one site.
struct Queries {
  std::vector<std::string> prompts;
  std::vector<float> vectors;  // prompts.size() x dimension, row-major
  std::uint64_t dimension = 0;

  std::size_t count() const { return prompts.size(); }
  // `size` queries from number `first` on, starting over at the end. REQUIRES: size <= count().
  std::span<const float> At(std::size_t first, std::size_t size) const;
  const std::string& Prompt(std::size_t number) const { return prompts[number % prompts.size()]; }
};

// One site to measure at: our index, the queries, and the rows in memory for the peers. The same site and numbers make
// the same prompts at every run. One thread at a time.
class SiteWorkload {
 public:
  // Only the first `row_limit` rows are searched, all where it is 0. The reader outlives this object.
  SiteWorkload(IndexReader& reader, const Site& site, std::uint64_t row_limit, int threads);

  const Site& site() const { return site_; }
  IndexReader& reader() const { return reader_; }
  std::uint64_t row_limit() const { return row_limit_; }
  std::uint64_t row_count() const { return row_count_; }
  std::uint64_t dimension() const { return index_->dimension(); }
  std::uint64_t index_rows() const { return index_->row_count(); }
  bool whole() const { return row_count_ == index_rows(); }
  std::uint64_t float_bytes() const { return row_count_ * dimension() * sizeof(float); }
  int threads() const { return threads_; }

  // Strings of the site, each of which is its own nearest neighbor: the prompt sample of the site's strings (or, where
  // only the first rows are searched, of these), from its beginning again where it has no more.
  Queries InCorpus(std::size_t count);
  // The first half of one string and the second half of another, where that is no string of the corpus. Fewer than
  // `count` where the corpus yields no more.
  Queries OutsideCorpus(std::size_t count);

  // The nearest rows to each query by the index named, best first.
  std::vector<std::vector<Match>> Search(std::span<const float> queries, std::uint64_t k,
                                         const std::string& index_name = kExactIndexName,
                                         const std::string& parameters = "") const;

  // What the peers search; read when first asked for, and kept until Release. REQUIRES: proj or ffwd.
  std::span<const float> Vectors();
  // REQUIRES: an embedding site whose vocabulary has at most 256 tokens.
  void LoadCodes(PeerRows& rows);
  void Release();

 private:
  StringRow String(RowNumber row);

  IndexReader& reader_;
  Site site_;
  std::uint64_t row_limit_;
  int threads_;
  std::shared_ptr<const SiteIndex> index_;
  std::shared_ptr<const RowOrderFile> order_;
  StringId first_string_id_ = 0;
  std::uint64_t row_count_ = 0;
  std::vector<float> vectors_;
  std::vector<std::uint8_t> codes_;
  std::vector<float> codebooks_;
};

}  // namespace actkin

#endif  // ACTKIN_TOOLS_BENCHMARKS_SITE_WORKLOAD_H_
