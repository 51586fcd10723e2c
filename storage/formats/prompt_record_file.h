#ifndef ACTKIN_STORAGE_FORMATS_PROMPT_RECORD_FILE_H_
#define ACTKIN_STORAGE_FORMATS_PROMPT_RECORD_FILE_H_

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>

#include "storage/formats/section_file.h"
#include "storage/machine/file.h"

namespace actkin {

// A section file with one record of a fixed size for every prompt of a set, in the prompts' order: section 0; and what
// differs in size from prompt to prompt, one after the other: section 1. Numbers: how many prompts, bytes of a record
// (a multiple of 8), then what the kind gives.
class PromptRecordFile {
 public:
  // Maps the file; reads only its header. Throws Error naming `path`.
  PromptRecordFile(const std::filesystem::path& path, FileKind kind);

  std::uint64_t prompts() const { return prompts_; }
  std::uint64_t record_bytes() const { return record_bytes_; }
  // The kind's own number, from 0.
  std::uint64_t number(std::size_t index) const { return file_.header().numbers.at(index + 2); }
  // REQUIRES: prompt < prompts(). Aligned to 8 bytes.
  std::span<const std::byte> Record(std::uint64_t prompt) const {
    return records_.subspan(prompt * record_bytes_, record_bytes_);
  }
  // Section 1, aligned to 4,096 bytes; empty for kinds that have none.
  std::span<const std::byte> lists() const { return file_.section(1); }
  std::uint64_t file_bytes() const { return file_.header().file_bytes; }
  std::uint64_t header_checksum() const { return file_.header_checksum(); }
  const std::filesystem::path& path() const { return file_.path(); }

  // Reads every byte. Throws Error naming the file.
  void VerifyBytes() const { file_.VerifyBytes(); }

 private:
  SectionFile file_;
  std::uint64_t prompts_ = 0;
  std::uint64_t record_bytes_ = 0;
  std::span<const std::byte> records_;
};

// What an earlier run wrote to a file of records that is not finished.
struct WrittenRecords {
  std::uint64_t prompts = 0;
  std::uint64_t list_bytes = 0;
};

// Writes such a file from front to back. One thread.
class PromptRecordWriter {
 public:
  // numbers: the kind's own. Where `written` is of some prompts, goes on behind them. REQUIRES: record_bytes is a
  // positive multiple of 8, prompts is not 0; what is `written` is in the file, of the same numbers.
  PromptRecordWriter(const std::filesystem::path& path, FileKind kind, std::uint64_t prompts,
                     std::uint64_t record_bytes, std::array<std::uint64_t, 6> numbers,
                     const WrittenRecords& written = {});

  // Bytes of section 1 so far.
  std::uint64_t list_bytes() const { return written_.list_bytes; }
  // The records of the next prompts, and what of section 1 is theirs.
  void Write(std::span<const std::byte> records, std::span<const std::byte> lists = {});
  // What has been written is on the medium.
  void Flush() { file_->Flush(); }
  // Writes the header and flushes. REQUIRES: all prompts have their records. Returns the header's checksum.
  std::uint64_t Finish();

  // Without section 1.
  static std::uint64_t FileBytes(std::uint64_t prompts, std::uint64_t record_bytes);

 private:
  SectionFileHeader header_;
  std::filesystem::path path_;
  std::uint64_t record_bytes_;
  std::uint64_t lists_offset_;
  WrittenRecords written_;
  std::optional<OutputFile> file_;
};

}  // namespace actkin

#endif  // ACTKIN_STORAGE_FORMATS_PROMPT_RECORD_FILE_H_
