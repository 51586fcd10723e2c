#include "query/sqlite/relations/compared_rows.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "schema/error.h"
#include "schema/text.h"

namespace actkin {
namespace {

// Whole numbers that a double holds.
constexpr double kMost = 0x1p53;

// The whole numbers from 0 on of which a comparison may hold. REQUIRES: it is of a number.
RowRange RangeOf(const PushedComparison& comparison) {
  const auto whole = [](double number) { return static_cast<std::uint64_t>(std::clamp(number, 0.0, kMost)); };
  const double number = comparison.number;
  const std::uint64_t up = whole(std::ceil(number));
  const std::uint64_t behind = whole(std::floor(number) + 1);
  switch (comparison.comparison) {
    case Comparison::kEqual:
      return {std::min(up, behind), behind};
    case Comparison::kLess:
      return {0, up};
    case Comparison::kLessOrEqual:
      return {0, behind};
    case Comparison::kGreater:
      return {behind, whole(kMost)};
    default:
      return {up, whole(kMost)};
  }
}

// What stands before the star of a pattern that has nothing else behind it; none where the pattern is another.
std::optional<std::string> PrefixOf(const std::string& pattern) {
  constexpr std::string_view kSpecial("*?[\0", 4);
  if (pattern.size() < 2 || pattern.back() != '*') return std::nullopt;
  std::string prefix = pattern.substr(0, pattern.size() - 1);
  if (prefix.find_first_of(kSpecial) != std::string::npos || ValidUtf8(prefix) != prefix) return std::nullopt;
  return prefix;
}

std::vector<std::int64_t> WholeNumbers(const std::vector<double>& numbers) {
  std::vector<std::int64_t> whole;
  for (const double number : numbers) {
    if (number == std::floor(number) && number >= 0 && number < kMost)
      whole.push_back(static_cast<std::int64_t>(number));
  }
  return whole;
}

RowSet None(IndexReader& reader, const Site& site) { return reader.RowsOf(site, {}); }

RowSet RowsOfDocuments(IndexReader& reader, const Site& site, const PushedComparison& comparison) {
  const std::shared_ptr<const CorpusTokensFile> corpus = reader.CorpusTokens();
  std::vector<RowRange> ranges;
  const auto add = [&](RowRange documents) {
    documents.end = std::min(documents.end, corpus->document_count());
    if (documents.begin >= documents.end) return;
    const RowSet rows =
        reader.RowsOfRange(site, corpus->Positions(documents.begin).begin, corpus->Positions(documents.end - 1).end);
    rows.ForEachRun({0, rows.row_count()}, [&](RowRange run) { ranges.push_back(run); });
  };
  if (comparison.comparison == Comparison::kIn) {
    for (const std::int64_t document : WholeNumbers(comparison.numbers)) {
      add({static_cast<std::uint64_t>(document), static_cast<std::uint64_t>(document) + 1});
    }
  } else {
    add(RangeOf(comparison));
  }
  return RowSet::OfRanges(None(reader, site).row_count(), std::move(ranges));
}

}  // namespace

bool ComparedRows::IsOurs(int column) const {
  return column == columns_.string_id || column == columns_.position || column == columns_.document_id ||
         column == columns_.text;
}

std::string ComparedRows::Key() const {
  std::string key;
  for (const PushedComparison& comparison : call_.comparisons()) {
    if (!IsOurs(comparison.column)) continue;
    key += fmt::format(" {}{}{}", comparison.column, static_cast<char>(comparison.comparison), comparison.number);
    for (const double number : comparison.numbers) key += fmt::format(",{}", number);
    for (const std::string& text : comparison.texts) key += fmt::format(",{}:{}", text.size(), text);
  }
  return key;
}

std::optional<RowSet> ComparedRows::Left(IndexReader& reader, const Site& site,
                                         const PushedComparison& comparison) const {
  if (comparison.column == columns_.text) {
    if (comparison.comparison != Comparison::kGlob) return reader.RowsOfTexts(site, comparison.texts);
    const std::optional<std::string> prefix = PrefixOf(comparison.texts.front());
    return prefix ? std::optional(reader.RowsOfTextPrefix(site, *prefix)) : std::nullopt;
  }
  // Of what is NULL in every row no comparison holds.
  if (site.over_positions() == (comparison.column == columns_.string_id)) return None(reader, site);
  if (comparison.column == columns_.document_id) return RowsOfDocuments(reader, site, comparison);
  if (comparison.comparison == Comparison::kIn) return reader.RowsOf(site, WholeNumbers(comparison.numbers));
  const RowRange range = RangeOf(comparison);
  const std::uint64_t first = reader.FirstId(site);
  const std::uint64_t end = site.over_positions() ? reader.corpus().token_count : first + reader.RowCount(site.t_i);
  if (range.begin <= first && range.end >= end) return std::nullopt;
  return reader.RowsOfRange(site, range.begin, std::max(range.begin, range.end));
}

std::shared_ptr<const RowSet> ComparedRows::Of(IndexReader& reader, const Site& site,
                                               std::shared_ptr<const RowSet> among) const {
  for (const PushedComparison& comparison : call_.comparisons()) {
    if (!IsOurs(comparison.column)) continue;
    std::optional<RowSet> left = Left(reader, site, comparison);
    if (!left) continue;
    if (among) left = RowSet::Common(*left, *among);
    among = std::make_shared<const RowSet>(*std::move(left));
  }
  return among;
}

}  // namespace actkin
