#include "storage/directory/open_tokenizer.h"

#include <xxhash.h>

#include "schema/error.h"
#include "schema/tokenizer/character_tokenizer.h"
#include "schema/tokenizer/listed_tokens.h"
#include "schema/tokenizer/tokenizer_json.h"
#include "schema/vocabulary.h"
#include "storage/machine/file.h"

namespace actkin {
namespace {

FileRow RowOf(std::string_view bytes, const std::string& name) {
  return {name, bytes.size(), ChecksumText(XXH3_64bits(bytes.data(), bytes.size()))};
}

}  // namespace

std::unique_ptr<const Tokenizer> OpenTokenizer(const IndexDirectory& directory, Catalog& catalog) {
  const TokenizerRow row = catalog.Tokenizer();
  if (!row.file) {
    const std::string where = directory.Catalog().string();
    return std::make_unique<CharacterTokenizer>(Vocabulary::OfTokens(catalog.TokenTexts(), where));
  }
  const std::filesystem::path path = directory.Resolve(row.file->file);
  const MappedFile file(path);
  RequireTokenizerFile(file.bytes(), *row.file, /*every_byte=*/true, path.string());
  const std::string_view json(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  std::unique_ptr<const Tokenizer> tokenizer;
  if (row.texts_alone) {
    tokenizer = std::make_unique<ListedTokens>(ListedTokens::TextsOfJson(json, path.string()));
  } else {
    tokenizer = ReadTokenizerJson(json, path.string());
  }
  if (tokenizer->size() != catalog.TokenCount()) {
    FailDamaged("{}: a tokenizer of {} tokens, the catalog has {}", path.string(), tokenizer->size(),
                catalog.TokenCount());
  }
  return tokenizer;
}

FileRow TokenizerFileRow(std::string_view json) { return RowOf(json, IndexDirectory::Tokenizer()); }
FileRow TokenTextsFileRow(std::string_view json) { return RowOf(json, IndexDirectory::TokenTexts()); }

void RequireTokenizerFile(std::span<const std::byte> file, const FileRow& row, bool every_byte,
                          const std::string& path) {
  if (file.size() != row.bytes || (every_byte && ChecksumText(XXH3_64bits(file.data(), file.size())) != row.checksum)) {
    FailDamaged(
        "{}: damaged, or of another build: it is not the tokenizer that the catalog knows: 'actkin build' with the "
        "tokenizer that it was made with brings it back",
        path);
  }
}

}  // namespace actkin
