#include "indexer/build/row_capture.h"

#include <utility>

#include "schema/error.h"

namespace actkin {
namespace {

std::vector<std::filesystem::path> PublishedPaths(const RowCapture& capture, const IndexDirectory& directory) {
  std::vector<std::filesystem::path> paths;
  for (const Site& site : capture.sites) paths.push_back(directory.path() / IndexDirectory::Vectors(site));
  if (capture.element == Element::kInt8) {
    // Samples stay in the folder, and go with it.
    for (const Site& site : capture.sites) {
      paths.push_back(directory.Partial() /
                      std::filesystem::path(IndexDirectory::Vectors(site)).filename().replace_extension(".sample"));
    }
  }
  return paths;
}

// Of a file that earlier runs began: nobody has watched it since.
void RequireSound(const VectorFile& file, const WorkFolder& work, ProgressListener& progress) {
  progress.Detail("checking what was continued");
  try {
    file.Verify();
  } catch (const Error& error) {
    work.Forget();
    Fail("{}: it changed while no build was at work: run the same command again, it captures all of it anew",
         error.what());
  }
}

}  // namespace

std::vector<CapturedFile> CaptureRows(const RowCapture& capture, const IndexDirectory& directory,
                                      const WorkOptions& options, ProgressListener& progress,
                                      const std::function<RowMaker()>& new_maker) {
  const std::vector<std::filesystem::path> paths = PublishedPaths(capture, directory);
  WorkFolder work(directory.Capture(capture.work.fingerprint), capture.work, {0, capture.work.batches()}, paths,
                  paths.size());
  std::vector<std::unique_ptr<VectorFileWriter>> writers;
  for (std::size_t i = 0; i < capture.sites.size(); ++i) {
    writers.push_back(std::make_unique<VectorFileWriter>(work.File(i), capture.element, capture.dimension,
                                                         RowRange{0, capture.row_counts[i]}, work.continued()));
  }
  std::vector<std::unique_ptr<RowSample>> samples;
  for (std::size_t i = capture.sites.size(); i < paths.size(); ++i) {
    samples.push_back(std::make_unique<RowSample>(work.File(i), capture.dimension,
                                                  capture.row_counts[i - capture.sites.size()], work.continued()));
  }
  const auto flush = [&] {
    for (const auto& writer : writers) writer->Flush();
    for (const auto& sample : samples) sample->Flush();
  };
  DoBatches(work, options, progress, flush, [&]() -> BatchMaker {
    return [&, make = new_maker()](std::uint64_t batch) {
      RowSink sink(writers, samples);
      make(batch, sink);
      return std::move(sink).Shares();
    };
  });
  const std::vector<std::uint64_t> checksums = work.sums();
  std::vector<CapturedFile> files;
  for (std::size_t i = 0; i < capture.sites.size(); ++i) {
    writers[i]->AddChecksum(checksums[i]);
    const std::uint64_t header_checksum = writers[i]->Finish();
    // Opened again before anyone may use it.
    const VectorFile written(work.File(i));
    if (written.header_checksum() != header_checksum) Fail("{}: did not read back as written", work.File(i).string());
    if (work.continued()) RequireSound(written, work, progress);
    files.push_back({capture.sites[i], work.File(i), capture.row_counts[i], written.file_bytes(), header_checksum});
    if (!samples.empty()) {
      files.back().rounding = samples[i]->Compare(checksums[capture.sites.size() + i], written);
    }
  }
  return files;
}

}  // namespace actkin
