#include "indexer/text/string_levels.h"

#include <algorithm>
#include <limits>

namespace actkin {
namespace {

constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

// Numbers (parent, token) pairs in order of first sight. Open addressing over the ordinals of a level, which grows with
// it: there may be few strings in many positions.
class PairNumbers {
 public:
  explicit PairNumbers(StringLevel& level) : level_(level), slots_(kFewest, kNone) {}

  StringOrdinal Number(StringOrdinal parent, TokenId token, std::uint32_t position) {
    std::size_t slot = FirstSlot(parent, token);
    for (; slots_[slot] != kNone; slot = Next(slot)) {
      const StringOrdinal ordinal = slots_[slot];
      if (level_.parents[ordinal] == parent && level_.last_tokens[ordinal] == token) {
        ++level_.occurrences[ordinal];
        return ordinal;
      }
    }
    const auto ordinal = static_cast<StringOrdinal>(level_.size());
    slots_[slot] = ordinal;
    level_.parents.push_back(parent);
    level_.last_tokens.push_back(token);
    level_.occurrences.push_back(1);
    level_.first_positions.push_back(position);
    if (2 * level_.size() > slots_.size()) Grow();
    return ordinal;
  }

 private:
  static constexpr std::size_t kFewest = 1 << 10;

  std::size_t FirstSlot(StringOrdinal parent, TokenId token) const {
    const std::uint64_t hash = (static_cast<std::uint64_t>(parent) << 32 | token) * 0x9E3779B97F4A7C15ULL;
    return (hash ^ hash >> 32) & (slots_.size() - 1);
  }
  std::size_t Next(std::size_t slot) const { return (slot + 1) & (slots_.size() - 1); }

  void Grow() {
    const std::size_t size = 2 * slots_.size();
    // Not both at once: what they hold is in the level.
    std::vector<std::uint32_t>().swap(slots_);
    slots_.assign(size, kNone);
    for (std::size_t ordinal = 0; ordinal < level_.size(); ++ordinal) {
      std::size_t slot = FirstSlot(level_.parents[ordinal], level_.last_tokens[ordinal]);
      while (slots_[slot] != kNone) slot = Next(slot);
      slots_[slot] = static_cast<std::uint32_t>(ordinal);
    }
  }

  StringLevel& level_;
  std::vector<std::uint32_t> slots_;
};

constexpr std::size_t kSmallVocabulary = 1 << 16;

// Stable. key: below keys.
std::vector<Continuation> CountingSorted(std::size_t keys, const std::vector<Continuation>& continuations,
                                         std::uint32_t Continuation::*key) {
  std::vector<std::uint32_t> ends(keys + 1, 0);
  for (const Continuation& continuation : continuations) ++ends[continuation.*key + 1];
  for (std::size_t k = 0; k < keys; ++k) ends[k + 1] += ends[k];
  std::vector<Continuation> sorted(continuations.size());
  for (const Continuation& continuation : continuations) sorted[ends[continuation.*key]++] = continuation;
  return sorted;
}

// Calls action(position) wherever a document has room for `length` tokens.
template <typename Action>
void ForEachPosition(std::span<const RowRange> documents, int length, const Action& action) {
  const auto room = static_cast<std::uint64_t>(length);
  for (const RowRange& document : documents) {
    for (std::uint64_t position = document.begin; position + room <= document.end; ++position) action(position);
  }
}

template <typename Number>
std::vector<Number> Reordered(const std::vector<Number>& numbers, const std::vector<StringOrdinal>& new_ordinals) {
  std::vector<Number> reordered(numbers.size());
  for (std::size_t i = 0; i < numbers.size(); ++i) reordered[new_ordinals[i]] = numbers[i];
  return reordered;
}

// Numbers the strings of a level anew where one that no string of string_length tokens begins with comes before one
// that some do. ordinals: as they are numbered, by position. Returns how many strings begin longer ones.
std::uint64_t PutRowsFirst(StringLevel& level, std::span<const RowRange> documents, int length, int string_length,
                           std::vector<StringOrdinal>& ordinals) {
  std::vector<bool> is_row(level.size(), false);
  ForEachPosition(documents, string_length, [&](std::uint64_t position) { is_row[ordinals[position]] = true; });
  const auto rows = static_cast<std::uint64_t>(std::ranges::count(is_row, true));
  if (std::find(is_row.begin(), is_row.end(), false) - is_row.begin() == static_cast<std::ptrdiff_t>(rows)) return rows;
  std::vector<StringOrdinal> new_ordinals(level.size());
  StringOrdinal next_row = 0;
  auto next_other = static_cast<StringOrdinal>(rows);
  for (std::size_t i = 0; i < level.size(); ++i) new_ordinals[i] = is_row[i] ? next_row++ : next_other++;
  level.parents = Reordered(level.parents, new_ordinals);
  level.last_tokens = Reordered(level.last_tokens, new_ordinals);
  level.occurrences = Reordered(level.occurrences, new_ordinals);
  level.first_positions = Reordered(level.first_positions, new_ordinals);
  ForEachPosition(documents, length,
                  [&](std::uint64_t position) { ordinals[position] = new_ordinals[ordinals[position]]; });
  return rows;
}

}  // namespace

StringLevels::StringLevels(std::span<const TokenId> tokens, std::size_t vocabulary_size, int string_length)
    : StringLevels(tokens, std::vector<RowRange>{{0, tokens.size()}}, vocabulary_size, string_length) {}

StringLevels::StringLevels(std::span<const TokenId> tokens, std::span<const RowRange> documents,
                           std::size_t vocabulary_size, int string_length)
    : vocabulary_size_(vocabulary_size) {
  // ordinals[p]: the string of the current length that begins at position p. The empty string stands everywhere.
  std::vector<StringOrdinal> ordinals(tokens.size(), 0);
  for (int length = 1; length <= string_length + 1; ++length) {
    StringLevel& level = levels_.emplace_back();
    {
      PairNumbers numbers(level);
      ForEachPosition(documents, length, [&](std::uint64_t position) {
        ordinals[position] = numbers.Number(ordinals[position], tokens[position + static_cast<std::size_t>(length) - 1],
                                            static_cast<std::uint32_t>(position));
      });
    }
    if (level.size() == 0) break;
    level.parents.shrink_to_fit();
    level.last_tokens.shrink_to_fit();
    level.occurrences.shrink_to_fit();
    level.first_positions.shrink_to_fit();
    if (length <= string_length) {
      row_counts_.push_back(PutRowsFirst(level, documents, length, string_length, ordinals));
    }
  }
}

StringId StringLevels::FirstStringId(int length) const {
  StringId first = 1;
  for (int shorter = 1; shorter < length; ++shorter) first += level(shorter).size();
  return first;
}

std::vector<Continuation> StringLevels::Continuations(int length) const {
  const StringLevel& longer = level(length + 1);
  std::vector<Continuation> continuations(longer.size());
  for (std::size_t i = 0; i < longer.size(); ++i) {
    continuations[i] = {longer.parents[i], longer.last_tokens[i], static_cast<StringOrdinal>(i)};
  }
  // Two stable sorts: by token, then by parent. Where the vocabulary is larger than the level, counting its tokens
  // would take longer than comparing those that are there.
  if (vocabulary_size_ <= std::max<std::size_t>(kSmallVocabulary, longer.size())) {
    continuations = CountingSorted(vocabulary_size_, continuations, &Continuation::token);
  } else {
    std::ranges::stable_sort(continuations, {}, &Continuation::token);
  }
  return CountingSorted(length == 0 ? 1 : level(length).size(), continuations, &Continuation::parent);
}

}  // namespace actkin
