#include "storage/formats/code_file.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <vector>

#include "schema/error.h"

namespace actkin {
namespace {

enum Number { kEmbed, kPositions, kTokens, kCodeBytes, kFirstRow, kEndRow, kPositionEmbeddings };
enum SectionIndex { kTokenSection, kPositionSection, kCodeSection, kIdSection };

constexpr std::uint64_t kMaximumTokens = std::uint64_t{1} << 31;
constexpr std::uint64_t kMaximumSize = 1U << 20;  // of an embedding, and of a context

std::uint64_t CodeBytes(std::uint64_t token_count) {
  if (token_count <= 256) return 1;
  return token_count <= 65536 ? 2 : 4;
}

// The tokens that occur, ascending, and the place of each among them.
struct OccurringTokens {
  std::vector<TokenId> ids;
  std::vector<std::uint32_t> places;  // by token, up to the largest that occurs

  explicit OccurringTokens(std::span<const TokenId> tokens) : places(std::size_t{std::ranges::max(tokens)} + 1) {
    for (const TokenId token : tokens) places[token] = 1;
    for (std::size_t token = 0; token < places.size(); ++token) {
      if (places[token] == 0) continue;
      places[token] = static_cast<std::uint32_t>(ids.size());
      ids.push_back(static_cast<TokenId>(token));
    }
  }
};

template <typename Code>
std::vector<Code> CodesOf(std::span<const TokenId> tokens, const OccurringTokens& occurring) {
  std::vector<Code> codes;
  codes.reserve(tokens.size());
  for (const TokenId token : tokens) codes.push_back(static_cast<Code>(occurring.places[token]));
  return codes;
}

// Calls work with the codes in the type that they have.
template <typename Work>
auto WithCodes(const CodeFile& file, const Work& work) {
  switch (file.code_bytes()) {
    case 1:
      return work(file.Codes<std::uint8_t>());
    case 2:
      return work(file.Codes<std::uint16_t>());
    default:
      return work(file.Codes<std::uint32_t>());
  }
}

}  // namespace

CodeFile::CodeFile(const std::filesystem::path& path) : file_(path, FileKind::kCodes) {
  const auto& numbers = file_.header().numbers;
  embed_ = numbers[kEmbed];
  positions_ = numbers[kPositions];
  token_count_ = numbers[kTokens];
  code_bytes_ = numbers[kCodeBytes];
  rows_ = {numbers[kFirstRow], numbers[kEndRow]};
  const std::uint64_t position_embeddings = numbers[kPositionEmbeddings];
  const bool sane = embed_ > 0 && embed_ <= kMaximumSize && positions_ > 0 && positions_ <= kMaximumSize &&
                    token_count_ > 0 && token_count_ <= kMaximumTokens && code_bytes_ == CodeBytes(token_count_) &&
                    rows_.begin <= rows_.end && rows_.end <= std::numeric_limits<RowNumber>::max() &&
                    (position_embeddings == 0 || position_embeddings == positions_);
  if (!sane) FailDamaged("{}: damaged: a size in its header is out of range", path.string());
  token_embeddings_ = file_.Numbers<float>(kTokenSection, token_count_ * embed_);
  position_embeddings_ = file_.Numbers<float>(kPositionSection, position_embeddings * embed_);
  token_ids_ = file_.Numbers<TokenId>(kIdSection, token_count_);
  WithCodes(*this, [](auto) {});
}

template <typename Code>
std::span<const Code> CodeFile::Codes() const {
  return file_.Numbers<Code>(kCodeSection, rows_.size() * positions_);
}
template std::span<const std::uint8_t> CodeFile::Codes() const;
template std::span<const std::uint16_t> CodeFile::Codes() const;
template std::span<const std::uint32_t> CodeFile::Codes() const;

void CodeFile::Verify() const {
  file_.VerifyBytes();
  const bool beyond = WithCodes(*this, [this](auto codes) {
    return std::ranges::any_of(codes, [this](auto code) { return code >= token_count_; });
  });
  if (beyond) {
    FailDamaged("{}: damaged: a code is not below its number of tokens, {}", file_.path().string(), token_count_);
  }
  if (std::ranges::adjacent_find(token_ids_, std::ranges::greater_equal()) != token_ids_.end()) {
    FailDamaged("{}: damaged: its tokens do not ascend", file_.path().string());
  }
}

std::uint64_t WriteCodeFile(const std::filesystem::path& path, const CodedRows& coded) {
  const OccurringTokens occurring(coded.tokens);
  const std::vector<TokenId>& ids = occurring.ids;
  std::vector<float> embeddings;
  embeddings.reserve(ids.size() * coded.embed);
  for (const TokenId token : ids) {
    const std::span<const float> embedding = coded.embedding_of(token);
    embeddings.insert(embeddings.end(), embedding.begin(), embedding.end());
  }
  const std::uint64_t code_bytes = CodeBytes(ids.size());
  const auto write = [&](const auto& codes) {
    return WriteSectionFile(path, FileKind::kCodes,
                            {coded.embed, coded.positions, ids.size(), code_bytes, coded.rows.begin, coded.rows.end,
                             coded.position_embeddings.size() / coded.embed, 0},
                            {std::as_bytes(std::span(embeddings)), std::as_bytes(coded.position_embeddings),
                             std::as_bytes(std::span(codes)), std::as_bytes(std::span(ids))});
  };
  if (code_bytes == 1) return write(CodesOf<std::uint8_t>(coded.tokens, occurring));
  if (code_bytes == 2) return write(CodesOf<std::uint16_t>(coded.tokens, occurring));
  return write(CodesOf<std::uint32_t>(coded.tokens, occurring));
}

}  // namespace actkin
