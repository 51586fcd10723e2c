#include "storage/formats/section_file.h"

#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>
#include <utility>

#include "schema/error.h"

namespace actkin {
namespace {

static_assert(std::endian::native == std::endian::little, "files are little-endian, and mapped as they are");

constexpr char kMagic[8] = {'A', 'C', 'T', 'K', 'I', 'N', '\r', '\n'};
constexpr std::size_t kChecksumOffset = kSectionAlignment - sizeof(std::uint64_t);

// The header as it lies in the file.
struct RawHeader {
  char magic[8];
  std::uint32_t version;
  std::uint32_t kind;
  std::uint64_t numbers[8];
  Section sections[4];
  std::uint64_t file_bytes;
};
static_assert(sizeof(RawHeader) == 184 && sizeof(Section) == 24);

std::uint64_t AlignUp(std::uint64_t bytes) {
  return (bytes + kSectionAlignment - 1) / kSectionAlignment * kSectionAlignment;
}

std::uint64_t Xxh3(std::span<const std::byte> bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

// The same of mapped bytes. Of many it lets go as it reads them: a file of gigabytes would be in memory whole.
std::uint64_t Xxh3OfMapped(std::span<const std::byte> bytes) {
  constexpr std::size_t kPart = std::size_t{16} << 20;
  if (bytes.size() <= kPart) return Xxh3(bytes);
  const std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state(XXH3_createState(), &XXH3_freeState);
  XXH3_64bits_reset(state.get());
  while (!bytes.empty()) {
    const std::span<const std::byte> part = bytes.first(std::min(kPart, bytes.size()));
    XXH3_64bits_update(state.get(), part.data(), part.size());
    ForgetMapped(part.data(), part.size());
    bytes = bytes.subspan(part.size());
  }
  return XXH3_64bits_digest(state.get());
}

}  // namespace

void LayOutSections(SectionFileHeader& header) {
  std::uint64_t end = kSectionAlignment;
  for (Section& section : header.sections) {
    section.offset = section.bytes == 0 ? 0 : AlignUp(end);
    if (section.bytes != 0) end = section.end();
  }
  header.file_bytes = end;
}

std::string EncodeHeader(const SectionFileHeader& header) {
  RawHeader raw{};
  std::memcpy(raw.magic, kMagic, sizeof(kMagic));
  raw.version = kSectionFileVersion;
  raw.kind = static_cast<std::uint32_t>(header.kind);
  std::ranges::copy(header.numbers, raw.numbers);
  std::ranges::copy(header.sections, raw.sections);
  raw.file_bytes = header.file_bytes;
  std::string encoded(kSectionAlignment, '\0');
  std::memcpy(encoded.data(), &raw, sizeof(raw));
  const std::uint64_t checksum = XXH3_64bits(encoded.data(), kChecksumOffset);
  std::memcpy(encoded.data() + kChecksumOffset, &checksum, sizeof(checksum));
  return encoded;
}

std::uint64_t HeaderChecksum(std::string_view encoded) {
  std::uint64_t checksum = 0;
  std::memcpy(&checksum, encoded.data() + kChecksumOffset, sizeof(checksum));
  return checksum;
}

SectionFile::SectionFile(const std::filesystem::path& path, FileKind kind) : path_(path), file_(path) {
  // What a search reads here and there: a row of 1.5 kB takes 350 ns in large pages, 470 in small ones.
  if (kind == FileKind::kVectors || kind == FileKind::kGraph) file_.PreferLargePages();
  const std::span<const std::byte> bytes = file_.bytes();
  const std::string name = path.string();
  if (bytes.size() < sizeof(RawHeader)) FailDamaged("{}: {} bytes are too few for a header", name, bytes.size());
  RawHeader raw{};
  std::memcpy(&raw, bytes.data(), sizeof(raw));
  if (std::memcmp(raw.magic, kMagic, sizeof(kMagic)) != 0) FailDamaged("{}: not an actkin file", name);
  if (raw.version > kSectionFileVersion) {
    Fail(ErrorCode::kUnsupported, "{}: format version {} is newer than this program's {}: use a newer actkin", name,
         raw.version, kSectionFileVersion);
  }
  if (bytes.size() < kSectionAlignment) FailDamaged("{}: truncated: {} bytes", name, bytes.size());
  header_checksum_ = HeaderChecksum({reinterpret_cast<const char*>(bytes.data()), kSectionAlignment});
  if (Xxh3(bytes.first(kChecksumOffset)) != header_checksum_) {
    FailDamaged("{}: damaged: the header's checksum is wrong", name);
  }
  if (raw.version != kSectionFileVersion) {
    Fail(ErrorCode::kUnsupported, "{}: format version {} is unknown", name, raw.version);
  }
  if (raw.kind != static_cast<std::uint32_t>(kind)) FailDamaged("{}: a file of another kind ({})", name, raw.kind);
  header_.kind = kind;
  std::ranges::copy(raw.numbers, header_.numbers.begin());
  std::ranges::copy(raw.sections, header_.sections.begin());
  header_.file_bytes = raw.file_bytes;
  if (raw.file_bytes != bytes.size()) {
    FailDamaged("{}: damaged: {} bytes where its header says {}", name, bytes.size(), raw.file_bytes);
  }
  // A valid header can be laid out again from its byte counts alone.
  SectionFileHeader again = header_;
  for (const Section& section : again.sections) {
    if (section.bytes > bytes.size()) FailDamaged("{}: damaged: a section is larger than the file", name);
  }
  LayOutSections(again);
  bool same = again.file_bytes == header_.file_bytes;
  for (std::size_t i = 0; i < header_.sections.size(); ++i)
    same &= again.sections[i].offset == header_.sections[i].offset;
  if (!same) FailDamaged("{}: damaged: its sections do not add up to the file", name);
}

std::span<const std::byte> SectionFile::section(std::size_t index) const {
  const Section& section = header_.sections[index];
  return file_.bytes().subspan(section.offset, section.bytes);
}

void SectionFile::RequireBytes(std::size_t index, std::uint64_t count, std::size_t size) const {
  const std::uint64_t bytes = header_.sections[index].bytes;
  if (bytes % size != 0 || bytes / size != count) {
    FailDamaged("{}: section {} has {} bytes, expected {} numbers of {} bytes", path_.string(), index, bytes, count,
                size);
  }
}

void SectionFile::VerifyBytes(int except) const {
  std::uint64_t end = kSectionAlignment;
  for (std::size_t i = 0; i < header_.sections.size(); ++i) {
    const Section& section = header_.sections[i];
    if (section.bytes == 0) continue;
    const auto gap = file_.bytes().subspan(end, section.offset - end);
    if (std::ranges::any_of(gap, [](std::byte byte) { return byte != std::byte{0}; })) {
      FailDamaged("{}: damaged: bytes between sections are not zero", path_.string());
    }
    if (static_cast<int>(i) != except && Xxh3OfMapped(this->section(i)) != section.checksum) {
      FailDamaged("{}: damaged: the checksum of section {} is wrong", path_.string(), i);
    }
    end = section.end();
  }
}

std::uint64_t WriteSectionFile(const std::filesystem::path& path, FileKind kind,
                               const std::array<std::uint64_t, 8>& numbers,
                               const std::vector<std::span<const std::byte>>& sections) {
  SectionFileHeader header;
  header.kind = kind;
  header.numbers = numbers;
  for (std::size_t i = 0; i < sections.size(); ++i) {
    header.sections.at(i).bytes = sections[i].size();
    if (!sections[i].empty()) header.sections.at(i).checksum = Xxh3(sections[i]);
  }
  LayOutSections(header);
  const std::string encoded = EncodeHeader(header);
  OutputFile file(path, OutputFile::Mode::kCreate);
  file.WriteAt(0, encoded);
  for (std::size_t i = 0; i < sections.size(); ++i) {
    if (!sections[i].empty()) file.WriteAt(header.sections[i].offset, sections[i].data(), sections[i].size());
  }
  file.Flush();
  return HeaderChecksum(encoded);
}

}  // namespace actkin
