#ifndef ACTKIN_QUERY_EXPERIMENT_EXPERIMENT_H_
#define ACTKIN_QUERY_EXPERIMENT_EXPERIMENT_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "query/experiment/neighbor_totals.h"
#include "query/predict/neighbor_pool.h"
#include "query/predict/next_token_counts.h"
#include "query/predict/saved_neighbor_lists.h"
#include "query/predict/scheme.h"
#include "query/reader/index_reader.h"
#include "query/reader/prompt_set.h"
#include "query/reader/prompt_vectors.h"
#include "schema/progress.h"
#include "storage/catalog/build_lock.h"
#include "storage/catalog/experiment_writer.h"
#include "storage/formats/saved_neighbors_file.h"

namespace actkin {

// Which rows of a site count; by default all.
struct RowChoice {
  std::string where;  // only those that this condition of SQL holds for (string_filter.h); empty: all
  std::optional<double> max_length = {};  // only those at most so long (SiteIndex::RowsUpTo)
  bool exclude_self = false;              // not each prompt's own (IndexReader::OwnRows)

  bool all() const { return where.empty() && !max_length && !exclude_self; }
  friend bool operator==(const RowChoice&, const RowChoice&) = default;
};
// Throws Error (usage) saying that no row of the site counts.
[[noreturn]] void FailNoRows(const Site& site, const RowChoice& rows);
// Throws as FailNoRows does where the condition and the length leave no row of the site. REQUIRES: the site is built.
void RequireSomeRows(IndexReader& reader, const Site& site, const RowChoice& rows);

// What is searched in one site for every prompt of a set: its k nearest among the rows that count and are within the
// band, or, without a k, what follows all of those, added up.
struct NeighborNeed {
  Site site;
  Metric metric = Metric::kL2;
  std::optional<std::uint64_t> k;
  std::optional<Band> within;
  RowChoice rows = {};
  bool fewer_will_do = false;  // where fewer than k rows count
};

// Each site's needs beside each other, and of those that one search answers the largest alone.
std::vector<NeighborNeed> CombineNeeds(std::vector<NeighborNeed> needs);

// Answers the questions that an evaluation asks of all prompts of a set, and saves the answers in the index directory:
// a site is searched once, and a run that was killed goes on where it was. One thread (it works in threads of its own).
class Experiment {
 public:
  // The catalog gets the set when something is first saved for it. `reader` and `progress` outlive this object.
  Experiment(IndexReader& reader, PromptSet set, int threads, ProgressListener& progress);

  const PromptSet& set() const { return set_; }
  IndexReader& reader() { return reader_; }
  int threads() const { return threads_; }
  ProgressListener& progress() { return progress_; }

  // What a request needs, of the terms that `wanted` is true for.
  std::vector<NeighborNeed> NeedsOf(const PoolRequest& request, int blocks,
                                    const std::function<bool(std::size_t term)>& wanted) const;
  // True where it is saved.
  bool Has(const NeighborNeed& need);
  // True where it is saved, or its site is built. Throws Error (usage) when its site has fewer rows than k, or none
  // that count as far as that can be known, or the set was imported without it.
  bool CanFind(const NeighborNeed& need);
  // Throws Error (usage) as CanFind does, and where it is false, naming the sites that are built and the command line
  // that builds all those that are missing.
  void Require(std::span<const NeighborNeed> needs);
  // Finds and saves what is not saved yet. Throws Error (usage) when the site is not built.
  void Find(const NeighborNeed& need);
  // The same, where the need's site is built in another directory of the same corpus and model.
  void FindIn(IndexReader& built, const NeighborNeed& need);

  // What Find saved; found first where that is not done.
  SavedNeighborLists Neighbors(const NeighborNeed& need);                      // REQUIRES: need.k
  std::shared_ptr<const BandTotalsFile> BandTotals(const NeighborNeed& need);  // REQUIRES: not need.k

  // What the model's own distributions are made of; found first where that is not done. Throws Error (usage) when the
  // directory has no model.
  std::shared_ptr<const PredictionsFile> Predictions();

  // What a request's neighbors add up to, for the terms that `wanted` is true for; the others are zero. Neighbors are
  // found first where that is not done. REQUIRES: terms are those of `blocks` blocks. This object outlives the result.
  NeighborTotals Totals(const PoolRequest& request, Kernel kernel, int blocks,
                        const std::function<bool(std::size_t term)>& wanted);

  // Next-token counts of all strings, in memory.
  const NextTokenTable& Counts();

  // Adds the set to the catalog where it is not there. Returns its id.
  std::int64_t SaveSet();
  // The directory's lock is held from now on. Throws Error when another process holds it.
  void Lock();
  // For a change of the catalog, under the directory's lock. Throws Error when another process holds that.
  std::unique_ptr<ExperimentWriter> Writer();

 private:
  // Every site that a request asks of a term, in order.
  std::vector<Site> SitesOf(const PoolRequest& request, const Term& term) const;
  // What a request asks of a term in one of its sites.
  NeighborNeed NeedOf(const PoolRequest& request, std::size_t term, const Site& site) const;
  // The string_ids of a site's rows for which a condition holds, ascending, and a checksum of them; none and empty
  // without a condition.
  struct Passing {
    std::vector<std::int64_t> string_ids;
    std::string checksum;
  };
  const Passing& PassingIn(const Site& site, const std::string& where);
  CountedRows CountedIn(const NeighborNeed& need);
  // Of the need's site in `built`; null where all rows pass.
  std::shared_ptr<const RowSet> RowsThatPass(IndexReader& built, const NeighborNeed& need);
  void RequireRows(const NeighborNeed& need, bool is_built);
  // Of each of these prompts its own row in `built`, where that does not count; an entry each.
  std::vector<std::optional<RowNumber>> OwnRows(IndexReader& built, const NeighborNeed& need, RowRange prompts);
  [[noreturn]] void FailNotImported(const NeighborNeed& need) const;
  std::optional<SavedNeighborLists> SavedLists(const NeighborNeed& need);
  std::shared_ptr<const BandTotalsFile> SavedBandTotals(const NeighborNeed& need);
  void SearchNeighbors(IndexReader& built, const NeighborNeed& need);
  void CountBand(IndexReader& built, const NeighborNeed& need);
  PromptVectors& Vectors();
  StringId FirstStringId(int length) const;
  void RequireDisk(std::uint64_t bytes) const;

  std::vector<NeighborTotals::Source> SourcesOf(const PoolRequest& request, std::size_t term, int blocks);
  // Fills a file of records of prompts under partial/, gives it its name, and adds it to the catalog: produce(records,
  // prompts) writes the next ones. `number`: what the kind of records counts (k, tokens, dimensions). A run that was
  // killed goes on from its last checkpoint.
  template <typename File, typename Records>
  void Fill(const std::string& name, const std::string& what, std::uint64_t batch, std::uint64_t number,
            const std::function<void(Records& records, RowRange prompts)>& produce,
            const std::function<void(ExperimentWriter& catalog, std::int64_t prompt_set_id, const FileRow& file)>& add);

  IndexReader& reader_;
  PromptSet set_;
  const int threads_;
  ProgressListener& progress_;
  std::optional<BuildLock> lock_;
  std::optional<PromptVectors> vectors_;
  std::map<std::pair<int, std::string>, Passing> passing_;  // by t_i and condition
  std::unique_ptr<NextTokenTable> counts_;
};

}  // namespace actkin

#endif  // ACTKIN_QUERY_EXPERIMENT_EXPERIMENT_H_
