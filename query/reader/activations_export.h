#ifndef ACTKIN_QUERY_READER_ACTIVATIONS_EXPORT_H_
#define ACTKIN_QUERY_READER_ACTIVATIONS_EXPORT_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "query/reader/index_reader.h"
#include "schema/progress.h"
#include "storage/machine/export_folder.h"

namespace actkin {

struct ActivationsExportSummary {
  std::vector<std::string> files;  // in the folder, by name; activations.json is the last
  std::uint64_t bytes = 0;
};

// Writes sites over positions as a folder that ImportActivations reads (storage/exchange/activations_file.h): ids,
// documents and their names, the tokenizer or the tokens' texts, a matrix a site in the element that it is kept in,
// with the bytes that were imported; activations.json last. Each file is whole or not there. Throws Error where there
// is no site, where they do not have the same token before their windows, or when the disk is too small. REQUIRES: the
// sites are over positions.
ActivationsExportSummary ExportActivations(IndexReader& reader, std::span<const SiteRow> sites,
                                           const ExportFolder& folder, ProgressListener& progress);

}  // namespace actkin

#endif  // ACTKIN_QUERY_READER_ACTIVATIONS_EXPORT_H_
