#include "indexer/text/tokenizer_choice.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "schema/error.h"
#include "schema/text.h"
#include "schema/tokenizer/character_tokenizer.h"
#include "schema/tokenizer/listed_tokens.h"
#include "schema/tokenizer/tokenizer_json.h"
#include "storage/directory/open_tokenizer.h"
#include "storage/machine/file.h"
#include "storage/machine/given_input.h"

namespace actkin {
namespace {

Vocabulary VocabularyOf(const std::string& text, const std::string& input) {
  return Vocabulary::OfText(CodePoints(text, input));
}

ChosenTokenizer OfCharacters(Vocabulary vocabulary) {
  auto tokenizer = std::make_unique<CharacterTokenizer>(vocabulary);
  return {std::move(tokenizer), std::move(vocabulary), ""};
}

Vocabulary RequireSize(Vocabulary vocabulary, const TokenizedModel& model, const std::string& source,
                       const char* advice) {
  if (vocabulary.size() != model.embedding_rows) {
    Fail("{}: the model knows {} tokens, but {} has {}{}", model.file, model.embedding_rows, source, vocabulary.size(),
         advice);
  }
  return vocabulary;
}

Vocabulary ChooseVocabulary(const TokenizerRequest& request, const Corpus& corpus, const std::string& corpus_input) {
  const std::optional<TokenizedModel>& model = request.model;
  if (request.vocabulary_from) {
    const std::string source = InputName(*request.vocabulary_from);
    Vocabulary vocabulary = VocabularyOf(ReadInput(*request.vocabulary_from), source);
    if (!model) return vocabulary;
    vocabulary = RequireSize(std::move(vocabulary), *model, source,
                             " distinct characters: give the text that the model was trained on");
    if (model->vocabulary && !(*model->vocabulary == vocabulary)) {
      Fail("{}: the checkpoint carries a vocabulary, and that of {} is another: leave out `vocabulary_from`",
           model->file, source);
    }
    return vocabulary;
  }
  if (!model) return Vocabulary::OfText(corpus.alphabet);
  if (model->vocabulary) return RequireSize(*model->vocabulary, *model, "the vocabulary in its metadata", "");
  return RequireSize(Vocabulary::OfText(corpus.alphabet), *model, corpus_input,
                     std::filesystem::is_directory(model->file)
                         ? " distinct characters: its tokenizer.json is missing there; or give one by `tokenizer`"
                         : " distinct characters: name the text that it was trained on with `vocabulary_from`");
}

// The bytes of the file, and its name for messages.
std::pair<std::string, std::string> ReadJson(const TokenizerRequest& request, const IndexDirectory& directory,
                                             const FileRow* existing) {
  if (request.tokenizer) return {ReadInput(*request.tokenizer), InputName(*request.tokenizer)};
  const std::filesystem::path path = directory.Resolve(existing->file);
  try {
    std::string json = ReadFile(path);
    RequireTokenizerFile(std::as_bytes(std::span(json)), *existing, /*every_byte=*/true, path.string());
    return {std::move(json), path.string()};
  } catch (const Error& error) {
    FailDamaged("{}; name the file that the directory was made with by `tokenizer`, and the copy is made again",
                error.what());
  }
}

}  // namespace

TokenizerRow ChosenTokenizer::row() const {
  if (characters) return {};
  if (texts_alone) return {TokenTextsFileRow(json), true};
  return {TokenizerFileRow(json)};
}

ChosenTokenizer OfTokenTexts(std::string json, const std::string& where) {
  std::vector<std::string> texts = ListedTokens::TextsOfJson(json, where);
  const auto is_character = [](const std::string& text) { return CodePoints(text, "a token").size() == 1; };
  const auto before = [](const std::string& one, const std::string& other) { return one >= other; };
  // The order of UTF-8 is that of the code points.
  if (std::ranges::all_of(texts, is_character) && std::ranges::adjacent_find(texts, before) == texts.end()) {
    return OfCharacters(Vocabulary::OfTokens(texts, where));
  }
  return {std::make_unique<ListedTokens>(std::move(texts)), std::nullopt, std::move(json), /*texts_alone=*/true};
}

ChosenTokenizer ChooseTokenizer(const TokenizerRequest& request, const Corpus& corpus, const std::string& corpus_input,
                                const IndexDirectory& directory, const std::optional<TokenizerRow>& existing) {
  if (request.tokenizer && request.vocabulary_from) {
    FailUsage("`vocabulary_from` {}: tokens are characters or those of `tokenizer` {}: leave one of them out",
              InputName(*request.vocabulary_from), InputName(*request.tokenizer));
  }
  if (existing && existing->texts_alone && !request.tokenizer) {
    Fail(
        "{}: its tokens were recorded as a list of texts, which does not say how {} is cut into them: give `out` a new "
        "name",
        directory.path().string(), corpus_input);
  }
  const bool kept = existing && existing->file && !request.vocabulary_from;
  if (!request.tokenizer && !kept) return OfCharacters(ChooseVocabulary(request, corpus, corpus_input));
  auto [json, where] = ReadJson(request, directory, kept ? &*existing->file : nullptr);
  ChosenTokenizer chosen;
  chosen.tokenizer = ReadTokenizerJson(json, where);
  chosen.json = std::move(json);
  const std::size_t tokens = chosen.tokenizer->size();
  if (request.model && tokens > request.model->embedding_rows) {
    Fail("{}: token id {} without an embedding row: the model knows {} ids, {} has {} tokens", request.model->file,
         request.model->embedding_rows, request.model->embedding_rows, where, tokens);
  }
  return chosen;
}

void RequireSameTokenizer(const ChosenTokenizer& chosen, const IndexDirectory& directory, const TokenizerRow& existing,
                          std::span<const TokenRow> existing_tokens) {
  const std::string out = directory.path().string();
  const TokenizerRow row = chosen.row();
  const auto kind = [](const TokenizerRow& tokenizer) { return tokenizer.file ? "a tokenizer.json" : "characters"; };
  if (row.file.has_value() != existing.file.has_value()) {
    Fail("{}: its tokens are those of {}, not of {}: give `out` a new name", out, kind(existing), kind(row));
  }
  const Tokenizer& tokenizer = *chosen.tokenizer;
  if (row.file && (row.file->checksum != existing.file->checksum || row.file->bytes != existing.file->bytes)) {
    Fail("{}: made with another tokenizer.json: give `out` a new name", out);
  }
  bool same = tokenizer.size() == existing_tokens.size();
  for (TokenId token = 0; same && token < tokenizer.size(); ++token) {
    same = tokenizer.Bytes(token) == existing_tokens[token].bytes;
  }
  if (!same) {
    Fail("{}: made with a vocabulary of {} tokens, this is another with {}: give `out` a new name", out,
         existing_tokens.size(), tokenizer.size());
  }
}

void MakeTokenizerCopy(const IndexDirectory& directory, const std::string& json, const std::string& name) {
  const std::filesystem::path partial = directory.Partial() / name;
  {
    OutputFile file(partial, OutputFile::Mode::kCreate);
    file.WriteAt(0, json);
    file.Flush();
  }
  RenameDurably(partial, directory.path() / name);
}

}  // namespace actkin
