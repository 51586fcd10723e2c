#ifndef ACTKIN_STORAGE_FAISS_FAISS_BACKEND_H_
#define ACTKIN_STORAGE_FAISS_FAISS_BACKEND_H_

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "schema/progress.h"
#include "schema/site.h"
#include "storage/formats/faiss_file.h"
#include "storage/formats/row_source.h"

namespace actkin {

// faiss::ParameterSpace parameters, such as {"nprobe", 16}.
using IndexParameters = std::vector<std::pair<std::string, double>>;

// A FAISS index in memory. Any thread; searches with equal parameters run side by side.
class FaissSearcher {
 public:
  virtual ~FaissSearcher() = default;

  // The `k` rows that the index takes for the nearest to each query, nearest first, -1 where it finds no more.
  // queries: count x dimension, for cosine of unit length; rows: count x k. Parameters hold for this search alone; what
  // is not named has the value that the index was made with. Throws Error (usage) where the index has no such
  // parameter.
  virtual void Search(std::span<const float> queries, std::uint64_t k, const IndexParameters& parameters, int threads,
                      std::span<std::int64_t> rows) const = 0;
  // The parameters that it takes.
  virtual std::vector<std::string> ParameterNames() const = 0;
};

struct FaissBuildOptions {
  std::string factory;  // a faiss::index_factory string
  Metric metric = Metric::kL2;
  IndexParameters parameters;  // such as {"efConstruction", 200}
  int threads = 1;
};

// What faiss::index_factory makes of a string.
enum class FaissKind {
  kGraph,  // HNSW over the rows themselves: kept as links alone, in a graph file
  kOther,  // kept as FAISS writes it, in a FAISS file
};

// Everything that needs FAISS, behind one interface, in a shared library of its own that is loaded on demand.
class FaissBackend {
 public:
  virtual ~FaissBackend() = default;

  // Throws Error (usage) naming the string, or a parameter, when FAISS makes no such index for this dimension.
  virtual FaissKind Kind(const FaissBuildOptions& options, std::uint64_t dimension) const = 0;

  // Makes an index over rows 0..row_count-1 and writes it whole and flushed, as Kind says; for cosine over rows of unit
  // length. Returns the header's checksum. Throws Error when a row is not finite, or FAISS refuses. HNSW inserts rows
  // in parallel: with one thread the same rows make the same file, with more they make one as good.
  virtual std::uint64_t Build(const RowSource& rows, const FaissBuildOptions& options,
                              const std::filesystem::path& path, ProgressListener& progress) const = 0;

  // Throws Error naming the file. REQUIRES: file.Verify() has returned; the file outlives the searcher.
  virtual std::unique_ptr<FaissSearcher> Read(const FaissFile& file) const = 0;
};

// Loads the library at the first call. Throws Error naming the library when it cannot be loaded.
const FaissBackend& LoadFaissBackend();

}  // namespace actkin

// What the library exports. Returns an object that lives as long as the process.
extern "C" const actkin::FaissBackend* actkin_faiss_backend();

#endif  // ACTKIN_STORAGE_FAISS_FAISS_BACKEND_H_
