#include "indexer/build/corpus_files.h"

#include <filesystem>
#include <vector>

#include "indexer/text/suffix_order.h"
#include "schema/token_ids.h"
#include "storage/directory/publish.h"
#include "storage/formats/corpus_tokens_file.h"
#include "storage/formats/suffix_order_file.h"

namespace actkin {

FileRow MakeCorpusTokens(const IndexDirectory& directory, const CorpusTokens& tokens, std::uint64_t vocabulary_size) {
  std::vector<std::uint64_t> begins;
  begins.reserve(tokens.documents.size() + 1);
  for (const DocumentRow& document : tokens.documents) begins.push_back(document.first_position);
  begins.push_back(tokens.tokens.size());
  const std::filesystem::path partial = directory.Partial() / IndexDirectory::CorpusTokens();
  const std::uint64_t checksum = WriteCorpusTokensFile(partial, tokens.tokens, begins, vocabulary_size);
  return Publish<CorpusTokensFile>(directory, partial, IndexDirectory::CorpusTokens(), checksum);
}

FileRow MakeCorpusSuffixes(const IndexDirectory& directory, ProgressListener& progress) {
  const CorpusTokensFile tokens(directory.path() / IndexDirectory::CorpusTokens());
  progress.Begin("suffixes", tokens.token_count(), "tokens");
  const std::filesystem::path partial = directory.Partial() / IndexDirectory::CorpusSuffixes();
  const std::uint64_t checksum = WriteSuffixOrderFile(partial, tokens, SuffixOrder(tokens.entries(), tokens.width()));
  progress.Advance(tokens.token_count(), 0);
  progress.End();
  return Publish<SuffixOrderFile>(directory, partial, IndexDirectory::CorpusSuffixes(), checksum,
                                  [&](const SuffixOrderFile& file) { file.RequireOf(tokens); });
}

std::uint64_t CorpusFileBytes(const CorpusTokens& tokens, std::uint64_t vocabulary_size) {
  const std::uint64_t documents = tokens.documents.size();
  const std::uint64_t entry = static_cast<std::uint64_t>(TokenIdWidth(vocabulary_size)) + sizeof(std::uint32_t);
  // Headers, and what sections begin at.
  constexpr std::uint64_t kRest = 6 * kSectionAlignment;
  // What follows wide prefixes, as measured on English text.
  const std::uint64_t wide = vocabulary_size > SuffixOrderFile::kMostSearched ? tokens.tokens.size() / 3 : 0;
  return (tokens.tokens.size() + documents) * entry + wide + (documents + 1) * sizeof(std::uint64_t) + kRest;
}

}  // namespace actkin
