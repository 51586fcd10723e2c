#include "indexer/text/catalog_build.h"

#include <string>
#include <vector>

#include "schema/text.h"
#include "storage/catalog/catalog_writer.h"

namespace actkin {
namespace {

constexpr std::uint64_t kProgressStep = 1 << 15;

}  // namespace

std::uint64_t EstimateCatalogBytes(const StringLevels& strings) {
  // Measured on English text: a string is in its table and in the index on its text; a next token takes nine bytes.
  std::uint64_t bytes = 1 << 16;
  for (int length = 1; length <= strings.string_length(); ++length) {
    bytes += strings.level(length).size() * (2 * static_cast<std::uint64_t>(length) + 24);
    bytes += strings.level(length + 1).size() * 11;
  }
  return bytes;
}

void WriteCatalog(const std::filesystem::path& path, const Corpus& corpus, const Vocabulary& vocabulary,
                  const StringLevels& strings, ProgressListener& progress) {
  NewCatalog catalog(path);
  std::vector<std::string> token_texts;
  for (TokenId token = 0; token < vocabulary.size(); ++token) token_texts.push_back(vocabulary.Text(token));
  catalog.AddCorpus({corpus.name, corpus.sha256, corpus.text.size(), strings.string_length()}, token_texts);

  std::uint64_t total = 0;
  for (int length = 1; length <= strings.string_length(); ++length) {
    total += strings.level(length).size() + strings.level(length + 1).size();
  }
  progress.Begin("strings", total, "rows");
  std::uint64_t done = 0;
  const auto advance = [&] {
    if (++done % kProgressStep == 0) progress.Advance(done, 0);
  };
  for (int length = 1; length <= strings.string_length(); ++length) {
    const StringLevel& level = strings.level(length);
    const StringId first = strings.FirstStringId(length);
    catalog.AddLength({length, level.size(), strings.RowCount(length), first});
    for (std::size_t ordinal = 0; ordinal < level.size(); ++ordinal) {
      const std::u32string_view text =
          std::u32string_view(corpus.text).substr(level.first_positions[ordinal], static_cast<std::size_t>(length));
      catalog.AddString(first + ordinal, length, Utf8(text), level.occurrences[ordinal]);
      advance();
    }
  }
  for (int length = 1; length <= strings.string_length(); ++length) {
    const StringId first = strings.FirstStringId(length);
    const StringLevel& longer = strings.level(length + 1);
    for (const Continuation& next : strings.Continuations(length)) {
      catalog.AddNextToken(first + next.parent, next.token, longer.occurrences[next.ordinal]);
      advance();
    }
  }
  progress.Advance(done, 0);
  catalog.Finish();
  progress.End();
}

}  // namespace actkin
