#include "indexer/text/corpus.h"

#include <utf8.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>

#include "indexer/text/document_files.h"
#include "schema/error.h"
#include "schema/text.h"
#include "storage/machine/given_input.h"
#include "storage/machine/sha256.h"

namespace actkin {
namespace {

bool StandFor(const Tokenizer& tokenizer, std::span<const TokenId> tokens, std::string_view text) {
  for (const TokenId token : tokens) {
    const std::string_view bytes = tokenizer.Bytes(token);
    if (!text.starts_with(bytes)) return false;
    text.remove_prefix(bytes.size());
  }
  return text.empty();
}

std::size_t RequireText(std::string_view text, const std::string& input) {
  const std::size_t nul = text.find('\0');
  if (nul != std::string::npos) Fail("{}: byte {} is NUL: a corpus is UTF-8 text", input, nul);
  if (!utf8::is_valid(text.begin(), text.end())) CodePoints(text, input);  // which says where it is not
  // Counted without a copy, which would be four times the text: bytes that continue a character count for none.
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char byte) { return (byte & 0xC0) != 0x80; }));
}

// Documents of other lengths are another corpus.
std::string DocumentsSha256(const Corpus& corpus) {
  Sha256Stream sha256;
  for (const Corpus::Document& document : corpus.documents) {
    const std::uint64_t bytes = document.end - document.begin;
    sha256.Add(std::as_bytes(std::span(&bytes, 1)));
    sha256.Add(std::as_bytes(std::span(corpus.text).subspan(document.begin, bytes)));
  }
  return sha256.Finish();
}

}  // namespace

std::string CorpusSource::Name() const {
  if (inputs.empty()) return "no corpus";
  if (inputs.size() == 1) return InputName(inputs.front());
  return fmt::format("{} and {} more", InputName(inputs.front()), inputs.size() - 1);
}

Corpus ReadCorpus(const std::filesystem::path& path) {
  Corpus corpus;
  corpus.text = ReadInput(path);
  const std::string input = InputName(path);
  if (corpus.text.empty()) Fail("{}: the corpus is empty", input);
  corpus.name = IsStandardInput(path) ? input : ValidUtf8(path.filename().string());
  corpus.characters = RequireText(corpus.text, input);
  corpus.bytes = corpus.text.size();
  corpus.sha256 = Sha256(corpus.text);
  corpus.documents.push_back({corpus.name, input, 0, corpus.text.size()});
  return corpus;
}

Corpus ReadCorpus(const CorpusSource& source) {
  if (source.inputs.empty()) FailUsage("no corpus: name a text");
  if (source.inputs.size() == 1 && !source.separator && IsOneText(source.inputs.front())) {
    return ReadCorpus(source.inputs.front());
  }
  Corpus corpus;
  for (const std::filesystem::path& input : source.inputs) {
    ReadDocuments(input, source, [&](std::string name, std::string where, std::string_view text) {
      corpus.characters += RequireText(text, where);
      const std::size_t begin = corpus.text.size();
      corpus.text += text;
      corpus.documents.push_back({ValidUtf8(name), std::move(where), begin, corpus.text.size()});
    });
  }
  if (corpus.text.empty()) Fail("{}: the corpus is empty", source.Name());
  corpus.bytes = corpus.text.size();
  const std::filesystem::path& first = source.inputs.front();
  // A folder may be named with a slash at its end.
  const std::filesystem::path last_part = first.has_filename() ? first.filename() : first.parent_path().filename();
  corpus.name = IsStandardInput(first) ? InputName(first) : ValidUtf8(last_part.string());
  if (source.inputs.size() > 1) corpus.name += fmt::format(" and {} more", source.inputs.size() - 1);
  corpus.sha256 = DocumentsSha256(corpus);
  return corpus;
}

std::vector<RowRange> CorpusTokens::Positions() const {
  std::vector<RowRange> positions;
  positions.reserve(documents.size());
  for (const DocumentRow& document : documents) {
    positions.push_back({document.first_position, document.first_position + document.token_count});
  }
  return positions;
}

CorpusTokens Tokenize(const Corpus& corpus, const Tokenizer& tokenizer, int string_length, const std::string& input) {
  CorpusTokens result;
  std::size_t longest = 0;
  for (const Corpus::Document& document : corpus.documents) {
    const std::string_view text = std::string_view(corpus.text).substr(document.begin, document.end - document.begin);
    const std::size_t first = result.tokens.size();
    std::vector<TokenId> tokens;
    if (!text.empty()) tokens = tokenizer.Encode(text, document.input);
    longest = std::max(longest, tokens.size());
    result.same_text = result.same_text && StandFor(tokenizer, tokens, text);
    result.documents.push_back(
        {static_cast<std::int64_t>(result.documents.size()), document.name, first, tokens.size()});
    if (result.tokens.empty()) {
      result.tokens = std::move(tokens);
    } else {
      result.tokens.insert(result.tokens.end(), tokens.begin(), tokens.end());
    }
  }
  const std::size_t count = result.tokens.size();
  const char* const unit = count == corpus.characters ? "characters" : "tokens";
  if (longest < static_cast<std::size_t>(string_length)) {
    Fail("{}: {}{} {} are fewer than the string length {}: give a longer {}, or a smaller `length`", input,
         corpus.documents.size() == 1 ? "" : "the longest document's ", longest, unit, string_length,
         corpus.documents.size() == 1 ? "corpus" : "document");
  }
  // Positions and strings are numbered with 32 bits.
  const std::size_t most = std::numeric_limits<std::uint32_t>::max() - 1;
  if (count + corpus.documents.size() > most + 1) {
    Fail("{}: {} {} are too many: at most {}, less one for each document but the first", input, count, unit, most);
  }
  return result;
}

}  // namespace actkin
