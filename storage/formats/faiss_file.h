#ifndef ACTKIN_STORAGE_FORMATS_FAISS_FILE_H_
#define ACTKIN_STORAGE_FORMATS_FAISS_FILE_H_

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "schema/site.h"
#include "storage/formats/section_file.h"

struct XXH3_state_s;  // of xxhash

namespace actkin {

// What a FAISS index is of.
struct FaissSource {
  Metric metric = Metric::kL2;
  std::uint64_t dimension = 0;
  std::uint64_t row_count = 0;
  std::uint64_t rows_checksum = 0;  // RowSource::checksum
};

// A FAISS index as faiss::write_index puts it, ids being row numbers, in a section file of kind kFaiss. Numbers:
// metric, dimension, rows, rows' checksum. Section 0: FAISS's bytes.
class FaissFile {
 public:
  // Maps the file; reads only its header. Throws Error naming `path`.
  explicit FaissFile(const std::filesystem::path& path);

  const FaissSource& source() const { return source_; }
  std::uint64_t file_bytes() const { return file_.header().file_bytes; }
  std::uint64_t header_checksum() const { return file_.header_checksum(); }
  const std::filesystem::path& path() const { return file_.path(); }
  // FAISS trusts what it reads: REQUIRES that Verify has returned.
  std::span<const std::byte> bytes() const { return file_.section(0); }

  // Reads every byte. Throws Error naming the file when one is not as written.
  void Verify() const { file_.VerifyBytes(); }

 private:
  SectionFile file_;
  FaissSource source_;
};

// Writes one, front to back, without holding it in memory.
class FaissFileWriter {
 public:
  FaissFileWriter(const std::filesystem::path& path, const FaissSource& source);
  ~FaissFileWriter();
  FaissFileWriter(const FaissFileWriter&) = delete;
  FaissFileWriter& operator=(const FaissFileWriter&) = delete;

  void Append(std::span<const std::byte> bytes);
  // Writes the header and flushes. Returns its checksum.
  std::uint64_t Finish();

 private:
  void WriteBuffer();

  SectionFileHeader header_;
  OutputFile file_;
  std::vector<std::byte> buffer_;
  XXH3_state_s* checksum_;
};

}  // namespace actkin

#endif  // ACTKIN_STORAGE_FORMATS_FAISS_FILE_H_
