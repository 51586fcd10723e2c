#ifndef ACTKIN_INDEXER_TEXT_DOCUMENT_FILES_H_
#define ACTKIN_INDEXER_TEXT_DOCUMENT_FILES_H_

#include <filesystem>
#include <string>
#include <string_view>

#include "indexer/text/corpus.h"

namespace actkin {

// Whether an input is a text: neither a folder nor a file of JSON lines, or the source says so.
bool IsOneText(const std::filesystem::path& input, const CorpusSource& source);

// Is told the documents of a corpus, one after the other.
class DocumentReader {
 public:
  virtual ~DocumentReader() = default;

  // where: what messages call it.
  virtual void Begin(std::string name, std::string where) = 0;
  // The next piece of its text, as it stands there, not looked at; where it is UTF-8, cut between characters.
  virtual void Add(std::string_view piece) = 0;
  virtual void End() = 0;
};

// Tells the documents of one input of a corpus, in their order. Of a text no more than about two megabytes are in
// memory, of JSON lines a line. Throws Error naming the input, and the line of it, that is not as CorpusSource says.
void ReadDocuments(const std::filesystem::path& input, const CorpusSource& source, DocumentReader& reader);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_TEXT_DOCUMENT_FILES_H_
