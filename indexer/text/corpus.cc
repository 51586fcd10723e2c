#include "indexer/text/corpus.h"

#include <cstdint>
#include <limits>
#include <string_view>

#include "schema/error.h"
#include "schema/text.h"
#include "storage/machine/given_input.h"
#include "storage/machine/sha256.h"

namespace actkin {
namespace {

bool StandFor(const Tokenizer& tokenizer, const std::vector<TokenId>& tokens, std::string_view text) {
  for (const TokenId token : tokens) {
    const std::string_view bytes = tokenizer.Bytes(token);
    if (!text.starts_with(bytes)) return false;
    text.remove_prefix(bytes.size());
  }
  return text.empty();
}

}  // namespace

Corpus ReadCorpus(const std::filesystem::path& path) {
  Corpus corpus;
  corpus.text = ReadInput(path);
  const std::string input = InputName(path);
  if (corpus.text.empty()) Fail("{}: the corpus is empty", input);
  const std::size_t nul = corpus.text.find('\0');
  if (nul != std::string::npos) Fail("{}: byte {} is NUL: a corpus is UTF-8 text", input, nul);
  corpus.name = IsStandardInput(path) ? input : ValidUtf8(path.filename().string());
  corpus.characters = CodePoints(corpus.text, input).size();
  corpus.sha256 = Sha256(corpus.text);
  return corpus;
}

CorpusTokens Tokenize(const Corpus& corpus, const Tokenizer& tokenizer, int string_length, const std::string& input) {
  CorpusTokens result;
  result.tokens = tokenizer.Encode(corpus.text, input);
  const std::size_t count = result.tokens.size();
  const char* const unit = count == corpus.characters ? "characters" : "tokens";
  if (count < static_cast<std::size_t>(string_length)) {
    Fail("{}: {} {} are fewer than the string length {}: give a longer corpus, or a smaller --length", input, count,
         unit, string_length);
  }
  // Positions and strings are numbered with 32 bits.
  if (count >= std::numeric_limits<std::uint32_t>::max()) {
    Fail("{}: {} {} are too many: at most {}", input, count, unit, std::numeric_limits<std::uint32_t>::max() - 1);
  }
  result.documents.push_back({0, corpus.name, 0, count});
  result.same_text = StandFor(tokenizer, result.tokens, corpus.text);
  return result;
}

}  // namespace actkin
