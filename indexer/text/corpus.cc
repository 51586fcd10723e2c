#include "indexer/text/corpus.h"

#include <utf8.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>
#include <utility>

#include "indexer/text/document_files.h"
#include "schema/error.h"
#include "schema/text.h"
#include "schema/tokenizer/character_tokenizer.h"
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

// Adds up what tells a corpus from others, its documents as they come: the bytes and, where there may be several
// documents, their number behind each.
class CorpusSum {
 public:
  explicit CorpusSum(bool several) : several_(several) {}

  void Add(std::string_view piece) {
    sha256_.Add(std::as_bytes(std::span(piece)));
    bytes_ += piece.size();
  }
  void EndDocument() {
    if (several_) sha256_.Add(std::as_bytes(std::span(&bytes_, 1)));
    bytes_ = 0;
  }
  std::uint64_t document_bytes() const { return bytes_; }
  std::string Finish() { return sha256_.Finish(); }

 private:
  const bool several_;
  Sha256Stream sha256_;
  std::uint64_t bytes_ = 0;
};

bool MayHaveSeveral(const CorpusSource& source) {
  return source.inputs.size() > 1 || source.separator || !IsOneText(source.inputs.front(), source);
}

// Requires that all of it is text, and takes down what is in it.
class CorpusCheck final : public DocumentReader {
 public:
  explicit CorpusCheck(Corpus& corpus) : corpus_(corpus), sum_(MayHaveSeveral(corpus.source)), present_(kCodePoints) {}

  void Begin(std::string /*name*/, std::string where) override {
    where_ = std::move(where);
    ++corpus_.documents;
  }

  void Add(std::string_view piece) override {
    const std::uint64_t before = sum_.document_bytes();
    const std::size_t nul = piece.find('\0');
    if (nul != std::string_view::npos) Fail("{}: byte {} is NUL: a corpus is UTF-8 text", where_, before + nul);
    const auto invalid = utf8::find_invalid(piece.begin(), piece.end());
    if (invalid != piece.end()) {
      Fail(ErrorCode::kInvalidArgument, "{} is not UTF-8: byte {} is 0x{:02X}", where_,
           before + static_cast<std::uint64_t>(invalid - piece.begin()), static_cast<unsigned char>(*invalid));
    }
    for (auto at = piece.begin(); at != piece.end();) {
      present_[utf8::unchecked::next(at)] = true;
      ++corpus_.characters;
    }
    sum_.Add(piece);
    corpus_.bytes += piece.size();
  }

  void End() override {
    corpus_.longest_document = std::max(corpus_.longest_document, sum_.document_bytes());
    sum_.EndDocument();
  }

  void Finish() {
    for (std::size_t point = 0; point < kCodePoints; ++point) {
      if (present_[point]) corpus_.alphabet += static_cast<char32_t>(point);
    }
    corpus_.sha256 = sum_.Finish();
  }

 private:
  static constexpr std::size_t kCodePoints = 0x110000;

  Corpus& corpus_;
  CorpusSum sum_;
  std::string where_;
  std::vector<bool> present_;  // by code point
};

// Cuts it into tokens.
class CorpusEncoder final : public DocumentReader {
 public:
  CorpusEncoder(const Corpus& corpus, const Tokenizer& tokenizer, CorpusTokens& result)
      : tokenizer_(tokenizer),
        // A character is a token wherever a text is cut; what a regular expression takes for a word may be of any
        // length.
        characters_(dynamic_cast<const CharacterTokenizer*>(&tokenizer)),
        sum_(MayHaveSeveral(corpus.source)),
        result_(result) {
    result_.tokens.reserve(characters_ != nullptr ? corpus.characters : corpus.bytes / kUsualTokenBytes);
  }

  void Begin(std::string name, std::string where) override {
    where_ = std::move(where);
    result_.documents.push_back(
        {static_cast<std::int64_t>(result_.documents.size()), ValidUtf8(name), result_.tokens.size(), 0});
  }

  void Add(std::string_view piece) override {
    sum_.Add(piece);
    if (characters_ == nullptr) {
      text_ += piece;
    } else {
      const std::size_t before = result_.tokens.size() - result_.documents.back().first_position;
      Append(characters_->vocabulary().Encode(CodePoints(piece, where_), where_, before));
    }
  }

  void End() override {
    if (!text_.empty()) {
      const std::vector<TokenId> tokens = tokenizer_.Encode(text_, where_);
      result_.same_text = result_.same_text && StandFor(tokenizer_, tokens, text_);
      Append(tokens);
      text_.clear();
    }
    DocumentRow& document = result_.documents.back();
    document.token_count = result_.tokens.size() - document.first_position;
    longest_ = std::max<std::size_t>(longest_, document.token_count);
    sum_.EndDocument();
  }

  std::size_t longest() const { return longest_; }
  std::string Finish() { return sum_.Finish(); }

 private:
  static constexpr std::size_t kUsualTokenBytes = 4;

  void Append(std::span<const TokenId> tokens) {
    result_.tokens.insert(result_.tokens.end(), tokens.begin(), tokens.end());
  }

  const Tokenizer& tokenizer_;
  const CharacterTokenizer* const characters_;
  CorpusSum sum_;
  CorpusTokens& result_;
  std::string where_;
  std::string text_;  // of the document, where it is cut at its end
  std::size_t longest_ = 0;
};

void ReadAll(const CorpusSource& source, DocumentReader& reader) {
  for (const std::filesystem::path& input : source.inputs) ReadDocuments(input, source, reader);
}

Corpus CheckedCorpus(CorpusSource source) {
  Corpus corpus;
  corpus.source = std::move(source);
  CorpusCheck check(corpus);
  ReadAll(corpus.source, check);
  check.Finish();
  if (corpus.bytes == 0) Fail("{}: the corpus is empty", corpus.source.Name());
  const std::filesystem::path& first = corpus.source.inputs.front();
  // A folder may be named with a slash at its end.
  const std::filesystem::path last_part = first.has_filename() ? first.filename() : first.parent_path().filename();
  corpus.name = IsStandardInput(first) ? InputName(first) : ValidUtf8(last_part.string());
  if (corpus.source.inputs.size() > 1) corpus.name += fmt::format(" and {} more", corpus.source.inputs.size() - 1);
  return corpus;
}

}  // namespace

std::string CorpusSource::Name() const {
  if (inputs.empty()) return "no corpus";
  if (inputs.size() == 1) return InputName(inputs.front());
  return fmt::format("{} and {} more", InputName(inputs.front()), inputs.size() - 1);
}

Corpus ReadCorpus(const std::filesystem::path& path) {
  CorpusSource source;
  source.inputs.push_back(path);
  source.all_texts = true;
  return ReadCorpus(source);
}

Corpus ReadCorpus(const CorpusSource& source) {
  if (source.inputs.empty()) FailUsage("no corpus: name a text");
  return CheckedCorpus(source);
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
  CorpusEncoder encoder(corpus, tokenizer, result);
  ReadAll(corpus.source, encoder);
  if (encoder.Finish() != corpus.sha256) Fail("{}: was changed while it was read: run the same command again", input);
  const bool one_document = result.documents.size() == 1;
  const std::size_t count = result.tokens.size();
  const char* const unit = count == corpus.characters ? "characters" : "tokens";
  if (encoder.longest() < static_cast<std::size_t>(string_length)) {
    Fail("{}: {}{} {} are fewer than the string length {}: give a longer {}, or a smaller `length`", input,
         one_document ? "" : "the longest document's ", encoder.longest(), unit, string_length,
         one_document ? "corpus" : "document");
  }
  // Positions and strings are numbered with 32 bits.
  const std::size_t most = std::numeric_limits<std::uint32_t>::max() - 1;
  if (count + result.documents.size() > most + 1) {
    Fail("{}: {} {} are too many: at most {}, less one for each document but the first", input, count, unit, most);
  }
  return result;
}

}  // namespace actkin
