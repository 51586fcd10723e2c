// The one object that the library exports.
#include <faiss/IndexHNSW.h>

#include <cmath>
#include <vector>

#include "schema/error.h"
#include "schema/text.h"
#include "storage/faiss/faiss_backend.h"
#include "storage/faiss/faiss_error.h"
#include "storage/faiss/graph_build.h"
#include "storage/faiss/index_build.h"
#include "storage/faiss/index_factory.h"
#include "storage/faiss/index_search.h"
#include "storage/faiss/omp_threads.h"

namespace actkin {
namespace {

void RequireFinite(const RowSource& rows) {
  std::vector<float> row(rows.dimension());
  for (RowNumber number = 0; number < rows.row_count(); ++number) {
    rows.Read(number, row);
    for (const float value : row) {
      if (!std::isfinite(value)) {
        Fail("{}: row {} holds {}: only finite numbers can be indexed", rows.Path(number).string(), number, value);
      }
    }
  }
}

class Backend : public FaissBackend {
 public:
  FaissKind Kind(const FaissBuildOptions& options, std::uint64_t dimension) const override {
    const std::unique_ptr<faiss::Index> index = MakeIndex(options, dimension);
    return dynamic_cast<const faiss::IndexHNSWFlat*>(index.get()) != nullptr ? FaissKind::kGraph : FaissKind::kOther;
  }

  std::uint64_t Build(const RowSource& rows, const FaissBuildOptions& options, const std::filesystem::path& path,
                      ProgressListener& progress) const override {
    const std::unique_ptr<faiss::Index> index = MakeIndex(options, rows.dimension());
    RequireFinite(rows);
    std::uint64_t checksum = 0;
    WithOneLineErrors(fmt::format("index {}", Quote(options.factory)), Error::Kind::kFailed, [&] {
      OnOwnThread([&] {
        auto* hnsw = dynamic_cast<faiss::IndexHNSWFlat*>(index.get());
        checksum = hnsw != nullptr ? BuildGraph(rows, options.metric, hnsw->hnsw, options.threads, path, progress)
                                   : BuildFaissIndex(rows, options, *index, path, progress);
      });
    });
    return checksum;
  }

  std::unique_ptr<FaissSearcher> Read(const FaissFile& file) const override { return ReadFaissIndex(file); }
};

}  // namespace
}  // namespace actkin

extern "C" __attribute__((visibility("default"))) const actkin::FaissBackend* actkin_faiss_backend() {
  static const actkin::Backend backend;
  return &backend;
}
