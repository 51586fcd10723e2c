#include "storage/directory/verify_strings.h"

#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include "schema/error.h"
#include "storage/catalog/sqlite.h"

namespace actkin {
namespace {

void VerifyDocuments(Catalog& catalog) {
  std::uint64_t end = 0;
  for (const DocumentRow& row : catalog.Documents()) {
    if (row.first_position != end) Fail("document {} begins at position {}", row.document_id, row.first_position);
    end += row.token_count;
  }
  const std::uint64_t expected = catalog.Corpus().token_count;
  if (end != expected) Fail("the documents have {} tokens, the corpus {}", end, expected);
}

// How many documents have at least so many tokens, from 0 to L.
std::vector<std::uint64_t> LongDocuments(Catalog& catalog, std::span<const LengthRow> lengths) {
  std::vector<std::uint64_t> documents(lengths.size() + 1, 0);
  for (const DocumentRow& row : catalog.Documents()) {
    ++documents[std::min<std::uint64_t>(row.token_count, lengths.size())];
  }
  for (std::size_t length = lengths.size(); length > 0; --length) documents[length - 1] += documents[length];
  return documents;
}

std::uint64_t CountOf(Catalog& catalog, const char* sql) {
  SqliteStatement statement(catalog.connection(), sql);
  statement.Step();
  return static_cast<std::uint64_t>(statement.Integer(0));
}

void VerifyStrings(Catalog& catalog) {
  const std::vector<LengthRow> lengths = catalog.Lengths();
  const CorpusRow corpus = catalog.Corpus();
  if (lengths.size() != static_cast<std::size_t>(corpus.string_length)) {
    Fail("the catalog knows {} lengths of strings, its corpus row says {}", lengths.size(), corpus.string_length);
  }
  SqliteStatement count(catalog.connection(),
                        "SELECT count(*), sum(occurrences), sum(length) FROM string WHERE string_id BETWEEN ?1 AND ?2");
  if (!catalog.Tokenizer().file && corpus.characters != corpus.token_count) {
    Fail("the corpus has {} characters, and {} tokens that are characters", corpus.characters, corpus.token_count);
  }
  StringId first = 1;
  const std::vector<std::uint64_t> documents = LongDocuments(catalog, lengths);
  // A string of no tokens stands before every token, and at each document's end; one longer by one not at the ends.
  std::uint64_t places = corpus.token_count + documents[0];
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    places -= documents[i];
    const LengthRow& row = lengths[i];
    const std::uint64_t length = i + 1;
    count.Bind(first, first + row.string_count - 1);
    count.Step();
    const bool right = row.length == static_cast<int>(length) && row.first_string_id == first &&
                       row.row_count <= row.string_count &&
                       static_cast<std::uint64_t>(count.Integer(0)) == row.string_count &&
                       static_cast<std::uint64_t>(count.Integer(1)) == places &&
                       static_cast<std::uint64_t>(count.Integer(2)) == row.string_count * length;
    if (!right) Fail("the strings of length {} are not those of {} tokens", length, corpus.token_count);
    first += row.string_count;
  }
  if (CountOf(catalog, "SELECT count(*) FROM string") != first - 1) {
    Fail("the catalog holds strings beyond id {}", first - 1);
  }
}

// Every occurrence is followed by a token, but the one at the very end of each document that has so many tokens.
void VerifyNextTokens(Catalog& catalog) {
  SqliteStatement statement(catalog.connection(),
                            "SELECT length, sum(missing), min(missing) FROM (SELECT length, occurrences - "
                            "ifnull((SELECT sum(count) FROM next_token AS n WHERE n.string_id = string.string_id), 0) "
                            "AS missing FROM string) WHERE missing <> 0 GROUP BY length");
  const std::vector<LengthRow> lengths = catalog.Lengths();
  const std::vector<std::uint64_t> documents = LongDocuments(catalog, lengths);
  std::size_t missing = 0;
  while (statement.Step()) {
    ++missing;
    const auto length = static_cast<std::uint64_t>(statement.Integer(0));
    if (statement.Integer(2) < 0 || length >= documents.size() ||
        static_cast<std::uint64_t>(statement.Integer(1)) != documents[length]) {
      Fail("next-token counts of length {} do not add up to the strings' occurrences", length);
    }
  }
  if (missing != lengths.size()) Fail("next-token counts do not leave out the last string of documents");
  if (CountOf(catalog, "SELECT count(*) FROM next_token WHERE token_id NOT IN (SELECT token_id FROM token)") != 0) {
    Fail("a next token is not in the table token");
  }
}

}  // namespace

void VerifyStringTables(Catalog& catalog, const CheckPart& check) {
  check("catalog.db: documents", [&] { VerifyDocuments(catalog); });
  check("catalog.db: tokens", [&] { catalog.Tokens(); });
  check("catalog.db: strings", [&] { VerifyStrings(catalog); });
  check("catalog.db: next tokens", [&] { VerifyNextTokens(catalog); });
}

}  // namespace actkin
