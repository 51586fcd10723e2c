#include "query/predict/next_token_counts.h"

#include <limits>

#include "schema/error.h"

namespace actkin {

void CatalogNextTokenCounts::Add(StringId string_id, double factor, TokenAccumulator& totals) const {
  for (const NextTokenCount& next : catalog_.NextTokens(string_id)) {
    totals.Add(next.token_id, factor * static_cast<double>(next.count));
  }
}

void CorpusNextTokens::Add(std::uint64_t position, double factor, TokenAccumulator& totals) const {
  if (position >= corpus_->token_count()) Fail("position {}: the corpus has {}", position, corpus_->token_count());
  if (position + 1 == corpus_->Positions(corpus_->DocumentOf(position)).end) return;
  totals.Add(corpus_->Token(position + 1), factor);
}

void StringRowNextTokens::Read(RowRange rows, std::vector<NextTokenTable::Entry>& /*room*/,
                               std::vector<Entries>& entries) const {
  entries.clear();
  for (std::uint64_t row = rows.begin; row < rows.end; ++row) {
    entries.push_back(table_.Of(first_ + order_.Number(static_cast<RowNumber>(row))));
  }
}

void PositionRowNextTokens::Read(RowRange rows, std::vector<NextTokenTable::Entry>& room,
                                 std::vector<Entries>& entries) const {
  entries.clear();
  room.resize(rows.size());
  std::uint64_t document = 0;
  RowRange positions{0, 0};
  for (std::uint64_t row = rows.begin; row < rows.end; ++row) {
    const std::uint64_t position = positions_.Number(static_cast<RowNumber>(row));
    if (position >= corpus_->token_count()) Fail("position {}: the corpus has {}", position, corpus_->token_count());
    if (position < positions.begin || position >= positions.end) {
      document = corpus_->DocumentOf(position);
      positions = corpus_->Positions(document);
    }
    const std::optional<TokenId> next = corpus_->Entry(position + document + 1);
    NextTokenTable::Entry& entry = room[row - rows.begin];
    if (next && *next >= vocabulary_size_) Fail("{}: damaged: token {}", corpus_->path().string(), *next);
    entry = {next.value_or(0), 1};
    entries.emplace_back(&entry, next ? 1 : 0);
  }
}

NextTokenTable::NextTokenTable(Catalog& catalog, std::size_t vocabulary_size, int min_length, int max_length)
    : vocabulary_size_(vocabulary_size) {
  const std::vector<LengthRow> lengths = catalog.Lengths();
  const LengthRow& shortest = lengths.at(static_cast<std::size_t>(min_length - 1));
  const LengthRow& longest = lengths.at(static_cast<std::size_t>(max_length - 1));
  first_ = shortest.first_string_id;
  const StringId end = longest.first_string_id + longest.string_count;
  begins_.reserve(end - first_ + 1);
  catalog.ForEachNextToken(first_, end, [&](StringId string_id, const NextTokenCount& next) {
    if (next.count > std::numeric_limits<std::uint32_t>::max()) {
      FailDamaged("the catalog is damaged: string {} is followed {} times by one token", string_id, next.count);
    }
    while (begins_.size() <= string_id - first_) begins_.push_back(static_cast<std::uint32_t>(entries_.size()));
    entries_.push_back({next.token_id, static_cast<std::uint32_t>(next.count)});
    total_ += next.count;
  });
  if (entries_.size() > std::numeric_limits<std::uint32_t>::max()) {
    Fail("{} next-token counts are more than a table holds", entries_.size());
  }
  begins_.resize(end - first_ + 1, static_cast<std::uint32_t>(entries_.size()));
}

std::span<const NextTokenTable::Entry> NextTokenTable::Of(StringId string_id) const {
  const StringId place = string_id - first_;  // wraps around below first_
  if (place >= begins_.size() - 1) Fail("string {}: not among the strings that were loaded", string_id);
  return std::span(entries_).subspan(begins_[place], begins_[place + 1] - begins_[place]);
}

void NextTokenTable::Add(StringId string_id, double factor, TokenAccumulator& totals) const {
  for (const Entry& entry : Of(string_id)) totals.Add(entry.token, factor * entry.count);
}

}  // namespace actkin
