#ifndef ACTKIN_INDEXER_TORCH_PICKLE_PT_ARCHIVE_H_
#define ACTKIN_INDEXER_TORCH_PICKLE_PT_ARCHIVE_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "storage/machine/file.h"

namespace caffe2::serialize {
class PyTorchStreamReader;
}

namespace actkin {

// The zip archive that torch.save writes, mapped: its records are stored as they are, not compressed, so they are read
// where they lie, and no size that the archive claims is ever allocated. One thread at a time.
class PtArchive {
 public:
  // Throws Error naming `path` when it is not such an archive.
  explicit PtArchive(const std::filesystem::path& path);
  ~PtArchive();
  PtArchive(const PtArchive&) = delete;
  PtArchive& operator=(const PtArchive&) = delete;

  bool Has(const std::string& record) const;
  // From the record's first byte to the end of the file: what it holds says where it ends. Throws Error when the record
  // is missing or begins outside the file.
  std::span<const std::byte> From(const std::string& record) const;
  // The record, whose length is known to be `bytes`. Throws Error when the archive says otherwise, or when the checksum
  // is wrong.
  std::span<const std::byte> Read(const std::string& record, std::uint64_t bytes) const;

 private:
  std::string path_;
  MappedFile file_;
  std::unique_ptr<caffe2::serialize::PyTorchStreamReader> reader_;
};

}  // namespace actkin

#endif  // ACTKIN_INDEXER_TORCH_PICKLE_PT_ARCHIVE_H_
