#include "query/experiment/experiment.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "query/exact/exact_search.h"
#include "query/experiment/prompt_work.h"
#include "query/predict/band_counts.h"
#include "schema/error.h"
#include "schema/text.h"
#include "storage/catalog/experiment_catalog.h"
#include "storage/directory/publish.h"
#include "storage/machine/file.h"
#include "storage/machine/row_workers.h"
#include "storage/machine/sha256.h"

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

// What tells a file of some rows' neighbors from others.
std::string FileNamePart(const CountedRows& counted) {
  if (counted.all()) return "";
  return Sha256(fmt::format("{} {} {}", counted.passing, counted.max_length.value_or(-1), counted.exclude_self))
      .substr(0, 12);
}

std::string DescribeSearch(const Site& site, Metric metric, const std::optional<Band>& within) {
  return fmt::format("{} {}{}", Describe(site), Name(metric), within ? " " + FormatBand(*within) : "");
}

}  // namespace

void FailNoRows(const Site& site, const RowChoice& rows) {
  FailUsage(
      "no row of {} passes the filter{}{}", Describe(site),
      rows.where.empty() ? "" : ": where " + Printable(rows.where),
      rows.max_length ? fmt::format("{}rows up to {} long", rows.where.empty() ? ": " : ", ", *rows.max_length) : "");
}

void RequireSomeRows(IndexReader& reader, const Site& site, const RowChoice& rows) {
  const std::shared_ptr<const RowSet> passing =
      reader.RowsThatPass(site, reader.RowsWhere(site, rows.where), rows.max_length);
  if (passing && passing->count() == 0) FailNoRows(site, rows);
}

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
  if (!need.rows.all()) {
    FailUsage("prompt set {}: its neighbors were imported, of all rows: ask it without a filter", Quote(set_.row.name));
  }
  FailUsage(ErrorCode::kNotFound, "prompt set {}: no neighbors in {}, {}, with k {} were imported",
            Quote(set_.row.name), Describe(need.site), Name(need.metric), need.k ? fmt::format("{}", *need.k) : "all");
}

std::vector<NeighborNeed> Experiment::NeedsOf(const PoolRequest& request, int blocks,
                                              const std::function<bool(std::size_t term)>& wanted) const {
  std::vector<NeighborNeed> needs;
  for (std::size_t term = 0; term < Terms(blocks).size(); ++term) {
    if (!wanted(term)) continue;
    for (const Site& site : SitesOf(request, Terms(blocks)[term])) {
      needs.push_back(NeedOf(request, term, site));
    }
  }
  return needs;
}

NeighborNeed Experiment::NeedOf(const PoolRequest& request, std::size_t term, const Site& site) const {
  NeighborNeed need{site,
                    request.metric,
                    request.CountOf(term, reader_.RowCount(site.t_i)),
                    request.BandOf(term),
                    {request.where, request.max_length, request.exclude_self}};
  need.fewer_will_do = !need.rows.all() && !request.k;
  return need;
}

const Experiment::Passing& Experiment::PassingIn(const Site& site, const std::string& where) {
  const auto [found, is_new] = passing_.try_emplace({site.t_i, where});
  if (is_new && !where.empty()) {
    std::vector<std::int64_t> ids = reader_.IdsWhere(site, where);
    std::string checksum = Sha256(std::as_bytes(std::span(ids))).substr(0, 16);
    found->second = {std::move(ids), std::move(checksum)};
  }
  return found->second;
}

CountedRows Experiment::CountedIn(const NeighborNeed& need) {
  return {need.rows.where, PassingIn(need.site, need.rows.where).checksum, need.rows.max_length,
          need.rows.exclude_self};
}

std::shared_ptr<const RowSet> Experiment::RowsThatPass(IndexReader& built, const NeighborNeed& need) {
  // The condition may read tables that this directory alone has; string_ids are the same in both.
  std::shared_ptr<const RowSet> passing;
  if (!need.rows.where.empty()) {
    passing = std::make_shared<const RowSet>(built.RowsOf(need.site, PassingIn(need.site, need.rows.where).string_ids));
  }
  passing = built.RowsThatPass(need.site, passing, need.rows.max_length);
  if (passing && passing->count() == 0) FailNoRows(need.site, need.rows);
  return passing;
}

void Experiment::RequireRows(const NeighborNeed& need, bool is_built) {
  std::uint64_t rows = reader_.RowCount(need.site.t_i);
  if (!need.rows.where.empty()) rows = PassingIn(need.site, need.rows.where).string_ids.size();
  if (rows == 0) FailNoRows(need.site, need.rows);
  if (need.rows.max_length && is_built) rows = RowsThatPass(reader_, need)->count();
  if (!need.k || *need.k <= rows || need.fewer_will_do) return;
  FailUsage("k {}: {} of the rows of {} pass the filter; ask for at most that many", *need.k, rows,
            Describe(need.site));
}

std::vector<std::optional<RowNumber>> Experiment::OwnRows(IndexReader& built, const NeighborNeed& need,
                                                          RowRange prompts) {
  std::vector<std::optional<RowNumber>> own(prompts.size());
  for (std::uint64_t i = 0; need.rows.exclude_self && i < prompts.size(); ++i) {
    const std::vector<RowRange> rows = built.OwnRows(set_.prompts[prompts.begin + i], need.site);
    if (!rows.empty()) own[i] = static_cast<RowNumber>(rows.front().begin);
  }
  return own;
}

std::optional<SavedNeighborLists> Experiment::SavedLists(const NeighborNeed& need) {
  if (set_.row.prompt_set_id == 0) return std::nullopt;
  const std::uint64_t k = need.k.value();
  std::optional<SavedNeighborLists> lists =
      FindSavedNeighbors(reader_, set_.row.prompt_set_id, need.site, need.metric, k, need.within, CountedIn(need));
  if (!lists || need.rows.all() || need.within || need.fewer_will_do) return lists;
  // Lists of which fewer would do may be shorter; why there are no more, the search says.
  for (std::uint64_t prompt = 0; prompt < lists->prompts(); ++prompt) {
    if (lists->Of(prompt).size() < k) return std::nullopt;
  }
  return lists;
}

std::shared_ptr<const BandTotalsFile> Experiment::SavedBandTotals(const NeighborNeed& need) {
  if (set_.row.prompt_set_id == 0) return nullptr;
  const CountedRows counted = CountedIn(need);
  for (const SavedBandTotalsRow& row : ExperimentCatalog(reader_.catalog()).SavedBandTotals(set_.row.prompt_set_id)) {
    if (row.site != need.site || row.metric != need.metric || row.within != need.within.value()) continue;
    if (row.counted != counted) continue;
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
  if (!need.rows.all()) RequireRows(need, built);
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

SavedNeighborLists Experiment::Neighbors(const NeighborNeed& need) {
  if (std::optional<SavedNeighborLists> lists = SavedLists(need)) return *lists;
  Find(need);
  return SavedLists(need).value();
}

std::shared_ptr<const BandTotalsFile> Experiment::BandTotals(const NeighborNeed& need) {
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
  const Site& site = need.site;
  const Metric metric = need.metric;
  const std::uint64_t k = need.k.value();
  const std::optional<Band>& within = need.within;
  const std::shared_ptr<const SiteIndex> index = built.OpenIndex(site);
  const CountedRows counted = CountedIn(need);
  SearchRequest request;
  request.metric = metric;
  request.k = k;
  request.within = within;
  request.among = RowsThatPass(built, need);
  request.threads = threads_;
  Lock();
  const std::string name =
      IndexDirectory::SavedNeighbors(set_.row.name, site, metric, k, within, FileNamePart(counted));
  if (!std::filesystem::exists(ExperimentPartial(reader_.directory(), name))) {
    RequireDisk(SavedNeighborsWriter::FileBytes(set_.prompts.size(), k));
  }
  Fill<SavedNeighborsFile, SavedNeighborsWriter>(
      name, DescribeSearch(site, metric, within), BatchFor(static_cast<double>(k)), k,
      [&](SavedNeighborsWriter& writer, RowRange range) {
        const std::vector<float> queries = Vectors().Of(site, range, built);
        std::vector<std::vector<SavedNeighbor>> found;
        found.reserve(range.size());
        const std::vector<std::vector<Match>> answers =
            need.rows.all() ? index->Search(queries, request)
                            : SearchWithout(*index, queries, OwnRows(built, need, range), request, need.fewer_will_do);
        for (const std::vector<Match>& matches : answers) found.push_back(Compact(matches));
        writer.Write(found);
      },
      [&](ExperimentWriter& catalog, std::int64_t id, const FileRow& file) {
        catalog.AddSavedNeighbors(id, {site, metric, k, within, file, counted});
      });
}

void Experiment::CountBand(IndexReader& built, const NeighborNeed& need) {
  const Site& site = need.site;
  const Metric metric = need.metric;
  const Band& within = need.within.value();
  const std::shared_ptr<const SiteIndex> index = built.OpenIndex(site);
  const std::shared_ptr<const RowOrderFile> order = built.OpenRowOrder(site.t_i);
  const StringRowNextTokens next_tokens(*order, FirstStringId(site.t_i + 1), Counts());
  const CountedRows counted = CountedIn(need);
  const std::shared_ptr<const RowSet> passing = RowsThatPass(built, need);
  Lock();
  BandRequest request{.metric = metric,
                      .thresholds = ThresholdsOf(within, metric),
                      .inverse_distance = true,
                      .threads = threads_,
                      .among = passing.get()};
  Fill<BandTotalsFile, BandTotalsWriter>(
      IndexDirectory::SavedBandTotals(set_.row.name, site, metric, within, FileNamePart(counted)),
      DescribeSearch(site, metric, within), kBandBatch, Counts().vocabulary_size(),
      [&](BandTotalsWriter& writer, RowRange range) {
        const std::vector<float> queries = Vectors().Of(site, range, built);
        std::vector<std::vector<RowRange>> left_out(range.size());
        for (std::size_t i = 0; need.rows.exclude_self && i < range.size(); ++i) {
          left_out[i] = built.OwnRows(set_.prompts[range.begin + i], site);
        }
        request.left_out = left_out;
        const BandCounts counts = CountBands(*index, next_tokens, queries, request);
        std::vector<BandTotalsWriter::Totals> totals;
        for (std::size_t i = 0; i < range.size(); ++i) {
          totals.push_back({counts.rows[i * counts.bands + counts.bands - 1], counts.Of(i, counts.bands - 1)});
        }
        writer.Write(totals);
      },
      [&](ExperimentWriter& catalog, std::int64_t id, const FileRow& file) {
        catalog.AddSavedBandTotals(id, {site, metric, within, file, counted});
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
  for (const Site& site : SitesOf(request, Terms(blocks)[number])) {
    const NeighborNeed need = NeedOf(request, number, site);
    NeighborTotals::Source& source = sources.emplace_back();
    source.first_string_id = FirstStringId(site.t_i + 1);
    if (need.k) {
      source.lists = Neighbors(need);
    } else {
      source.totals = BandTotals(need);
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
    return std::tuple(need.site, need.metric, need.within.has_value(), within.low, within.high, need.k.has_value(),
                      need.rows.where, need.rows.max_length, need.rows.exclude_self, need.fewer_will_do);
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
