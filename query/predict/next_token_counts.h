#ifndef ACTKIN_QUERY_PREDICT_NEXT_TOKEN_COUNTS_H_
#define ACTKIN_QUERY_PREDICT_NEXT_TOKEN_COUNTS_H_

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "query/predict/token_values.h"
#include "schema/site.h"
#include "storage/catalog/catalog.h"
#include "storage/formats/corpus_tokens_file.h"
#include "storage/formats/row_map.h"

namespace actkin {

// What follows a string in the corpus, as something that is added up.
class NextTokenCounts {
 public:
  virtual ~NextTokenCounts() = default;

  virtual std::size_t vocabulary_size() const = 0;
  // Adds factor * count, for every token that follows the string. Throws Error when there is no such string, or where
  // the catalog is damaged. REQUIRES: the totals are over vocabulary_size() tokens.
  virtual void Add(StringId string_id, double factor, TokenAccumulator& totals) const = 0;
};

// By a look-up in the catalog for each string: for single prompts. The thread of the catalog alone.
class CatalogNextTokenCounts : public NextTokenCounts {
 public:
  CatalogNextTokenCounts(Catalog& catalog, std::size_t vocabulary_size)
      : catalog_(catalog), vocabulary_size_(vocabulary_size) {}

  std::size_t vocabulary_size() const override { return vocabulary_size_; }
  void Add(StringId string_id, double factor, TokenAccumulator& totals) const override;

 private:
  Catalog& catalog_;
  const std::size_t vocabulary_size_;
};

// Of positions in place of strings: what came next there, once; nothing where the document ends. Any thread.
class CorpusNextTokens : public NextTokenCounts {
 public:
  CorpusNextTokens(std::shared_ptr<const CorpusTokensFile> corpus, std::size_t vocabulary_size)
      : corpus_(std::move(corpus)), vocabulary_size_(vocabulary_size) {}

  std::size_t vocabulary_size() const override { return vocabulary_size_; }
  void Add(std::uint64_t position, double factor, TokenAccumulator& totals) const override;

 private:
  const std::shared_ptr<const CorpusTokensFile> corpus_;
  const std::size_t vocabulary_size_;
};

// All counts of the strings of some lengths, in memory: for thousands of prompts. Takes 8 bytes a count and 4 a string.
// Immutable; any thread.
class NextTokenTable : public NextTokenCounts {
 public:
  struct Entry {
    std::uint32_t token = 0;
    std::uint32_t count = 0;
  };

  // Strings of min_length to max_length tokens. REQUIRES: 1 <= min_length <= max_length <= L.
  NextTokenTable(Catalog& catalog, std::size_t vocabulary_size, int min_length, int max_length);

  std::size_t vocabulary_size() const override { return vocabulary_size_; }
  void Add(StringId string_id, double factor, TokenAccumulator& totals) const override;
  // What follows the string, by token. Throws Error when it is not of those lengths.
  std::span<const Entry> Of(StringId string_id) const;
  // All counts together.
  std::uint64_t total() const { return total_; }

 private:
  std::size_t vocabulary_size_;
  StringId first_ = 0;
  std::vector<std::uint32_t> begins_;  // of each string's entries, from first_ on; one more, the end of all
  std::vector<Entry> entries_;
  std::uint64_t total_ = 0;
};

// What follows each row of a site, for a pass over all of them. Immutable; any thread.
class RowNextTokens {
 public:
  using Entries = std::span<const NextTokenTable::Entry>;
  virtual ~RowNextTokens() = default;

  virtual std::size_t vocabulary_size() const = 0;
  // No sum over rows is larger.
  virtual std::uint64_t total() const = 0;
  // Replaces `entries` by those of some rows, a list each; they live as long as this object and `room`, which is
  // written into. REQUIRES: rows of the site.
  virtual void Read(RowRange rows, std::vector<NextTokenTable::Entry>& room, std::vector<Entries>& entries) const = 0;
};

// Of rows over strings. What it is made of outlives it. first: the string_id of ordinal 0.
class StringRowNextTokens : public RowNextTokens {
 public:
  StringRowNextTokens(const RowMap& order, StringId first, const NextTokenTable& table)
      : order_(order), first_(first), table_(table) {}

  std::size_t vocabulary_size() const override { return table_.vocabulary_size(); }
  std::uint64_t total() const override { return table_.total(); }
  void Read(RowRange rows, std::vector<NextTokenTable::Entry>& room, std::vector<Entries>& entries) const override;

 private:
  const RowMap& order_;
  const StringId first_;
  const NextTokenTable& table_;
};

// Of rows over positions: what came next there, once.
class PositionRowNextTokens : public RowNextTokens {
 public:
  PositionRowNextTokens(const RowMap& positions, std::shared_ptr<const CorpusTokensFile> corpus,
                        std::size_t vocabulary_size)
      : positions_(positions), corpus_(std::move(corpus)), vocabulary_size_(vocabulary_size) {}

  std::size_t vocabulary_size() const override { return vocabulary_size_; }
  std::uint64_t total() const override { return positions_.row_count(); }
  void Read(RowRange rows, std::vector<NextTokenTable::Entry>& room, std::vector<Entries>& entries) const override;

 private:
  const RowMap& positions_;
  const std::shared_ptr<const CorpusTokensFile> corpus_;
  const std::size_t vocabulary_size_;
};

}  // namespace actkin

#endif  // ACTKIN_QUERY_PREDICT_NEXT_TOKEN_COUNTS_H_
