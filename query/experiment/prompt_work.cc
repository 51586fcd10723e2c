#include "query/experiment/prompt_work.h"

#include <vector>

#include "schema/error.h"
#include "storage/catalog/experiment_writer.h"

namespace actkin {

WorkFolder PromptWork(const IndexDirectory& directory, const PromptSet& set, const std::filesystem::path& published,
                      std::uint64_t batch_prompts) {
  const std::string name = published.filename().string();
  const WorkPlan plan{fmt::format("{} {}", set.row.sha256, name), set.prompts.size(), batch_prompts};
  return {ExperimentPartial(directory, name), plan, {0, plan.batches()}, {published}, 1};
}

WrittenRecords WrittenOf(const WorkFolder& work) { return {work.items_done(), work.sums()[0]}; }

void FillRecords(WorkFolder& work, const std::string& step, PromptRecordWriter& records, ProgressListener& progress,
                 const std::function<void(RowRange prompts)>& write) {
  const WorkOptions options{.threads = 0, .step = step, .unit = "prompts"};
  DoBatches(
      work, options, progress, [&] { records.Flush(); },
      [&]() -> BatchMaker {
        return [&](std::uint64_t batch) -> std::vector<std::uint64_t> {
          const std::uint64_t before = records.list_bytes();
          write(work.plan().Items(batch));
          return {records.list_bytes() - before};
        };
      });
}

}  // namespace actkin
