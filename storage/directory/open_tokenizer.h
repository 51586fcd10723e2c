#ifndef ACTKIN_STORAGE_DIRECTORY_OPEN_TOKENIZER_H_
#define ACTKIN_STORAGE_DIRECTORY_OPEN_TOKENIZER_H_

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "schema/tokenizer/tokenizer.h"
#include "storage/catalog/catalog.h"
#include "storage/catalog/index_directory.h"

namespace actkin {

// The tokenizer of an index directory: of the characters in its catalog, or of its tokenizer.json or tokens.json, every
// byte of which is checked against the catalog. That takes long for a large vocabulary: tokens can be read without it
// (Catalog::Token). Throws Error naming the file.
std::unique_ptr<const Tokenizer> OpenTokenizer(const IndexDirectory& directory, Catalog& catalog);

// What the catalog says of such a file.
FileRow TokenizerFileRow(std::string_view json);
FileRow TokenTextsFileRow(std::string_view json);

// Throws Error naming `path` where the file has another size than the catalog says or, with every_byte, another
// checksum.
void RequireTokenizerFile(std::span<const std::byte> file, const FileRow& row, bool every_byte,
                          const std::string& path);

}  // namespace actkin

#endif  // ACTKIN_STORAGE_DIRECTORY_OPEN_TOKENIZER_H_
