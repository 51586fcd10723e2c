#include "query/reader/recall.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "query/approximate/index_parameters.h"
#include "query/exact/site_index.h"

namespace actkin {
namespace {

std::vector<std::uint64_t> PossibleKs(const SiteRow& site, const RecallOptions& options) {
  std::vector<std::uint64_t> ks;
  for (const std::uint64_t k : options.ks) {
    if (k <= (options.among ? options.among->count() : site.row_count)) ks.push_back(k);
  }
  return ks;
}

struct Timed {
  std::vector<std::vector<Match>> answers;  // one a query
  std::vector<double> ms;                   // ascending
};

// The value that this part of the values does not exceed (nearest rank). REQUIRES: ascending, not empty.
double Percentile(const std::vector<double>& values, double part) {
  const auto rank = static_cast<std::size_t>(std::ceil(part * static_cast<double>(values.size())));
  return values[std::max<std::size_t>(rank, 1) - 1];
}

class Measurement {
 public:
  Measurement(const SiteRow& site, std::span<const float> queries, const RecallOptions& options,
              const std::function<void(std::uint64_t)>& report)
      : site_(site), queries_(queries), options_(options), hear_(report), ks_(PossibleKs(site, options)) {}

  std::vector<RecallRow> Run(const SiteIndex& exact, const SiteIndex& approximate) {
    for (const std::uint64_t k : ks_) {
      Timed timed = Search(exact, k, {});
      Add(kExactIndexName, {}, k, 1, timed);
      nearest_.push_back(std::move(timed.answers));
    }
    for (const IndexParameters& parameters : options_.parameters) {
      for (std::size_t i = 0; i < ks_.size(); ++i) {
        const Timed timed = Search(approximate, ks_[i], parameters);
        Add(options_.index_name, parameters, ks_[i], Recall(nearest_[i], timed.answers), timed);
      }
    }
    return std::move(rows_);
  }

 private:
  Timed Search(const SiteIndex& index, std::uint64_t k, const IndexParameters& parameters) {
    SearchRequest request;
    request.metric = options_.metric;
    request.k = k;
    request.parameters = FormatIndexParameters(parameters);
    request.threads = options_.threads;
    request.among = options_.among;
    Timed timed;
    const std::size_t count = queries_.size() / site_.dimension;
    for (const bool warming : {true, false}) {
      for (std::size_t i = 0; i < count; ++i) {
        const std::span<const float> query = queries_.subspan(i * site_.dimension, site_.dimension);
        const auto start = std::chrono::steady_clock::now();
        std::vector<std::vector<Match>> answer = index.Search(query, request);
        const std::chrono::duration<double, std::milli> taken = std::chrono::steady_clock::now() - start;
        if (!warming) {
          timed.ms.push_back(taken.count());
          timed.answers.push_back(std::move(answer.front()));
        }
        hear_(++searches_);
      }
    }
    std::ranges::sort(timed.ms);
    return timed;
  }

  double Recall(const std::vector<std::vector<Match>>& nearest, const std::vector<std::vector<Match>>& found) const {
    std::uint64_t hits = 0;
    std::uint64_t all = 0;
    for (std::size_t query = 0; query < nearest.size(); ++query) {
      const double limit = nearest[query].back().distance;
      hits += static_cast<std::uint64_t>(std::ranges::count_if(found[query], [&](const Match& match) {
        return options_.metric == Metric::kL2 ? match.distance <= limit : match.distance >= limit;
      }));
      all += nearest[query].size();
    }
    return static_cast<double>(hits) / static_cast<double>(all);
  }

  void Add(const std::string& name, const IndexParameters& parameters, std::uint64_t k, double recall,
           const Timed& timed) {
    rows_.push_back({site_.site_id, name, options_.metric, FormatIndexParameters(parameters), timed.ms.size(),
                     options_.seed, k, recall, Percentile(timed.ms, 0.5), Percentile(timed.ms, 0.99),
                     options_.threads});
  }

  const SiteRow& site_;
  const std::span<const float> queries_;
  const RecallOptions& options_;
  const std::function<void(std::uint64_t)>& hear_;
  const std::vector<std::uint64_t> ks_;
  std::uint64_t searches_ = 0;
  std::vector<std::vector<std::vector<Match>>> nearest_;  // by k, by query
  std::vector<RecallRow> rows_;
};

}  // namespace

std::vector<RecallRow> MeasureRecall(IndexReader& reader, const SiteRow& site, std::span<const float> queries,
                                     const RecallOptions& options, const std::function<void(std::uint64_t)>& report) {
  const std::shared_ptr<const SiteIndex> approximate = reader.OpenIndex(site.site, options.index_name, options.metric);
  const std::shared_ptr<const SiteIndex> exact = reader.OpenIndex(site.site);
  // What the index itself finds: a row that exact search filled up is no hit.
  return Measurement(site, queries, options, report).Run(*exact, approximate->bare());
}

std::uint64_t RecallSearches(const SiteRow& site, std::uint64_t query_count, const RecallOptions& options) {
  return 2 * query_count * PossibleKs(site, options).size() * (1 + options.parameters.size());
}

}  // namespace actkin
