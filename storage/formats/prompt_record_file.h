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

// Writes such a file from front to back. What was written survives a kill: a writer made for the same path and numbers
// goes on behind it. One thread.
class PromptRecordWriter {
 public:
  // numbers: the kind's own. REQUIRES: record_bytes is a positive multiple of 8, prompts is not 0.
  PromptRecordWriter(const std::filesystem::path& path, FileKind kind, std::uint64_t prompts,
                     std::uint64_t record_bytes, std::array<std::uint64_t, 6> numbers);

  // How many prompts have their records, of a former run's too.
  std::uint64_t done() const { return done_; }
  // Bytes of section 1 so far.
  std::uint64_t list_bytes() const { return list_bytes_; }
  // The records of the next prompts, and what of section 1 is theirs. On the medium when it returns.
  void Write(std::span<const std::byte> records, std::span<const std::byte> lists = {});
  // Writes the header and flushes. REQUIRES: done() is the number of prompts. Returns the header's checksum.
  std::uint64_t Finish();

  // Without section 1.
  static std::uint64_t FileBytes(std::uint64_t prompts, std::uint64_t record_bytes);

 private:
  bool ReadProgress();
  void WriteProgress();

  SectionFileHeader header_;
  std::filesystem::path path_;
  std::uint64_t prompts_;
  std::uint64_t record_bytes_;
  std::uint64_t lists_offset_;
  std::uint64_t done_ = 0;
  std::uint64_t list_bytes_ = 0;
  std::optional<OutputFile> file_;
};

}  // namespace actkin

#endif  // ACTKIN_STORAGE_FORMATS_PROMPT_RECORD_FILE_H_
