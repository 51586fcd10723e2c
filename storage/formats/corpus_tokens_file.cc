#include "storage/formats/corpus_tokens_file.h"

#include <algorithm>
#include <limits>
#include <string>

#include "schema/error.h"
#include "schema/token_ids.h"

namespace actkin {
namespace {

enum Number { kWidth, kTokens, kDocuments, kVocabularySize };
enum SectionIndex { kEntries, kBegins };

// Entries are numbered with 32 bits.
constexpr std::uint64_t kMostEntries = std::numeric_limits<std::uint32_t>::max();

TokenId Separator(int width) { return std::numeric_limits<TokenId>::max() >> (8 * (4 - width)); }

}  // namespace

CorpusTokensFile::CorpusTokensFile(const std::filesystem::path& path) : file_(path, FileKind::kCorpusTokens) {
  const std::array<std::uint64_t, 8>& numbers = file_.header().numbers;
  vocabulary_size_ = numbers[kVocabularySize];
  token_count_ = numbers[kTokens];
  const std::uint64_t documents = numbers[kDocuments];
  const std::uint64_t most_tokens = std::uint64_t{1} << 31;
  if (vocabulary_size_ > most_tokens || token_count_ > kMostEntries || documents > kMostEntries - token_count_ ||
      documents == 0) {
    FailDamaged("{}: damaged: {} tokens of {} in {} documents", path.string(), token_count_, vocabulary_size_,
                documents);
  }
  width_ = TokenIdWidth(vocabulary_size_);
  if (numbers[kWidth] != static_cast<std::uint64_t>(width_)) {
    FailDamaged("{}: damaged: {} bytes a token of {}", path.string(), numbers[kWidth], vocabulary_size_);
  }
  separator_ = Separator(width_);
  entries_ = std::as_bytes(
      file_.Numbers<std::uint8_t>(kEntries, (token_count_ + documents) * static_cast<std::uint64_t>(width_)));
  begins_ = file_.Numbers<std::uint64_t>(kBegins, documents + 1);
  if (begins_.front() != 0 || begins_.back() != token_count_) {
    FailDamaged("{}: damaged: its documents have other tokens than it has", path.string());
  }
}

std::optional<TokenId> CorpusTokensFile::Entry(std::uint64_t entry) const {
  const std::byte* const bytes = entries_.data() + entry * static_cast<std::uint64_t>(width_);
  TokenId token = 0;
  for (int i = 0; i < width_; ++i) token = token << 8 | static_cast<TokenId>(bytes[i]);
  if (token < vocabulary_size_) return token;
  if (token != separator_) FailDamaged("{}: damaged: there is no token {}", path().string(), token);
  return std::nullopt;
}

TokenId CorpusTokensFile::Token(std::uint64_t position) const {
  const std::optional<TokenId> token = Entry(position + DocumentOf(position));
  if (!token) FailDamaged("{}: damaged: no token at position {}", path().string(), position);
  return *token;
}

std::uint64_t CorpusTokensFile::PositionOf(std::uint64_t entry) const {
  // A document's tokens stand behind as many separators as there are documents before it.
  std::uint64_t document = 0;
  for (std::uint64_t after = document_count(); document + 1 < after;) {
    const std::uint64_t middle = document + (after - document) / 2;
    (begins_[middle] + middle <= entry ? document : after) = middle;
  }
  const std::uint64_t position = entry - document;
  if (entry < document || position < begins_[document] || position >= begins_[document + 1]) {
    FailDamaged("{}: damaged: no token at entry {}", path().string(), entry);
  }
  return position;
}

std::uint64_t CorpusTokensFile::DocumentOf(std::uint64_t position) const {
  // The first that begins after it, of which there is one: the end of all.
  const auto after = std::ranges::upper_bound(begins_.begin() + 1, begins_.end() - 1, position);
  const std::uint64_t document = static_cast<std::uint64_t>(after - begins_.begin()) - 1;
  if (position < begins_[document] || position >= begins_[document + 1]) {
    FailDamaged("{}: damaged: position {} is in no document", path().string(), position);
  }
  return document;
}

RowRange CorpusTokensFile::Positions(std::uint64_t document) const {
  const RowRange positions{begins_[document], begins_[document + 1]};
  if (positions.begin > positions.end || positions.end > token_count_) {
    FailDamaged("{}: damaged: document {} has positions {} to {}", path().string(), document, positions.begin,
                positions.end);
  }
  return positions;
}

void CorpusTokensFile::Verify() const {
  file_.VerifyBytes();
  std::uint64_t entry = 0;
  for (std::uint64_t document = 0; document < document_count(); ++document) {
    for (std::uint64_t left = Positions(document).size(); left > 0; --left, ++entry) {
      if (!Entry(entry)) FailDamaged("{}: damaged: document {} ends early", path().string(), document);
    }
    if (Entry(entry++)) FailDamaged("{}: damaged: document {} does not end", path().string(), document);
  }
}

std::uint64_t WriteCorpusTokensFile(const std::filesystem::path& path, std::span<const TokenId> tokens,
                                    std::span<const std::uint64_t> begins, std::uint64_t vocabulary_size) {
  const std::uint64_t documents = begins.size() - 1;
  if (documents > kMostEntries - tokens.size()) {
    Fail("{}: {} tokens in {} documents are too many: at most {}, an end of each document counted", path.string(),
         tokens.size(), documents, kMostEntries);
  }
  const int width = TokenIdWidth(vocabulary_size);
  const TokenId separator = Separator(width);
  std::string entries;
  entries.reserve((tokens.size() + documents) * static_cast<std::size_t>(width));
  for (std::size_t document = 0; document < documents; ++document) {
    AppendTokenIds(tokens.subspan(begins[document], begins[document + 1] - begins[document]), width, entries);
    AppendTokenIds(std::span(&separator, 1), width, entries);
  }
  return WriteSectionFile(path, FileKind::kCorpusTokens,
                          {static_cast<std::uint64_t>(width), tokens.size(), documents, vocabulary_size, 0, 0, 0, 0},
                          {std::as_bytes(std::span(entries)), std::as_bytes(begins)});
}

}  // namespace actkin
