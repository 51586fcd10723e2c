#include "storage/formats/code_file.h"

#include <algorithm>
#include <limits>

#include "schema/error.h"

namespace actkin {
namespace {

enum Number { kEmbed, kPositions, kVocabulary, kCodeBytes, kFirstRow, kEndRow };
enum SectionIndex { kTokens, kPositionEmbeddings, kCodes };

constexpr std::uint64_t kMaximumVocabulary = 65536;
constexpr std::uint64_t kMaximumSize = 1U << 20;  // of an embedding, and of a context

template <typename Code>
std::vector<Code> Narrow(std::span<const TokenId> codes) {
  return {codes.begin(), codes.end()};
}

}  // namespace

CodeFile::CodeFile(const std::filesystem::path& path) : file_(path, FileKind::kCodes) {
  const auto& numbers = file_.header().numbers;
  embed_ = numbers[kEmbed];
  positions_ = numbers[kPositions];
  vocabulary_size_ = numbers[kVocabulary];
  code_bytes_ = numbers[kCodeBytes];
  rows_ = {numbers[kFirstRow], numbers[kEndRow]};
  const bool sane = embed_ > 0 && embed_ <= kMaximumSize && positions_ > 0 && positions_ <= kMaximumSize &&
                    vocabulary_size_ > 0 && vocabulary_size_ <= kMaximumVocabulary &&
                    code_bytes_ == (vocabulary_size_ <= 256 ? 1U : 2U) && rows_.begin <= rows_.end &&
                    rows_.end <= std::numeric_limits<RowNumber>::max();
  if (!sane) FailDamaged("{}: damaged: a size in its header is out of range", path.string());
  tokens_ = file_.Numbers<float>(kTokens, vocabulary_size_ * embed_);
  position_embeddings_ = file_.Numbers<float>(kPositionEmbeddings, positions_ * embed_);
  if (code_bytes_ == 1) {
    Codes8();
  } else {
    Codes16();
  }
}

std::span<const std::uint8_t> CodeFile::Codes8() const {
  return file_.Numbers<std::uint8_t>(kCodes, rows_.size() * positions_);
}

std::span<const std::uint16_t> CodeFile::Codes16() const {
  return file_.Numbers<std::uint16_t>(kCodes, rows_.size() * positions_);
}

void CodeFile::Verify() const {
  file_.VerifyBytes();
  const auto beyond = [this](auto code) { return code >= vocabulary_size_; };
  if (code_bytes_ == 1 ? std::ranges::any_of(Codes8(), beyond) : std::ranges::any_of(Codes16(), beyond)) {
    FailDamaged("{}: damaged: a code is not below the vocabulary size {}", file_.path().string(), vocabulary_size_);
  }
}

std::uint64_t WriteCodeFile(const std::filesystem::path& path, std::uint64_t embed, std::span<const float> tokens,
                            std::span<const float> position_embeddings, std::span<const TokenId> codes, RowRange rows) {
  const std::uint64_t vocabulary_size = tokens.size() / embed;
  const std::uint64_t positions = position_embeddings.size() / embed;
  if (vocabulary_size > kMaximumVocabulary) {
    Fail("a vocabulary of {} tokens is too large for an embedding index: at most {}", vocabulary_size,
         kMaximumVocabulary);
  }
  const std::uint64_t code_bytes = vocabulary_size <= 256 ? 1 : 2;
  const auto write = [&](const auto& narrow) {
    return WriteSectionFile(
        path, FileKind::kCodes, {embed, positions, vocabulary_size, code_bytes, rows.begin, rows.end, 0, 0},
        {std::as_bytes(tokens), std::as_bytes(position_embeddings), std::as_bytes(std::span(narrow))});
  };
  return code_bytes == 1 ? write(Narrow<std::uint8_t>(codes)) : write(Narrow<std::uint16_t>(codes));
}

}  // namespace actkin
