#ifndef ACTKIN_STORAGE_MACHINE_WORK_PLAN_H_
#define ACTKIN_STORAGE_MACHINE_WORK_PLAN_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "schema/progress.h"
#include "schema/site.h"

namespace actkin {

// A piece of work that can be cut: things that are made in numbered batches, in any order, by threads or processes that
// know nothing of each other. A batch's result depends on the plan and its number alone. (What has one order by nature,
// training a model and learning a scheme's weights, keeps checkpoints of its own; sketches are made site by site, and
// the catalog says which sites have theirs.)
struct WorkPlan {
  // Names all that decides what the batches make: what was made by another plan is not continued.
  std::string fingerprint;
  std::uint64_t items = 0;
  std::uint64_t batch_items = 1;

  std::uint64_t batches() const { return (items + batch_items - 1) / batch_items; }
  // The things of a batch; the last one has fewer. REQUIRES: batch < batches().
  RowRange Items(std::uint64_t batch) const;
  // The batches of one of `parts` parts, which follow each other and differ by one batch at most.
  // REQUIRES: part < parts.
  RowRange Part(std::uint64_t part, std::uint64_t parts) const;
};

// The files that the batches of a plan fill, and the map of the batches that are done, in a folder of their own: what a
// killed run leaves there is continued by the next one. Numbers that the batches add up to (checksums, bytes) are kept
// with the map. Whoever makes one for a folder keeps others out of it (BuildLock). Threads may call Take and SetDone
// at once; the rest is for one thread.
class WorkFolder {
 public:
  // published: where each file is moved when all is done. A file that was moved there, while its folder stayed, comes
  // back. Continues only what is whole: the map of the same plan, all files, none shorter than the map says. Else the
  // folder is emptied.
  // batches: those of the plan that are made here. sums: how many numbers batches add up to.
  WorkFolder(std::filesystem::path folder, WorkPlan plan, RowRange batches,
             std::vector<std::filesystem::path> published, std::size_t sums);

  const WorkPlan& plan() const { return plan_; }
  // Where a file is written until then, by its place in `published`.
  std::filesystem::path File(std::size_t index) const;
  // An earlier run's files and map are there.
  bool continued() const { return continued_; }
  std::uint64_t batches_left() const;
  // In the batches that are done.
  std::uint64_t items_done() const;
  std::vector<std::uint64_t> sums() const;

  // The lowest batch that is neither done nor taken; none when there is none, or after Stop.
  std::optional<std::uint64_t> Take();
  // A batch that was taken is written, though perhaps not on the medium. shares: what it adds to each sum.
  void SetDone(std::uint64_t batch, std::span<const std::uint64_t> shares);
  // No batch is given out any more.
  void Stop();
  // Marks on the medium the batches that were done before: first flush(), which makes safe what they wrote.
  void Save(const std::function<void()>& flush);
  // What is in the folder is not continued any more.
  void Forget() const;
  // Once nothing of the folder is needed.
  void Remove() const;

 private:
  std::filesystem::path MapPath() const;
  // Takes over what the map says, and the sizes that files had; none where it is not of this plan.
  std::optional<std::vector<std::uint64_t>> Read();
  std::string Encoded() const;
  // Bytes of each file: those of the batches that are done are among them.
  std::vector<std::uint64_t> Sizes() const;

  const std::filesystem::path folder_;
  const WorkPlan plan_;
  const RowRange batches_;
  const std::vector<std::filesystem::path> published_;
  bool continued_ = false;

  mutable std::mutex mutex_;  // guards what follows
  std::vector<bool> done_;    // by batch, from the first of batches_
  std::vector<std::uint64_t> sums_;
  std::uint64_t items_done_ = 0;
  std::uint64_t next_ = 0;
  bool stopped_ = false;
};

// Makes a batch, and returns what it adds to each sum. Called by one thread, batch after batch.
using BatchMaker = std::function<std::vector<std::uint64_t>(std::uint64_t batch)>;

struct WorkOptions {
  int threads = 1;  // 0: the calling thread makes all batches itself
  // How often progress is made safe on disk; 0 after every batch.
  double checkpoint_seconds = 10;
  std::string step;  // for the listener, such as "activations"
  std::string unit;  // of items
};

// Makes the batches that are left. Each thread gets a maker of its own, made in it; flush() makes safe what they
// wrote. After a failure (of a maker, a flush or the listener) what is done stays done, and the first one is thrown.
void DoBatches(WorkFolder& work, const WorkOptions& options, ProgressListener& progress,
               const std::function<void()>& flush, const std::function<BatchMaker()>& new_maker);

}  // namespace actkin

#endif  // ACTKIN_STORAGE_MACHINE_WORK_PLAN_H_
