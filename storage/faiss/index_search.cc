#include "storage/faiss/index_search.h"

#include <faiss/AutoTune.h>
#include <faiss/impl/io.h>
#include <faiss/index_io.h>
#include <faiss/utils/distances.h>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <optional>
#include <shared_mutex>

#include "schema/error.h"
#include "schema/text.h"
#include "storage/faiss/faiss_error.h"
#include "storage/faiss/omp_threads.h"
#include "storage/machine/row_workers.h"

namespace actkin {
namespace {

class SpanReader : public faiss::IOReader {
 public:
  SpanReader(std::span<const std::byte> bytes, const std::string& path) : bytes_(bytes) { name = path; }

  std::size_t operator()(void* to, std::size_t size, std::size_t count) override {
    if (size == 0 || count == 0) return 0;
    const std::size_t items = std::min(count, bytes_.size() / size);
    std::memcpy(to, bytes_.data(), items * size);
    bytes_ = bytes_.subspan(items * size);
    return items;
  }

  bool at_end() const { return bytes_.empty(); }

 private:
  std::span<const std::byte> bytes_;
};

std::unique_ptr<faiss::Index> Read(const FaissFile& file) {
  const std::string path = file.path().string();
  const OmpThreads one_thread(1);
  SpanReader reader(file.bytes(), path);
  auto index = WithOneLineErrors(path, Error::Kind::kFailed,
                                 [&] { return std::unique_ptr<faiss::Index>(faiss::read_index(&reader)); });
  const FaissSource& source = file.source();
  const auto metric = source.metric == Metric::kL2 ? faiss::METRIC_L2 : faiss::METRIC_INNER_PRODUCT;
  if (!reader.at_end() || index->d != static_cast<int>(source.dimension) || index->metric_type != metric ||
      index->ntotal != static_cast<faiss::Index::idx_t>(source.row_count) || !index->is_trained) {
    FailDamaged("{}: damaged: the FAISS index in it is not of the rows that its header says", path);
  }
  return index;
}

// How many of the queries a thread takes at a time: many, since FAISS multiplies matrices then, but so that the threads
// end together.
std::uint64_t QueriesAtOnce(std::uint64_t count, std::uint64_t threads) {
  constexpr std::uint64_t kMany = 64;
  const std::uint64_t share = std::max<std::uint64_t>(1, (count + threads - 1) / threads);
  return std::max(std::min(share, kMany), share / 4);
}

std::vector<std::string> Names(const IndexParameters& parameters) {
  std::vector<std::string> names;
  for (const auto& [name, value] : parameters) names.push_back(name);
  std::ranges::sort(names);
  return names;
}

// FAISS keeps parameters in the index. Searches that ask for what is set run side by side; one that asks for something
// else waits for them and sets it.
class Searcher : public FaissSearcher {
 public:
  explicit Searcher(const FaissFile& file) : file_(file), index_(Read(file)) {}

  void Search(std::span<const float> queries, std::uint64_t k, const IndexParameters& parameters, int threads,
              std::span<std::int64_t> rows) const override {
    for (;;) {
      {
        const std::shared_lock<std::shared_mutex> lock(mutex_);
        if (set_ == parameters) return SearchAsSet(queries, k, threads, rows);
      }
      const std::lock_guard<std::shared_mutex> lock(mutex_);
      Set(parameters);
    }
  }

  std::vector<std::string> ParameterNames() const override {
    const std::shared_lock<std::shared_mutex> lock(mutex_);
    faiss::ParameterSpace space;
    space.initialize(index_.get());
    std::vector<std::string> names;
    for (const faiss::ParameterRange& range : space.parameter_ranges) names.push_back(range.name);
    return names;
  }

 private:
  // REQUIRES: mutex_ is held, by this thread alone.
  void Set(const IndexParameters& parameters) const {
    // What was set and is not named any more has its first value again, which only the file knows.
    const std::vector<std::string> wanted = Names(parameters);
    if (!std::ranges::includes(wanted, Names(set_))) {
      index_.reset();
      index_ = Read(file_);
    }
    set_ = parameters;
    const faiss::ParameterSpace space;
    for (const auto& [name, value] : parameters) {
      try {
        space.set_index_parameter(index_.get(), name, value);
      } catch (const faiss::FaissException&) {
        index_ = Read(file_);
        set_.clear();
        FailUsage("parameter {}: this index takes no such parameter", Quote(name));
      }
    }
  }

  // The queries are divided among threads of ours, and each of them searches alone: FAISS would divide them no better.
  void SearchAsSet(std::span<const float> queries, std::uint64_t k, int threads, std::span<std::int64_t> rows) const {
    const auto dimension = static_cast<std::size_t>(index_->d);
    const RowRange all{0, queries.size() / dimension};
    std::optional<OneBlasThread> one_blas_thread;
    if (all.size() >= static_cast<std::size_t>(faiss::distance_compute_blas_threshold)) one_blas_thread.emplace();
    const std::uint64_t piece = QueriesAtOnce(all.size(), static_cast<std::uint64_t>(std::max(threads, 1)));
    ForEachPiece(all, piece, UsefulThreads(all, piece, threads), [&](int, RowRange some) {
      const OmpThreads one_thread(1);
      std::vector<float> distances(some.size() * k);
      WithOneLineErrors(file_.path().string(), Error::Kind::kFailed, [&] {
        index_->search(static_cast<faiss::Index::idx_t>(some.size()), queries.data() + some.begin * dimension,
                       static_cast<faiss::Index::idx_t>(k), distances.data(), rows.data() + some.begin * k);
      });
    });
  }

  const FaissFile& file_;
  mutable std::shared_mutex mutex_;
  mutable std::unique_ptr<faiss::Index> index_;
  mutable IndexParameters set_;
};

}  // namespace

std::unique_ptr<FaissSearcher> ReadFaissIndex(const FaissFile& file) { return std::make_unique<Searcher>(file); }

}  // namespace actkin
