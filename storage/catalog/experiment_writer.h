#ifndef ACTKIN_STORAGE_CATALOG_EXPERIMENT_WRITER_H_
#define ACTKIN_STORAGE_CATALOG_EXPERIMENT_WRITER_H_

#include <cstdint>
#include <span>
#include <string>

#include "storage/catalog/catalog_writer.h"
#include "storage/catalog/experiment_catalog.h"
#include "storage/catalog/index_directory.h"

namespace actkin {

// Adds experiments to the catalog of an index directory. Files are published (storage/directory/publish.h) before they
// are added. REQUIRES: the build lock is held.
class ExperimentWriter : public CatalogWriter {
 public:
  using CatalogWriter::CatalogWriter;

  // Each is one transaction: a reader sees all of it or nothing.

  // Returns its id; the one in `set` is not looked at, nor its prompt_count. saved: neighbors of the set's prompts.
  // REQUIRES: no set has the name.
  std::int64_t AddPromptSet(const PromptSetRow& set, std::span<const PromptRow> prompts,
                            std::span<const SavedNeighborsRow> saved = {});
  // Each takes the place of an earlier one of the same file name.
  void AddSavedNeighbors(std::int64_t prompt_set_id, const SavedNeighborsRow& row);
  void AddSavedBandTotals(std::int64_t prompt_set_id, const SavedBandTotalsRow& row);
  void AddSavedPredictions(std::int64_t prompt_set_id, const FileRow& file);
  // No row names the file any more, and it is gone. REQUIRES: it is of a set that was not imported.
  void ForgetFile(const IndexDirectory& directory, const std::string& file);
  // Takes the place of a scheme of the same name.
  void SaveScheme(const SchemeRow& scheme);
  // Each takes the place of the same run's earlier result.
  void SaveEvaluations(std::int64_t prompt_set_id, std::span<const EvaluationRow> rows);
};

// Where an unfinished file of an experiment is written: in partial/, which this makes.
std::filesystem::path ExperimentPartial(const IndexDirectory& directory, const std::string& name);

}  // namespace actkin

#endif  // ACTKIN_STORAGE_CATALOG_EXPERIMENT_WRITER_H_
