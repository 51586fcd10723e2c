#include "storage/formats/suffix_order_file.h"

#include <cstring>
#include <limits>
#include <vector>

#include "schema/error.h"

namespace actkin {
namespace {

enum Number { kEntries, kTokensChecksum };
enum SectionIndex { kBegins };

}  // namespace

SuffixOrderFile::SuffixOrderFile(const std::filesystem::path& path) : file_(path, FileKind::kSuffixOrder) {
  const std::uint64_t entries = file_.header().numbers[kEntries];
  if (entries > std::numeric_limits<std::uint32_t>::max())
    FailDamaged("{}: damaged: {} entries", path.string(), entries);
  begins_ = file_.Numbers<std::uint32_t>(kBegins, entries);
}

std::uint64_t SuffixOrderFile::Begin(std::uint64_t place) const {
  const std::uint32_t begin = begins_[place];
  if (begin >= size()) FailDamaged("{}: damaged: a suffix begins at {} of {}", path().string(), begin, size());
  return begin;
}

void SuffixOrderFile::RequireOf(const CorpusTokensFile& tokens) const {
  if (size() == tokens.entry_count() && file_.header().numbers[kTokensChecksum] == tokens.header_checksum()) return;
  FailDamaged("{}: damaged, or of another build: it is not the order of {}", path().string(), tokens.path().string());
}

void SuffixOrderFile::Verify() const { file_.VerifyBytes(); }

void SuffixOrderFile::VerifyOrder(const CorpusTokensFile& tokens) const {
  constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();
  std::vector<std::uint32_t> places(size(), kNone);
  for (std::uint64_t place = 0; place < size(); ++place) {
    std::uint32_t& of_begin = places[Begin(place)];
    if (of_begin != kNone) FailDamaged("{}: damaged: suffix {} stands there twice", path().string(), Begin(place));
    of_begin = static_cast<std::uint32_t>(place);
  }
  // Neighbors are in order where their first entries are, or these are the same and the rest is: of the rest the places
  // tell.
  const auto width = static_cast<std::size_t>(tokens.width());
  const std::byte* const entries = tokens.entries().data();
  for (std::uint64_t place = 1; place < size(); ++place) {
    const std::uint64_t before = Begin(place - 1);
    const std::uint64_t begin = Begin(place);
    const int first = std::memcmp(entries + before * width, entries + begin * width, width);
    const bool before_ends = before + 1 == size();
    const bool ends = begin + 1 == size();
    const bool in_order = first < 0 || (first == 0 && !ends && (before_ends || places[before + 1] < places[begin + 1]));
    if (!in_order) FailDamaged("{}: damaged: suffix {} is not in its place", path().string(), begin);
  }
}

std::uint64_t WriteSuffixOrderFile(const std::filesystem::path& path, const CorpusTokensFile& tokens,
                                   std::span<const std::uint32_t> begins) {
  return WriteSectionFile(path, FileKind::kSuffixOrder, {begins.size(), tokens.header_checksum(), 0, 0, 0, 0, 0, 0},
                          {std::as_bytes(begins)});
}

}  // namespace actkin
