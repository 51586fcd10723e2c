#include "indexer/activations/recorded_corpus.h"

#include <algorithm>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "schema/error.h"
#include "schema/text.h"
#include "schema/tokenizer/tokenizer_json.h"
#include "storage/exchange/npy_file.h"
#include "storage/machine/file.h"
#include "storage/machine/sha256.h"

namespace actkin {
namespace {

// A list of whole numbers.
NpyFile OpenWholeNumbers(const std::filesystem::path& path) {
  NpyFile file(path);
  if (file.shape().size() != 1 || !file.is_integer()) {
    Fail("{}: {} numbers of shape {}: expected whole numbers in one dimension", path.string(), file.type_name(),
         file.shape_text());
  }
  return file;
}

ChosenTokenizer ReadTokenizer(const std::filesystem::path& folder, const ActivationsFile& file) {
  const std::filesystem::path path = folder / file.tokenizer.value_or(file.token_texts.value_or(""));
  std::string json = ReadFile(path);
  if (!file.tokenizer) return OfTokenTexts(std::move(json), path.string());
  ChosenTokenizer chosen;
  chosen.tokenizer = ReadTokenizerJson(json, path.string());
  chosen.json = std::move(json);
  return chosen;
}

// Ids that its vocabulary has; one in a list of texts may have none, such as a token that only a model knows.
std::vector<TokenId> ReadTokens(const std::filesystem::path& path, const ChosenTokenizer& chosen,
                                const std::string& tokenizer_file) {
  const NpyFile ids = OpenWholeNumbers(path);
  if (ids.count() == 0) Fail("{}: no token: expected the ids of all", path.string());
  const Tokenizer& tokenizer = *chosen.tokenizer;
  std::vector<TokenId> tokens(ids.count());
  for (std::uint64_t i = 0; i < ids.count(); ++i) {
    const std::uint64_t id = ids.Whole(i);
    if (id >= tokenizer.size()) {
      Fail("{}: entry {} is token {}, and {} has tokens 0 to {}", path.string(), i, id, tokenizer_file,
           tokenizer.size() - 1);
    }
    tokens[i] = static_cast<TokenId>(id);
    if (!chosen.texts_alone && tokenizer.Bytes(tokens[i]).empty()) {
      Fail("{}: entry {} is token {}, and {} has no token of that id", path.string(), i, id, tokenizer_file);
    }
  }
  return tokens;
}

std::vector<DocumentRow> DocumentsOfLengths(const ActivationsFile& file, std::uint64_t token_count,
                                            const std::string& where) {
  std::vector<DocumentRow> documents;
  std::uint64_t end = 0;
  for (const std::uint64_t length : *file.document_lengths) {
    if (length > token_count - end) {
      Fail("{}: document_lengths: document {} of {} tokens ends beyond the {} of {}", where, documents.size(), length,
           token_count, file.tokens);
    }
    documents.push_back({static_cast<std::int64_t>(documents.size()), std::to_string(documents.size()), end, length});
    end += length;
  }
  if (end != token_count) {
    Fail("{}: document_lengths add up to {}, and {} has {} tokens", where, end, file.tokens, token_count);
  }
  return documents;
}

// Equal numbers are a document, which is called so.
std::vector<DocumentRow> DocumentsOfNumbers(const std::filesystem::path& path, const ActivationsFile& file,
                                            std::uint64_t token_count) {
  const NpyFile numbers = OpenWholeNumbers(path);
  if (numbers.count() != token_count) {
    Fail("{}: {} entries, and {} has {} tokens", path.string(), numbers.count(), file.tokens, token_count);
  }
  std::vector<DocumentRow> documents;
  std::uint64_t last = 0;
  for (std::uint64_t i = 0; i < token_count; ++i) {
    const std::uint64_t number = numbers.Whole(i);
    if (documents.empty() || number != last) {
      if (!documents.empty() && number < last) {
        Fail("{}: entry {} is {}, after {}: expected numbers that never fall", path.string(), i, number, last);
      }
      documents.push_back({static_cast<std::int64_t>(documents.size()), std::to_string(number), i, 0});
      last = number;
    }
    ++documents.back().token_count;
  }
  return documents;
}

// The folder's own name, whether or not a slash follows it.
std::string FolderName(const std::filesystem::path& folder) {
  const std::filesystem::path whole = std::filesystem::absolute(folder).lexically_normal();
  return ValidUtf8((whole.has_filename() ? whole : whole.parent_path()).filename().string());
}

std::string TokensSha256(const CorpusTokens& tokens) {
  Sha256Stream sha256;
  for (const DocumentRow& document : tokens.documents) {
    sha256.Add(std::as_bytes(std::span(&document.token_count, 1)));
  }
  sha256.Add(std::as_bytes(std::span(tokens.tokens)));
  return sha256.Finish();
}

}  // namespace

RecordedCorpus ReadRecordedCorpus(const std::filesystem::path& folder, const ActivationsFile& file) {
  const std::string where = (folder / kActivationsFileName).string();
  RecordedCorpus recorded;
  recorded.tokenizer = ReadTokenizer(folder, file);
  const Tokenizer& tokenizer = *recorded.tokenizer.tokenizer;
  const std::string tokenizer_file = file.tokenizer.value_or(file.token_texts.value_or(""));
  CorpusTokens& tokens = recorded.tokens;
  tokens.tokens = ReadTokens(folder / file.tokens, recorded.tokenizer, tokenizer_file);
  const std::uint64_t count = tokens.tokens.size();
  recorded.corpus.name = FolderName(folder);
  if (file.document_lengths) {
    tokens.documents = DocumentsOfLengths(file, count, where);
  } else if (file.documents) {
    tokens.documents = DocumentsOfNumbers(folder / *file.documents, file, count);
  } else {
    tokens.documents.push_back({0, recorded.corpus.name, 0, count});
  }
  // Positions are numbered with 32 bits, and what separates documents with them.
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint32_t>::max();
  if (count + tokens.documents.size() > kMost) {
    Fail("{}: {} tokens in {} documents: expected at most {} together", where, count, tokens.documents.size(), kMost);
  }
  if (file.document_names) {
    if (file.document_names->size() != tokens.documents.size()) {
      Fail("{}: {} document_names, and there are {} documents", where, file.document_names->size(),
           tokens.documents.size());
    }
    for (std::size_t i = 0; i < tokens.documents.size(); ++i) tokens.documents[i].name = (*file.document_names)[i];
  }
  if (file.bos_token_id && *file.bos_token_id >= tokenizer.size()) {
    Fail("{}: bos_token_id is {}, and {} has tokens 0 to {}", where, *file.bos_token_id, tokenizer_file,
         tokenizer.size() - 1);
  }
  for (const DocumentRow& document : tokens.documents) {
    recorded.longest_document = std::max<std::size_t>(recorded.longest_document, document.token_count);
  }
  for (const TokenId token : tokens.tokens) {
    const std::string_view bytes = tokenizer.Bytes(token);
    recorded.text_bytes += bytes.size();
    // Bytes of UTF-8 that begin a character.
    recorded.corpus.characters += static_cast<std::size_t>(
        std::ranges::count_if(bytes, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
  }
  recorded.corpus.sha256 = TokensSha256(tokens);
  return recorded;
}

}  // namespace actkin
