#include "tools/benchmarks/site_workload.h"

#include <algorithm>
#include <set>

#include "query/reader/prompt_sample.h"
#include "schema/error.h"
#include "schema/random.h"
#include "schema/text.h"
#include "storage/machine/row_workers.h"

namespace actkin {
namespace {

// Where the random choices begin.
constexpr std::uint64_t kOutsideSeed = 7331;

constexpr std::uint64_t kPieceRows = 1024;
constexpr std::size_t kCodebookEntries = 256;

}  // namespace

std::span<const float> Queries::At(std::size_t first, std::size_t size) const {
  first %= count();
  if (first + size > count()) first = 0;
  return std::span(vectors).subspan(first * dimension, size * dimension);
}

SiteWorkload::SiteWorkload(IndexReader& reader, const Site& site, std::uint64_t row_limit, int threads)
    : reader_(reader),
      site_(site),
      row_limit_(row_limit),
      threads_(threads),
      index_(reader.OpenIndex(site)),
      order_(reader.OpenRowOrder(site.t_i)) {
  row_count_ = row_limit == 0 ? index_->row_count() : std::min(row_limit, index_->row_count());
  first_string_id_ = reader.catalog().FindSite(site)->first_string_id;
}

StringRow SiteWorkload::String(RowNumber row) {
  return reader_.catalog().String(first_string_id_ + order_->Ordinal(row));
}

Queries SiteWorkload::InCorpus(std::size_t count) {
  Queries queries;
  queries.dimension = dimension();
  const std::vector<std::uint32_t> sample = PromptSample(row_count_, std::min<std::uint64_t>(count, row_count_));
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t number = sample[i % sample.size()];
    const RowNumber row = whole() ? order_->RowOf(number) : number;
    const std::vector<float> vector = index_->Vector(row);
    queries.prompts.push_back(String(row).text);
    queries.vectors.insert(queries.vectors.end(), vector.begin(), vector.end());
  }
  return queries;
}

Queries SiteWorkload::OutsideCorpus(std::size_t count) {
  Queries queries;
  queries.dimension = dimension();
  const int length = site_.t_i + 1;
  const std::ptrdiff_t half = length / 2;
  std::set<std::vector<TokenId>> seen;
  for (std::uint64_t i = 0; queries.count() < count && i < 20 * count; ++i) {
    const auto a = static_cast<RowNumber>(MixedBits(kOutsideSeed + 2 * i) % row_count_);
    const auto b = static_cast<RowNumber>(MixedBits(kOutsideSeed + 2 * i + 1) % row_count_);
    std::vector<TokenId> tokens = String(a).tokens;
    const std::vector<TokenId> other = String(b).tokens;
    std::ranges::copy(other.begin() + half, other.end(), tokens.begin() + half);
    if (reader_.catalog().FindString(tokens) || !seen.insert(tokens).second) continue;
    const Prompt prompt = reader_.Encode(tokens);
    const std::vector<float> vector = reader_.QueryVector(prompt, site_);
    queries.prompts.push_back(prompt.text);
    queries.vectors.insert(queries.vectors.end(), vector.begin(), vector.end());
  }
  return queries;
}

std::vector<std::vector<Match>> SiteWorkload::Search(std::span<const float> queries, std::uint64_t k,
                                                     const std::string& index_name,
                                                     const std::string& parameters) const {
  SearchRequest request;
  request.k = k;
  request.threads = threads_;
  request.parameters = parameters;
  if (!whole()) request.rows = RowRange{0, row_count_};
  if (index_name == kExactIndexName) return index_->Search(queries, request);
  return reader_.OpenIndex(site_, index_name)->Search(queries, request);
}

std::span<const float> SiteWorkload::Vectors() {
  if (vectors_.empty()) {
    vectors_.resize(row_count_ * dimension());
    const RowRange all{0, row_count_};
    ForEachPiece(all, kPieceRows, UsefulThreads(all, kPieceRows, threads_), [&](int, RowRange rows) {
      for (std::uint64_t row = rows.begin; row < rows.end; ++row) {
        std::ranges::copy(index_->Vector(static_cast<RowNumber>(row)),
                          vectors_.begin() + static_cast<std::ptrdiff_t>(row * dimension()));
      }
    });
  }
  return vectors_;
}

void SiteWorkload::LoadCodes(PeerRows& rows) {
  const auto positions = static_cast<std::size_t>(site_.t_i) + 1;
  const std::size_t vocabulary_size = reader_.vocabulary().size();
  const std::size_t embed = dimension() / positions;
  if (vocabulary_size > kCodebookEntries)
    Fail("its codes are bytes, and the vocabulary has {} tokens", vocabulary_size);
  if (codes_.empty()) {
    codes_.reserve(row_count_ * positions);
    for (std::uint64_t row = 0; row < row_count_; ++row) {
      for (const TokenId token : String(static_cast<RowNumber>(row)).tokens) {
        codes_.push_back(static_cast<std::uint8_t>(token));
      }
    }
    codebooks_.assign(positions * kCodebookEntries * embed, 0);
    for (std::size_t token = 0; token < vocabulary_size; ++token) {
      // A string of one and the same token shows what that stands for at every position.
      const std::vector<TokenId> same(positions, static_cast<TokenId>(token));
      const std::vector<float> vector = reader_.Forward().Embedding(same);
      for (std::size_t position = 0; position < positions; ++position) {
        std::copy_n(vector.begin() + static_cast<std::ptrdiff_t>(position * embed), embed,
                    codebooks_.begin() + static_cast<std::ptrdiff_t>((position * kCodebookEntries + token) * embed));
      }
    }
  }
  rows.codes = codes_.data();
  rows.codebooks = codebooks_.data();
  rows.positions = positions;
}

void SiteWorkload::Release() {
  vectors_ = {};
  codes_ = {};
  codebooks_ = {};
}

}  // namespace actkin
