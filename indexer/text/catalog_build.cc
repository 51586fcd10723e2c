#include "indexer/text/catalog_build.h"

#include <span>
#include <string>
#include <string_view>

#include "schema/token_ids.h"
#include "storage/catalog/catalog_writer.h"

namespace actkin {
namespace {

constexpr std::uint64_t kProgressStep = 1 << 15;

}  // namespace

std::uint64_t EstimateCatalogBytes(std::uint64_t corpus_bytes, const CorpusTokens& tokens, std::size_t vocabulary_size,
                                   const StringLevels& strings) {
  // Measured on English text: a string is in its table and in the indices of its text and its tokens; a next token
  // takes nine bytes.
  const double text_bytes = static_cast<double>(corpus_bytes) / static_cast<double>(tokens.tokens.size());
  const double token_bytes = 2 * (text_bytes + TokenIdWidth(vocabulary_size));
  double bytes = 64 * static_cast<double>(vocabulary_size) + (1 << 16);
  for (int length = 1; length <= strings.string_length(); ++length) {
    bytes += static_cast<double>(strings.level(length).size()) * (token_bytes * length + 34);
    bytes += static_cast<double>(strings.level(length + 1).size()) * 11;
  }
  return static_cast<std::uint64_t>(bytes);
}

void WriteCatalog(const std::filesystem::path& path, const Corpus& corpus, const CorpusTokens& corpus_tokens,
                  const CorpusFilesRow& files, const Tokenizer& tokenizer, const TokenizerRow& tokenizer_row,
                  const StringLevels& strings, ProgressListener& progress) {
  NewCatalog catalog(path);
  const std::span<const TokenId> tokens = corpus_tokens.tokens;
  catalog.AddCorpus({corpus.name, corpus.sha256, corpus.characters, strings.string_length(), tokens.size()},
                    corpus_tokens.documents);
  catalog.AddCorpusFiles(files);
  catalog.AddTokenizer(tokenizer_row);
  for (TokenId token = 0; token < tokenizer.size(); ++token) {
    const std::string_view bytes = tokenizer.Bytes(token);
    catalog.AddToken(token, bytes.empty() ? UnusedTokenText(token) : TokenText(bytes), bytes);
  }
  const int width = TokenIdWidth(tokenizer.size());

  std::uint64_t total = 0;
  for (int length = 1; length <= strings.string_length(); ++length) {
    total += strings.level(length).size() + strings.level(length + 1).size();
  }
  progress.Begin("strings", total, "rows");
  std::uint64_t done = 0;
  const auto advance = [&] {
    if (++done % kProgressStep == 0) progress.Advance(done, 0);
  };
  std::string ids;
  for (int length = 1; length <= strings.string_length(); ++length) {
    const StringLevel& level = strings.level(length);
    const StringId first = strings.FirstStringId(length);
    catalog.AddLength({length, level.size(), strings.RowCount(length), first});
    for (std::size_t ordinal = 0; ordinal < level.size(); ++ordinal) {
      const std::span<const TokenId> string =
          tokens.subspan(level.first_positions[ordinal], static_cast<std::size_t>(length));
      ids.clear();
      AppendTokenIds(string, width, ids);
      catalog.AddString(first + ordinal, length, TokenText(tokenizer, string), level.occurrences[ordinal], ids);
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
