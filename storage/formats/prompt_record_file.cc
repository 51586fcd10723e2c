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
      record_bytes_(record_bytes) {
  if (const std::optional<std::uint64_t> progress = ReadProgress()) {
    done_ = *progress;
    file_.emplace(path_, OutputFile::Mode::kContinue);
    return;
  }
  file_.emplace(path_, OutputFile::Mode::kCreate);
  file_->Resize(header_.file_bytes);
  WriteProgress();
}

std::optional<std::uint64_t> PromptRecordWriter::ReadProgress() const {
  if (!std::filesystem::is_regular_file(path_)) return std::nullopt;
  const MappedFile file(path_);
  if (file.size() != header_.file_bytes) return std::nullopt;
  Progress progress;
  const Progress expected;
  std::memcpy(&progress, file.bytes().data(), sizeof(progress));
  const bool ours = std::memcmp(progress.magic, expected.magic, sizeof(expected.magic)) == 0 &&
                    progress.checksum == ChecksumOf(progress) &&
                    progress.kind == static_cast<std::uint64_t>(header_.kind) && progress.numbers == header_.numbers &&
                    progress.done <= prompts_;
  return ours ? std::optional(progress.done) : std::nullopt;
}

void PromptRecordWriter::WriteProgress() {
  Progress progress;
  progress.kind = static_cast<std::uint64_t>(header_.kind);
  progress.numbers = header_.numbers;
  progress.done = done_;
  progress.checksum = ChecksumOf(progress);
  file_->WriteAt(0, &progress, sizeof(progress));
}

void PromptRecordWriter::Write(std::span<const std::byte> records) {
  file_->WriteAt(header_.sections[0].offset + done_ * record_bytes_, records.data(), records.size());
  // The records are there before anything says so.
  file_->Flush();
  done_ += records.size() / record_bytes_;
  WriteProgress();
}

std::uint64_t PromptRecordWriter::Finish() {
  {
    const MappedFile written(path_);
    const auto records = written.bytes().subspan(header_.sections[0].offset, header_.sections[0].bytes);
    header_.sections[0].checksum = XXH3_64bits(records.data(), records.size());
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
