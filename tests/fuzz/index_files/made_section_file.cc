#include "tests/fuzz/index_files/made_section_file.h"

#include <xxhash.h>

#include <algorithm>
#include <cstring>

namespace actkin {
namespace {

constexpr std::uint64_t kLargestFile = 1U << 20;
constexpr std::size_t kSectionsOffset = 80;  // in the header, as section_file.h says
constexpr std::size_t kChecksumOffset = kSectionAlignment - sizeof(std::uint64_t);

enum Flag : unsigned {
  kOwnSizes = 1,        // sections of sizes that the input gives
  kOwnSectionSums = 2,  // checksums of sections are left as they are
  kOwnHeaderSum = 4,    // and that of the header
  kManyChanges = 8,     // what is left of the input changes bytes, instead of filling sections
};

void PutSums(std::string& file, const SectionFileHeader& header, unsigned flags) {
  if ((flags & kOwnSectionSums) == 0) {
    for (std::size_t i = 0; i < header.sections.size(); ++i) {
      const Section& section = header.sections[i];
      if (section.bytes == 0 || section.end() > file.size()) continue;
      const std::uint64_t sum = XXH3_64bits(file.data() + section.offset, section.bytes);
      std::memcpy(file.data() + kSectionsOffset + i * sizeof(Section) + offsetof(Section, checksum), &sum, sizeof(sum));
    }
  }
  if ((flags & kOwnHeaderSum) == 0 && file.size() >= kSectionAlignment) {
    const std::uint64_t sum = XXH3_64bits(file.data(), kChecksumOffset);
    std::memcpy(file.data() + kChecksumOffset, &sum, sizeof(sum));
  }
}

}  // namespace

std::string MakeSectionFile(FuzzInput& input, FileKind kind, const std::function<SectionBytes(HeaderNumbers&)>& fit,
                            const std::function<void(const SectionFileHeader&, std::string&)>& fill) {
  const unsigned flags = input.Take<std::uint8_t>();
  SectionFileHeader header;
  header.kind = kind;
  for (std::uint64_t& number : header.numbers) number = input.TakeNumber();
  SectionBytes sizes{};
  if ((flags & kOwnSizes) != 0) {
    for (std::uint64_t& size : sizes) size = input.TakeNumber();
  } else {
    sizes = fit(header.numbers);
  }
  for (std::size_t i = 0; i < sizes.size(); ++i) header.sections[i].bytes = std::min(sizes[i], kLargestFile);
  LayOutSections(header);
  const bool cut_off = header.file_bytes > kLargestFile;
  std::string file = EncodeHeader(header);
  if (!cut_off) {
    file.resize(header.file_bytes);
    if (fill) fill(header, file);
  }
  for (std::size_t at = kSectionAlignment; (flags & kManyChanges) == 0 && at < file.size() && !input.empty(); ++at) {
    file[at] = static_cast<char>(input.Take<std::uint8_t>());
  }
  while (!input.empty()) {
    const std::size_t at = input.Take<std::uint32_t>() % file.size();
    file[at] = static_cast<char>(input.Take<std::uint8_t>());
  }
  PutSums(file, header, flags);
  return file;
}

}  // namespace actkin
