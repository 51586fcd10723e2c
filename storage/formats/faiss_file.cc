#include "storage/formats/faiss_file.h"

#include <xxhash.h>

#include <algorithm>
#include <new>
#include <string>

#include "schema/error.h"

namespace actkin {
namespace {

enum Number { kMetric, kDimension, kRowCount, kRowsChecksum };

constexpr std::size_t kBufferBytes = 1U << 20;

SectionFileHeader NewHeader(const FaissSource& source) {
  SectionFileHeader header;
  header.kind = FileKind::kFaiss;
  header.numbers = {static_cast<std::uint64_t>(source.metric), source.dimension, source.row_count,
                    source.rows_checksum};
  return header;
}

}  // namespace

FaissFile::FaissFile(const std::filesystem::path& path) : file_(path, FileKind::kFaiss) {
  const auto& numbers = file_.header().numbers;
  if (numbers[kMetric] > static_cast<std::uint64_t>(Metric::kCosine)) {
    FailDamaged("{}: damaged: its metric is out of range", path.string());
  }
  source_ = {static_cast<Metric>(numbers[kMetric]), numbers[kDimension], numbers[kRowCount], numbers[kRowsChecksum]};
}

FaissFileWriter::FaissFileWriter(const std::filesystem::path& path, const FaissSource& source)
    : header_(NewHeader(source)), file_(path, OutputFile::Mode::kCreate), checksum_(XXH3_createState()) {
  if (checksum_ == nullptr) throw std::bad_alloc();
  XXH3_64bits_reset(checksum_);
  buffer_.reserve(kBufferBytes);
}

FaissFileWriter::~FaissFileWriter() { XXH3_freeState(checksum_); }

void FaissFileWriter::Append(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const std::size_t count = std::min(bytes.size(), kBufferBytes - buffer_.size());
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(count));
    bytes = bytes.subspan(count);
    if (buffer_.size() == kBufferBytes) WriteBuffer();
  }
}

void FaissFileWriter::WriteBuffer() {
  Section& section = header_.sections[0];
  XXH3_64bits_update(checksum_, buffer_.data(), buffer_.size());
  file_.WriteAt(kSectionAlignment + section.bytes, buffer_.data(), buffer_.size());
  section.bytes += buffer_.size();
  buffer_.clear();
}

std::uint64_t FaissFileWriter::Finish() {
  WriteBuffer();
  header_.sections[0].checksum = XXH3_64bits_digest(checksum_);
  LayOutSections(header_);
  const std::string encoded = EncodeHeader(header_);
  file_.WriteAt(0, encoded);
  file_.Flush();
  return HeaderChecksum(encoded);
}

}  // namespace actkin
