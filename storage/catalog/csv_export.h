#ifndef ACTKIN_STORAGE_CATALOG_CSV_EXPORT_H_
#define ACTKIN_STORAGE_CATALOG_CSV_EXPORT_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "schema/progress.h"
#include "storage/catalog/sqlite.h"
#include "storage/machine/export_folder.h"

namespace actkin {

// A file that was written, and its rows without the line of names.
struct CsvFile {
  std::string table;
  std::filesystem::path path;
  std::uint64_t rows = 0;
};

// Writes the tables and views of catalog.sql, or those named in `tables`, which may be a user's own, as
// FOLDER/TABLE.csv: comma-separated values as RFC 4180 has them (lines end in CR LF; the first names the columns; a
// field with a comma, a quote or a line break stands in quotes). UTF-8. NULL is an empty field, an empty text "" in
// quotes; real numbers read back as the same; blobs are hexadecimal. All files show the catalog at one moment, each is
// whole or not there, and memory does not depend on the number of rows. Throws Error naming the table that is not
// there, or the file that cannot be written.
std::vector<CsvFile> ExportCsv(SqliteConnection& catalog, const std::vector<std::string>& tables,
                               const ExportFolder& folder, ProgressListener& progress);

// One table or view in the same form, front to back, piece by piece. Throws Error (usage) when it is not there.
void StreamCsv(SqliteConnection& catalog, const std::string& table, const std::function<void(std::string_view)>& write,
               ProgressListener& progress);

}  // namespace actkin

#endif  // ACTKIN_STORAGE_CATALOG_CSV_EXPORT_H_
