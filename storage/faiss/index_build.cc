#include "storage/faiss/index_build.h"

#include <faiss/impl/io.h>
#include <faiss/index_io.h>
#include <faiss/utils/distances.h>

#include <algorithm>
#include <random>
#include <vector>

#include "schema/error.h"
#include "storage/faiss/index_factory.h"
#include "storage/faiss/nsg_build.h"
#include "storage/faiss/omp_threads.h"
#include "storage/formats/faiss_file.h"

namespace actkin {
namespace {

constexpr std::size_t kPieceBytes = 64U << 20;

class FileWriter : public faiss::IOWriter {
 public:
  explicit FileWriter(FaissFileWriter& file) : file_(file) {}

  std::size_t operator()(const void* bytes, std::size_t size, std::size_t count) override {
    file_.Append({static_cast<const std::byte*>(bytes), size * count});
    return count;
  }

 private:
  FaissFileWriter& file_;
};

// The rows as FAISS is to see them: for cosine of unit length, rows of zeros staying what they are.
void Read(const RowSource& rows, Metric metric, RowNumber row, std::span<float> out) {
  rows.Read(row, out);
  if (metric == Metric::kCosine) faiss::fvec_renorm_L2(out.size(), 1, out.data());
}

// `count` different rows, ascending, always the same.
std::vector<RowNumber> Sample(std::uint64_t row_count, std::uint64_t count) {
  std::vector<RowNumber> sample;
  sample.reserve(count);
  std::mt19937_64 generator(1234);
  // Selection sampling: Knuth, The Art of Computer Programming, volume 2, section 3.4.2, algorithm S.
  for (std::uint64_t row = 0; row < row_count && sample.size() < count; ++row) {
    if (generator() % (row_count - row) < count - sample.size()) sample.push_back(static_cast<RowNumber>(row));
  }
  return sample;
}

}  // namespace

std::uint64_t BuildFaissIndex(const RowSource& rows, const FaissBuildOptions& options, faiss::Index& index,
                              const std::filesystem::path& path, ProgressListener& progress) {
  const Metric metric = options.metric;
  const OmpThreads limit(options.threads);
  const OneBlasThread one_blas_thread;
  const std::size_t dimension = rows.dimension();
  if (!index.is_trained) {
    const std::vector<RowNumber> sample = Sample(rows.row_count(), std::min(rows.row_count(), TrainingSize(index)));
    progress.Begin("train", sample.size(), "rows");
    std::vector<float> vectors(sample.size() * dimension);
    for (std::size_t i = 0; i < sample.size(); ++i) {
      Read(rows, metric, sample[i], std::span(vectors).subspan(i * dimension, dimension));
    }
    index.train(static_cast<faiss::Index::idx_t>(sample.size()), vectors.data());
    progress.Advance(sample.size(), 0);
    progress.End();
  }
  progress.Begin("add", rows.row_count(), "rows");
  const bool is_nsg = IsNsg(index, options.factory);
  const std::uint64_t piece =
      is_nsg ? rows.row_count() : std::max<std::uint64_t>(1, kPieceBytes / (dimension * sizeof(float)));
  std::vector<float> vectors;
  for (std::uint64_t first = 0; first < rows.row_count(); first += piece) {
    const std::uint64_t count = std::min(piece, rows.row_count() - first);
    vectors.resize(count * dimension);
    for (std::uint64_t i = 0; i < count; ++i) {
      Read(rows, metric, static_cast<RowNumber>(first + i), std::span(vectors).subspan(i * dimension, dimension));
    }
    if (is_nsg) {
      AddToNsg(index, static_cast<faiss::Index::idx_t>(count), vectors.data());
    } else {
      index.add(static_cast<faiss::Index::idx_t>(count), vectors.data());
    }
    progress.Advance(first + count, 0);
  }
  progress.End();
  // Some kinds can be made and not asked: none of them is kept.
  Read(rows, metric, 0, std::span(vectors).first(dimension));
  float distance = 0;
  faiss::Index::idx_t row = 0;
  index.search(1, vectors.data(), 1, &distance, &row);
  FaissFileWriter file(path, {metric, rows.dimension(), rows.row_count(), rows.checksum()});
  FileWriter writer(file);
  faiss::write_index(&index, &writer);
  return file.Finish();
}

}  // namespace actkin
