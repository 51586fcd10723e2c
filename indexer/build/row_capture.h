#ifndef ACTKIN_INDEXER_BUILD_ROW_CAPTURE_H_
#define ACTKIN_INDEXER_BUILD_ROW_CAPTURE_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "indexer/build/row_sample.h"
#include "schema/progress.h"
#include "schema/site.h"
#include "storage/catalog/index_directory.h"
#include "storage/formats/vector_file.h"
#include "storage/machine/work_plan.h"

namespace actkin {

// Rows of sites that a plan's batches make, whatever a row stands for.
struct RowCapture {
  std::vector<Site> sites;
  std::vector<std::uint64_t> row_counts;  // by site
  Element element = Element::kFloat32;
  std::uint64_t dimension = 0;
  WorkPlan work;
};

// A finished vector file, still under partial/.
struct CapturedFile {
  Site site;
  std::filesystem::path path;
  std::uint64_t row_count = 0;
  std::uint64_t bytes = 0;
  std::uint64_t header_checksum = 0;
  std::optional<RoundingRow> rounding = {};  // of rows of int8
};

// Takes the rows of one batch.
class RowSink {
 public:
  // samples: of each site, or none.
  RowSink(std::span<const std::unique_ptr<VectorFileWriter>> writers,
          std::span<const std::unique_ptr<RowSample>> samples)
      : writers_(writers), samples_(samples), shares_(writers.size() + samples.size(), 0) {}

  // site: its place in RowCapture::sites. values: rows x dimension, those of row `first` and of the ones that follow.
  // Throws Error where a number is not finite. REQUIRES: no other batch writes these rows.
  void Write(std::size_t site, RowNumber first, std::span<const float> values) {
    shares_[site] += writers_[site]->WriteRows(first, values);
    if (!samples_.empty()) shares_[writers_.size() + site] += samples_[site]->Write(first, values);
  }
  // Of the sites' checksums, then of their samples'.
  std::vector<std::uint64_t> Shares() && { return std::move(shares_); }

 private:
  std::span<const std::unique_ptr<VectorFileWriter>> writers_;
  std::span<const std::unique_ptr<RowSample>> samples_;
  std::vector<std::uint64_t> shares_;
};

// Writes the rows of one batch; one thread's own.
using RowMaker = std::function<void(std::uint64_t batch, RowSink& sink)>;

// Writes the rows of all sites to vector files under partial/. Each thread gets a maker of its own, made in it. An
// unfinished capture of the same plan goes on from its last checkpoint. Throws Error.
// REQUIRES: the build lock is held; all batches together write each row of each site once.
std::vector<CapturedFile> CaptureRows(const RowCapture& capture, const IndexDirectory& directory,
                                      const WorkOptions& options, ProgressListener& progress,
                                      const std::function<RowMaker()>& new_maker);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_BUILD_ROW_CAPTURE_H_
