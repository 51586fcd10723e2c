#ifndef ACTKIN_QUERY_EXPERIMENT_PROMPT_WORK_H_
#define ACTKIN_QUERY_EXPERIMENT_PROMPT_WORK_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "query/reader/prompt_set.h"
#include "schema/progress.h"
#include "storage/catalog/index_directory.h"
#include "storage/formats/prompt_record_file.h"
#include "storage/machine/work_plan.h"

namespace actkin {

// Work on a file of records of a set's prompts (PromptRecordWriter), in a folder under partial/. `published`: what the
// file will be. Its name, the set and the batch's size tell what is continued. REQUIRES: the build lock is held.
WorkFolder PromptWork(const IndexDirectory& directory, const PromptSet& set, const std::filesystem::path& published,
                      std::uint64_t batch_prompts);

// What of the file is there, for its writer.
WrittenRecords WrittenOf(const WorkFolder& work);

// Makes the batches that are left, in order, in this thread: write(prompts) writes the next ones to `records`.
void FillRecords(WorkFolder& work, const std::string& step, PromptRecordWriter& records, ProgressListener& progress,
                 const std::function<void(RowRange prompts)>& write);

}  // namespace actkin

#endif  // ACTKIN_QUERY_EXPERIMENT_PROMPT_WORK_H_
