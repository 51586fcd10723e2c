#include "storage/formats/prompt_record_file.h"

#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "schema/error.h"

namespace actkin {
namespace {

constexpr std::size_t kOwnNumbers = 2;

// Stands where the header will be while a file is unfinished.
struct Progress {
  char magic[8] = {'P', 'A', 'R', 'T', 'I', 'A', 'L', '\n'};
  std::uint64_t kind = 0;
  std::array<std::uint64_t, 8> numbers{};
  std::uint64_t done = 0;
  std::uint64_t list_bytes = 0;
  std::uint64_t checksum = 0;  // of the bytes before
};

std::uint64_t ChecksumOf(const Progress& progress) { return XXH3_64bits(&progress, offsetof(Progress, checksum)); }

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
                                       std::uint64_t record_bytes, std::array<std::uint64_t, 6> numbers)
    : header_(MakeHeader(kind, prompts, record_bytes, numbers)),
      path_(path),
      prompts_(prompts),
      record_bytes_(record_bytes),
      lists_offset_((header_.file_bytes + kSectionAlignment - 1) / kSectionAlignment * kSectionAlignment) {
  if (ReadProgress()) {
    file_.emplace(path_, OutputFile::Mode::kContinue);
    return;
  }
  file_.emplace(path_, OutputFile::Mode::kCreate);
  file_->Resize(header_.file_bytes);
  WriteProgress();
}

bool PromptRecordWriter::ReadProgress() {
  if (!std::filesystem::is_regular_file(path_)) return false;
  const MappedFile file(path_);
  if (file.size() < header_.file_bytes) return false;
  Progress progress;
  const Progress expected;
  std::memcpy(&progress, file.bytes().data(), sizeof(progress));
  const bool ours =
      std::memcmp(progress.magic, expected.magic, sizeof(expected.magic)) == 0 &&
      progress.checksum == ChecksumOf(progress) && progress.kind == static_cast<std::uint64_t>(header_.kind) &&
      progress.numbers == header_.numbers && progress.done <= prompts_ &&
      (progress.list_bytes == 0 || (file.size() > lists_offset_ && progress.list_bytes <= file.size() - lists_offset_));
  if (!ours) return false;
  done_ = progress.done;
  list_bytes_ = progress.list_bytes;
  return true;
}

void PromptRecordWriter::WriteProgress() {
  Progress progress;
  progress.kind = static_cast<std::uint64_t>(header_.kind);
  progress.numbers = header_.numbers;
  progress.done = done_;
  progress.list_bytes = list_bytes_;
  progress.checksum = ChecksumOf(progress);
  file_->WriteAt(0, &progress, sizeof(progress));
}

void PromptRecordWriter::Write(std::span<const std::byte> records, std::span<const std::byte> lists) {
  file_->WriteAt(header_.sections[0].offset + done_ * record_bytes_, records.data(), records.size());
  if (!lists.empty()) file_->WriteAt(lists_offset_ + list_bytes_, lists.data(), lists.size());
  // The records are there before anything says so.
  file_->Flush();
  done_ += records.size() / record_bytes_;
  list_bytes_ += lists.size();
  WriteProgress();
}

std::uint64_t PromptRecordWriter::Finish() {
  header_.sections[1].bytes = list_bytes_;
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
