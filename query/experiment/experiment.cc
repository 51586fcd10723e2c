#include "query/experiment/experiment.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "query/experiment/prompt_work.h"
#include "query/predict/band_counts.h"
#include "schema/error.h"
#include "schema/text.h"
#include "storage/catalog/experiment_catalog.h"
#include "storage/directory/publish.h"
#include "storage/machine/file.h"
#include "storage/machine/row_workers.h"

namespace actkin {
namespace {

// Prompts of one search: as many as a search likes to get, while its answers stay small beside the memory limit.
constexpr std::uint64_t kBatch = 2048;
constexpr std::uint64_t kAnswerBytes = std::uint64_t{256} << 20;
// Of one pass over all rows.
constexpr std::uint64_t kBandBatch = 256;
constexpr std::uint64_t kPredictionBatch = 512;
constexpr std::uint64_t kPiece = 16;  // prompts that a thread takes at once

std::uint64_t BatchFor(double rows_a_prompt) {
  const double bytes = std::max(rows_a_prompt, 1.0) * sizeof(Match);
  return std::clamp<std::uint64_t>(static_cast<std::uint64_t>(static_cast<double>(kAnswerBytes) / bytes), 8, kBatch);
}

std::vector<SavedNeighbor> Compact(const std::vector<Match>& matches) {
  std::vector<SavedNeighbor> neighbors;
  neighbors.reserve(matches.size());
  for (const Match& match : matches)
    neighbors.push_back({static_cast<StringOrdinal>(match.number), static_cast<float>(match.distance)});
  return neighbors;
}

std::string DescribeSearch(const Site& site, Metric metric, const std::optional<Band>& within) {
  return fmt::format("{} {}{}", Describe(site), Name(metric), within ? " " + FormatBand(*within) : "");
}

}  // namespace

Experiment::Experiment(IndexReader& reader, PromptSet set, int threads, ProgressListener& progress)
    : reader_(reader), set_(std::move(set)), threads_(threads), progress_(progress) {}

void Experiment::Lock() {
  if (!lock_) lock_.emplace(reader_.directory());
}

std::unique_ptr<ExperimentWriter> Experiment::Writer() {
  Lock();
  return std::make_unique<ExperimentWriter>(reader_.directory());
}

std::int64_t Experiment::SaveSet() {
  if (set_.row.prompt_set_id != 0) return set_.row.prompt_set_id;
  Lock();
  if (const auto found = ExperimentCatalog(reader_.catalog()).FindPromptSet(set_.row.name)) {
    set_.row = *found;
  } else {
    set_.row.prompt_set_id = Writer()->AddPromptSet(set_.row, PromptRows(set_));
  }
  return set_.row.prompt_set_id;
}

StringId Experiment::FirstStringId(int length) const {
  for (const LengthRow& row : reader_.catalog().Lengths()) {
    if (row.length == length) return row.first_string_id;
  }
  FailUsage("t_i {}: strings have {} tokens", length - 1, reader_.string_length());
}

void Experiment::RequireDisk(std::uint64_t bytes) const {
  const std::uint64_t free = FreeDiskBytes(reader_.directory().path());
  if (bytes <= free) return;
  Fail(ErrorCode::kOutOfSpace,
       "{}: needs {:.2f} GB more on disk for neighbors, {:.2f} GB are free: free some space, or ask for a smaller k or "
       "sample",
       reader_.directory().path().string(), static_cast<double>(bytes) / 1e9, static_cast<double>(free) / 1e9);
}

void Experiment::FailNotImported(const NeighborNeed& need) const {
  FailUsage(ErrorCode::kNotFound, "prompt set {}: no neighbors in {}, {}, with k {} were imported",
            Quote(set_.row.name), Describe(need.site), Name(need.metric), need.k ? fmt::format("{}", *need.k) : "all");
}

std::vector<NeighborNeed> Experiment::NeedsOf(const PoolRequest& request, int blocks,
                                              const std::function<bool(std::size_t term)>& wanted) const {
  std::vector<NeighborNeed> needs;
  for (std::size_t term = 0; term < Terms(blocks).size(); ++term) {
    if (!wanted(term)) continue;
    for (const Site& site : SitesOf(request, Terms(blocks)[term])) {
      needs.push_back({site, request.metric, CountIn(request, term, site), request.BandOf(term)});
    }
  }
  return needs;
}

std::optional<std::uint64_t> Experiment::CountIn(const PoolRequest& request, std::size_t term, const Site& site) const {
  return request.CountOf(term, reader_.RowCount(site.t_i));
}

std::optional<SavedNeighborLists> Experiment::SavedLists(const NeighborNeed& need) {
  if (set_.row.prompt_set_id == 0) return std::nullopt;
  return FindSavedNeighbors(reader_, set_.row.prompt_set_id, need.site, need.metric, need.k.value(), need.within);
}

std::shared_ptr<const BandTotalsFile> Experiment::SavedBandTotals(const NeighborNeed& need) {
  if (set_.row.prompt_set_id == 0) return nullptr;
  for (const SavedBandTotalsRow& row : ExperimentCatalog(reader_.catalog()).SavedBandTotals(set_.row.prompt_set_id)) {
    if (row.site != need.site || row.metric != need.metric || row.within != need.within.value()) continue;
    return OpenCatalogued<BandTotalsFile>(reader_.directory(), row.file, set_.prompts.size());
  }
  return nullptr;
}

bool Experiment::Has(const NeighborNeed& need) {
  return need.k ? SavedLists(need).has_value() : SavedBandTotals(need) != nullptr;
}

bool Experiment::CanFind(const NeighborNeed& need) {
  if (Has(need)) return true;
  if (set_.row.imported) FailNotImported(need);
  const bool built = reader_.catalog().FindSite(need.site).has_value();
  if (built) reader_.OpenIndex(need.site);  // damage is found before the work begins
  for (const LengthRow& length : reader_.catalog().Lengths()) {
    if (need.k && length.length == need.site.t_i + 1 && *need.k > length.row_count) {
      FailUsage("-k {}: {} has {} rows", *need.k, Describe(need.site), length.row_count);
    }
  }
  return built;
}

void Experiment::Require(std::span<const NeighborNeed> needs) {
  std::vector<Site> missing;
  for (const NeighborNeed& need : needs) {
    if (!CanFind(need)) missing.push_back(need.site);
  }
  reader_.RequireSites(missing);
}

void Experiment::Find(const NeighborNeed& need) { FindIn(reader_, need); }

void Experiment::FindIn(IndexReader& built, const NeighborNeed& need) {
  if (Has(need)) return;
  if (set_.row.imported) FailNotImported(need);
  if (need.k) {
    SearchNeighbors(built, need);
  } else {
    CountBand(built, need);
  }
}

SavedNeighborLists Experiment::Neighbors(const Site& site, Metric metric, std::uint64_t k,
                                         const std::optional<Band>& within) {
  const NeighborNeed need{site, metric, k, within};
  if (std::optional<SavedNeighborLists> lists = SavedLists(need)) return *lists;
  Find(need);
  return SavedLists(need).value();
}

std::shared_ptr<const BandTotalsFile> Experiment::BandTotals(const Site& site, Metric metric, const Band& within) {
  const NeighborNeed need{site, metric, std::nullopt, within};
  if (std::shared_ptr<const BandTotalsFile> totals = SavedBandTotals(need)) return totals;
  Find(need);
  return SavedBandTotals(need);
}

PromptVectors& Experiment::Vectors() {
  if (!vectors_) vectors_.emplace(reader_, set_.prompts, threads_, progress_);
  return *vectors_;
}

template <typename File, typename Records>
void Experiment::Fill(
    const std::string& name, const std::string& what, std::uint64_t batch, std::uint64_t number,
    const std::function<void(Records& records, RowRange prompts)>& produce,
    const std::function<void(ExperimentWriter& catalog, std::int64_t prompt_set_id, const FileRow& file)>& add) {
  const IndexDirectory& directory = reader_.directory();
  WorkFolder work = PromptWork(directory, set_, directory.path() / name, batch);
  Records records(work.File(0), set_.prompts.size(), number, WrittenOf(work));
  FillRecords(work, what, records.records(), progress_, [&](RowRange prompts) { produce(records, prompts); });
  const FileRow file = Publish<File>(directory, work.File(0), name, records.Finish());
  work.Remove();
  const std::int64_t id = SaveSet();
  add(*Writer(), id, file);
}

void Experiment::SearchNeighbors(IndexReader& built, const NeighborNeed& need) {
  const auto& [site, metric, count, within] = need;
  const std::uint64_t k = count.value();
  const std::shared_ptr<const SiteIndex> index = built.OpenIndex(site);
  Lock();
  const std::string name = IndexDirectory::SavedNeighbors(set_.row.name, site, metric, k, within);
  if (!std::filesystem::exists(ExperimentPartial(reader_.directory(), name))) {
    RequireDisk(SavedNeighborsWriter::FileBytes(set_.prompts.size(), k));
  }
  SearchRequest request;
  request.metric = metric;
  request.k = k;
  request.within = within;
  request.threads = threads_;
  Fill<SavedNeighborsFile, SavedNeighborsWriter>(
      name, DescribeSearch(site, metric, within), BatchFor(static_cast<double>(k)), k,
      [&](SavedNeighborsWriter& writer, RowRange range) {
        const std::vector<float> queries = Vectors().Of(site, range, built);
        std::vector<std::vector<SavedNeighbor>> found;
        found.reserve(range.size());
        for (const std::vector<Match>& matches : index->Search(queries, request)) found.push_back(Compact(matches));
        writer.Write(found);
      },
      [&](ExperimentWriter& catalog, std::int64_t id, const FileRow& file) {
        catalog.AddSavedNeighbors(id, {site, metric, k, within, file});
      });
}

void Experiment::CountBand(IndexReader& built, const NeighborNeed& need) {
  const Site& site = need.site;
  const Metric metric = need.metric;
  const Band& within = need.within.value();
  const std::shared_ptr<const SiteIndex> index = built.OpenIndex(site);
  const std::shared_ptr<const RowOrderFile> order = built.OpenRowOrder(site.t_i);
  const StringRowNextTokens next_tokens(*order, FirstStringId(site.t_i + 1), Counts());
  Lock();
  const BandRequest request{
      .metric = metric, .thresholds = ThresholdsOf(within, metric), .inverse_distance = true, .threads = threads_};
  Fill<BandTotalsFile, BandTotalsWriter>(
      IndexDirectory::SavedBandTotals(set_.row.name, site, metric, within), DescribeSearch(site, metric, within),
      kBandBatch, Counts().vocabulary_size(),
      [&](BandTotalsWriter& writer, RowRange range) {
        const std::vector<float> queries = Vectors().Of(site, range, built);
        const BandCounts counts = CountBands(*index, next_tokens, queries, request);
        std::vector<BandTotalsWriter::Totals> totals;
        for (std::size_t i = 0; i < range.size(); ++i) {
          totals.push_back({counts.rows[i * counts.bands + counts.bands - 1], counts.Of(i, counts.bands - 1)});
        }
        writer.Write(totals);
      },
      [&](ExperimentWriter& catalog, std::int64_t id, const FileRow& file) {
        catalog.AddSavedBandTotals(id, {site, metric, within, file});
      });
}

std::shared_ptr<const PredictionsFile> Experiment::Predictions() {
  const PromptForward& forward = reader_.Forward();
  const auto embed = static_cast<std::size_t>(forward.shape().embed);
  const auto find = [&]() -> std::shared_ptr<const PredictionsFile> {
    if (set_.row.prompt_set_id == 0) return nullptr;
    const auto row = ExperimentCatalog(reader_.catalog()).SavedPredictions(set_.row.prompt_set_id);
    if (!row) return nullptr;
    auto file = OpenCatalogued<PredictionsFile>(reader_.directory(), *row, set_.prompts.size());
    if (file->embed() != embed) {
      Fail("{}: of a model of {} dimensions, expected {}", reader_.directory().Resolve(row->file).string(),
           file->embed(), embed);
    }
    return file;
  };
  if (std::shared_ptr<const PredictionsFile> file = find()) return file;
  Lock();
  Fill<PredictionsFile, PredictionsWriter>(
      IndexDirectory::SavedPredictions(set_.row.name), "the model's predictions", kPredictionBatch, embed,
      [&](PredictionsWriter& writer, RowRange range) {
        std::vector<float> before(range.size() * embed);
        ForEachPiece(range, kPiece, UsefulThreads(range, kPiece, threads_), [&](int, RowRange piece) {
          for (std::uint64_t i = piece.begin; i < piece.end; ++i) {
            std::ranges::copy(forward.BeforeUnembedding(set_.prompts[i].tokens),
                              before.begin() + static_cast<std::ptrdiff_t>((i - range.begin) * embed));
          }
        });
        writer.Write(before);
      },
      [&](ExperimentWriter& catalog, std::int64_t id, const FileRow& file) { catalog.AddSavedPredictions(id, file); });
  return find();
}

const NextTokenTable& Experiment::Counts() {
  if (!counts_) {
    counts_ =
        std::make_unique<NextTokenTable>(reader_.catalog(), reader_.vocabulary().size(), 1, reader_.string_length());
  }
  return *counts_;
}

std::vector<Site> Experiment::SitesOf(const PoolRequest& request, const Term& term) const {
  if (term.stream != Stream::kEmbedding) {
    std::vector<Site> sites;
    for (const int t_i : request.t_is) sites.push_back({term.stream, term.block, t_i});
    return sites;
  }
  if (set_.row.length > reader_.string_length()) return {};  // there are no strings as long as the prompts
  return {{Stream::kEmbedding, 0, set_.row.length - 1}};
}

std::vector<NeighborTotals::Source> Experiment::SourcesOf(const PoolRequest& request, std::size_t number, int blocks) {
  std::vector<NeighborTotals::Source> sources;
  const std::optional<Band>& within = request.BandOf(number);
  for (const Site& site : SitesOf(request, Terms(blocks)[number])) {
    const std::optional<std::uint64_t> k = CountIn(request, number, site);
    NeighborTotals::Source& source = sources.emplace_back();
    source.first_string_id = FirstStringId(site.t_i + 1);
    if (k) {
      source.lists = Neighbors(site, request.metric, *k, within);
    } else {
      source.totals = BandTotals(site, request.metric, within.value());
    }
  }
  return sources;
}

NeighborTotals Experiment::Totals(const PoolRequest& request, Kernel kernel, int blocks,
                                  const std::function<bool(std::size_t term)>& wanted) {
  std::vector<std::vector<NeighborTotals::Source>> sources(Terms(blocks).size());
  for (std::size_t term = 0; term < sources.size(); ++term) {
    if (wanted(term)) sources[term] = SourcesOf(request, term, blocks);
  }
  return NeighborTotals(request, kernel, Counts(), std::move(sources));
}

std::vector<NeighborNeed> CombineNeeds(std::vector<NeighborNeed> needs) {
  const auto order = [](const NeighborNeed& need) {
    const Band within = need.within.value_or(Band{});
    // Lists without a band come first: they may answer those within one.
    return std::tuple(need.site, need.metric, need.within.has_value(), within.low, within.high, need.k.has_value());
  };
  std::ranges::stable_sort(needs, {}, order);
  std::vector<NeighborNeed> combined;
  for (const NeighborNeed& need : needs) {
    if (combined.empty() || order(combined.back()) != order(need)) {
      combined.push_back(need);
    } else if (need.k) {
      combined.back().k = std::max(*combined.back().k, *need.k);
    }
  }
  return combined;
}

}  // namespace actkin
