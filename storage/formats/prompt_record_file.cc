#include "storage/formats/prompt_record_file.h"

#include <xxhash.h>

#include <algorithm>
#include <limits>

#include "schema/error.h"

namespace actkin {
namespace {

constexpr std::size_t kOwnNumbers = 2;

SectionFileHeader MakeHeader(FileKind kind, std::uint64_t prompts, std::uint64_t record_bytes,
                             std::span<const std::uint64_t> numbers) {
  SectionFileHeader header;
  header.kind = kind;
  header.numbers[0] = prompts;
  header.numbers[1] = record_bytes;
  std::ranges::copy(numbers, header.numbers.begin() + kOwnNumbers);
  header.sections[0].bytes = prompts * record_bytes;
  LayOutSections(header);
  return header;
}

}  // namespace

PromptRecordFile::PromptRecordFile(const std::filesystem::path& path, FileKind kind)
    : file_(path, kind),
      prompts_(file_.header().numbers[0]),
      record_bytes_(file_.header().numbers[1]),
      records_(file_.section(0)) {
  const bool sane = prompts_ > 0 && record_bytes_ > 0 && record_bytes_ % 8 == 0 &&
                    prompts_ <= std::numeric_limits<std::uint64_t>::max() / record_bytes_ &&
                    prompts_ * record_bytes_ == records_.size();
  if (!sane) {
    FailDamaged("{}: damaged: {} records of {} bytes do not fill {}", path.string(), prompts_, record_bytes_,
                records_.size());
  }
}

PromptRecordWriter::PromptRecordWriter(const std::filesystem::path& path, FileKind kind, std::uint64_t prompts,
                                       std::uint64_t record_bytes, std::array<std::uint64_t, 6> numbers,
                                       const WrittenRecords& written)
    : header_(MakeHeader(kind, prompts, record_bytes, numbers)),
      path_(path),
      record_bytes_(record_bytes),
      lists_offset_((header_.file_bytes + kSectionAlignment - 1) / kSectionAlignment * kSectionAlignment),
      written_(written) {
  const bool continued = written.prompts > 0;
  file_.emplace(path_, continued ? OutputFile::Mode::kContinue : OutputFile::Mode::kCreate);
  if (!continued) file_->Resize(header_.file_bytes);
}

void PromptRecordWriter::Write(std::span<const std::byte> records, std::span<const std::byte> lists) {
  file_->WriteAt(header_.sections[0].offset + written_.prompts * record_bytes_, records.data(), records.size());
  if (!lists.empty()) file_->WriteAt(lists_offset_ + written_.list_bytes, lists.data(), lists.size());
  written_.prompts += records.size() / record_bytes_;
  written_.list_bytes += lists.size();
}

std::uint64_t PromptRecordWriter::Finish() {
  header_.sections[1].bytes = written_.list_bytes;
  LayOutSections(header_);
  // A run that was killed may have written lists that no progress speaks of.
  file_->Resize(header_.file_bytes);
  {
    const MappedFile written(path_);
    for (Section& section : header_.sections) {
      if (section.bytes == 0) continue;
      const auto bytes = written.bytes().subspan(section.offset, section.bytes);
      section.checksum = XXH3_64bits(bytes.data(), bytes.size());
    }
  }
  const std::string encoded = EncodeHeader(header_);
  file_->WriteAt(0, encoded);
  file_->Flush();
  file_.reset();
  return HeaderChecksum(encoded);
}

std::uint64_t PromptRecordWriter::FileBytes(std::uint64_t prompts, std::uint64_t record_bytes) {
  return MakeHeader(FileKind::kSavedNeighbors, prompts, record_bytes, {}).file_bytes;
}

}  // namespace actkin
