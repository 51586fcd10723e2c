#ifndef ACTKIN_QUERY_READER_RECOMPUTED_ROWS_H_
#define ACTKIN_QUERY_READER_RECOMPUTED_ROWS_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "query/reader/prompt_forward.h"
#include "schema/site.h"
#include "storage/catalog/catalog.h"
#include "storage/catalog/index_directory.h"
#include "storage/formats/corpus_tokens_file.h"
#include "storage/formats/row_source.h"
#include "storage/formats/suffix_order_file.h"

namespace actkin {

// Where in the corpus the strings of a site's rows stand, found in the order of the suffixes. Four bytes a row.
// Immutable; any thread.
class RowTokens {
 public:
  // The distinct prefixes of `length` tokens of the strings of `string_length` tokens, in their order. Throws Error
  // where they are not row_count, or a file is damaged. REQUIRES: 0 < length <= string_length.
  RowTokens(std::shared_ptr<const CorpusTokensFile> tokens, const SuffixOrderFile& order, int length, int string_length,
            std::uint64_t row_count);

  // length tokens. REQUIRES: row < row_count.
  std::vector<TokenId> Of(RowNumber row) const;

 private:
  std::shared_ptr<const CorpusTokensFile> tokens_;
  int length_;
  std::vector<std::uint32_t> entries_;  // by row: where one of its strings begins
};

// Looks at a row that was computed; throws Error where it cannot be right. Any thread.
using RowCheck = std::function<void(RowNumber row, std::span<const float> numbers)>;

// The rows of a site over strings that keeps none: each the output of `forward` at its string's last token, alone, so
// that it is the same whatever is asked with it. The rows asked last, up to 256 MB of them, are remembered.
RowSource RecomputedRows(const SiteRow& site, const std::filesystem::path& name,
                         std::shared_ptr<const PromptForward> forward, std::shared_ptr<const RowTokens> tokens,
                         RowCheck check);

// The same of a directory's site, by its own model; a row that its sketches, the site's index `exact`, cannot have been
// made of is an error (query/exact/recomputed_row.h). Throws Error where it is over positions or has no model, and
// naming a file that is damaged.
RowSource OpenRecomputedRows(const IndexDirectory& directory, Catalog& catalog, const SiteRow& site,
                             std::shared_ptr<const CorpusTokensFile> tokens, const FileRow& sketches);

}  // namespace actkin

#endif  // ACTKIN_QUERY_READER_RECOMPUTED_ROWS_H_
