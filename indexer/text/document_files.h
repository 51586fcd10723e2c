#ifndef ACTKIN_INDEXER_TEXT_DOCUMENT_FILES_H_
#define ACTKIN_INDEXER_TEXT_DOCUMENT_FILES_H_

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "indexer/text/corpus.h"

namespace actkin {

// Whether an input is a text: neither a folder nor a file of JSON lines.
bool IsOneText(const std::filesystem::path& input);

// Tells the documents of one input of a corpus, in their order: name, what messages call it, text (as it stands there,
// not looked at). Throws Error naming the input, and the line of it, that is not as CorpusSource says.
void ReadDocuments(const std::filesystem::path& input, const CorpusSource& source,
                   const std::function<void(std::string name, std::string where, std::string_view text)>& tell);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_TEXT_DOCUMENT_FILES_H_
