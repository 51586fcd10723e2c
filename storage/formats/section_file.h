#ifndef ACTKIN_STORAGE_FORMATS_SECTION_FILE_H_
#define ACTKIN_STORAGE_FORMATS_SECTION_FILE_H_

#include <array>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/machine/file.h"

namespace actkin {

// The container of every binary file that the project writes. Little-endian.
//
//   offset  bytes
//        0      8  magic "ACTKIN\r\n"
//        8      4  format version
//       12      4  kind
//       16     64  eight numbers, whose meaning the kind gives
//       80     96  four sections: offset, bytes, checksum (8 bytes each); offset 0 where there is none
//      176      8  bytes of the whole file
//     4088      8  xxh3 of the 4,088 bytes before
//
// Sections begin at multiples of 4,096, in order, zeros between them. A section's checksum is xxh3 of its bytes, except
// where the kind says otherwise. The catalog keeps the header's checksum, the header those of the sections.
inline constexpr std::uint32_t kSectionFileVersion = 1;
inline constexpr std::uint64_t kSectionAlignment = 4096;

enum class FileKind : std::uint32_t {
  kVectors = 1,
  kCodes = 2,
  kRowOrder = 3,
  kSketches = 4,
  kGraph = 5,
  kFaiss = 6,
  kSavedNeighbors = 8,
  kPredictions = 9,
  kBandTotals = 10,
  kBandCounts = 11,
  kCorpusTokens = 12,
  kSuffixOrder = 13,
  kPositions = 14,
  kAgreements = 15,
};

struct Section {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  std::uint64_t checksum = 0;

  std::uint64_t end() const { return offset + bytes; }
};

struct SectionFileHeader {
  FileKind kind = FileKind::kVectors;
  std::array<std::uint64_t, 8> numbers{};
  std::array<Section, 4> sections{};
  std::uint64_t file_bytes = 0;
};

// Sets offsets and file_bytes from the sections' byte counts, in order. Sections without bytes get offset 0.
void LayOutSections(SectionFileHeader& header);

// The first 4,096 bytes of the file. The last eight of them are the checksum.
std::string EncodeHeader(const SectionFileHeader& header);
std::uint64_t HeaderChecksum(std::string_view encoded);

// A mapped file whose header, version, kind and size have been checked; sections lie inside the file.
class SectionFile {
 public:
  // Throws Error naming `path`.
  SectionFile(const std::filesystem::path& path, FileKind kind);

  const SectionFileHeader& header() const { return header_; }
  std::uint64_t header_checksum() const { return header_checksum_; }
  const std::filesystem::path& path() const { return path_; }
  std::span<const std::byte> section(std::size_t index) const;

  // A section as numbers. Throws Error unless it holds exactly `count` of them.
  template <typename Number>
  std::span<const Number> Numbers(std::size_t index, std::uint64_t count) const {
    RequireBytes(index, count, sizeof(Number));
    return {reinterpret_cast<const Number*>(section(index).data()), count};
  }

  // Reads every byte: throws Error when a section's xxh3 is not its checksum or when a byte between sections is not
  // zero. `except`: the section whose checksum the kind defines in its own way (-1: none).
  void VerifyBytes(int except = -1) const;

 private:
  void RequireBytes(std::size_t index, std::uint64_t count, std::size_t size) const;

  std::filesystem::path path_;
  MappedFile file_;
  SectionFileHeader header_;
  std::uint64_t header_checksum_ = 0;
};

// Writes and flushes a whole file. Returns the header's checksum.
std::uint64_t WriteSectionFile(const std::filesystem::path& path, FileKind kind,
                               const std::array<std::uint64_t, 8>& numbers,
                               const std::vector<std::span<const std::byte>>& sections);

}  // namespace actkin

#endif  // ACTKIN_STORAGE_FORMATS_SECTION_FILE_H_
