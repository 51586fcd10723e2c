#include "query/experiment/tune.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <iterator>
#include <map>
#include <memory>
#include <numbers>
#include <optional>
#include <system_error>

#include "query/experiment/band_tuner.h"
#include "query/experiment/prompt_work.h"
#include "query/experiment/reference_distributions.h"
#include "query/predict/band_counts.h"
#include "query/predict/token_totals.h"
#include "query/reader/prompt_vectors.h"
#include "schema/error.h"
#include "storage/catalog/experiment_writer.h"
#include "storage/formats/prompt_record_file.h"
#include "storage/machine/sha256.h"

namespace actkin {
namespace {

constexpr std::uint64_t kPassPrompts = 256;  // prompts of one pass over the rows
constexpr std::uint64_t kMostBytes = std::uint64_t{3} << 29;
constexpr int kDegrees = 2;
constexpr double kDecimals = 1e4;

// How often a token follows the rows of a band.
struct TokenCount {
  TokenId token = 0;
  std::uint32_t count = 0;
};
static_assert(sizeof(TokenCount) == 8);

// The next-token counts of one site's rows by similarity, for every prompt: a prompt record file of kind kBandCounts
// under partial/. Numbers: bands, vocabulary size. A record: for each band how many counts all bands up to it have, of
// all prompts up to this one (uint64). Lists: the counts of each band, tokens ascending.
class CountsFile {
 public:
  CountsFile(const std::filesystem::path& path, std::size_t bands, std::size_t vocabulary)
      : file_(path, FileKind::kBandCounts), bands_(bands), vocabulary_(vocabulary) {
    if (file_.number(0) != bands || file_.number(1) != vocabulary || file_.record_bytes() != RecordBytes(bands)) {
      Fail("{}: of other bands: remove it", path.string());
    }
    counts_ = {reinterpret_cast<const TokenCount*>(file_.lists().data()), file_.lists().size() / sizeof(TokenCount)};
  }

  static std::uint64_t RecordBytes(std::size_t bands) { return bands * sizeof(std::uint64_t); }
  // Of one band, or from the first to it. Throws Error when the file is damaged.
  std::span<const TokenCount> Of(std::uint64_t prompt, std::size_t band) const {
    const std::size_t begin = band > 0 ? End(prompt, band - 1) : Begin(prompt);
    return Checked(begin, End(prompt, band));
  }
  std::span<const TokenCount> UpTo(std::uint64_t prompt, std::size_t band) const {
    return Checked(Begin(prompt), End(prompt, band));
  }

 private:
  std::size_t End(std::uint64_t prompt, std::size_t band) const {
    std::uint64_t end = 0;
    std::memcpy(&end, file_.Record(prompt).data() + band * sizeof(end), sizeof(end));
    return end;
  }
  std::size_t Begin(std::uint64_t prompt) const { return prompt > 0 ? End(prompt - 1, bands_ - 1) : 0; }
  std::span<const TokenCount> Checked(std::size_t begin, std::size_t end) const {
    if (begin > end || end > counts_.size()) FailDamaged("{}: damaged: remove it", file_.path().string());
    const std::span<const TokenCount> counts = counts_.subspan(begin, end - begin);
    for (const TokenCount& count : counts) {
      if (count.token >= vocabulary_) FailDamaged("{}: damaged: remove it", file_.path().string());
    }
    return counts;
  }

  PromptRecordFile file_;
  std::size_t bands_;
  std::size_t vocabulary_;
  std::span<const TokenCount> counts_;
};

class Tuning {
 public:
  Tuning(Experiment& experiment, int blocks, const TuneRequest& request)
      : experiment_(experiment),
        reader_(experiment.reader()),
        blocks_(blocks),
        request_(request),
        thresholds_(TuningThresholds()),
        vocabulary_(reader_.vocabulary().size()),
        vectors_(reader_, experiment.set().prompts, experiment.threads(), experiment.progress()) {
    for (std::size_t term = 0; term < Terms(blocks).size(); ++term) {
      if (request.streams.contains(Terms(blocks)[term].stream)) terms_.push_back(term);
    }
  }

  TuneResult Run() {
    CheckRequest();
    reference_.emplace(experiment_, Reference::kModel);
    experiment_.Lock();
    for (const std::size_t term : terms_) {
      for (const Site& site : SitesOf(term)) {
        RequireMemory(CountsIn(opened_[term].emplace_back(WriteCounts(site), thresholds_.size(), vocabulary_)));
      }
    }
    const std::vector<TunedSource> sources = Search();
    TuneResult result;
    result.scheme = MakeScheme(sources);
    const std::uint64_t prompts = experiment_.set().prompts.size();
    result.training = Measure(sources, {0, request_.training_prompts});
    if (request_.training_prompts < prompts) {
      result.held_out = Measure(sources, {request_.training_prompts, prompts});
    }
    for (const std::filesystem::path& folder : folders_) {
      std::error_code ignored;
      std::filesystem::remove_all(folder, ignored);
    }
    return result;
  }

 private:
  std::vector<Site> SitesOf(std::size_t number) const {
    const Term term = Terms(blocks_)[number];
    if (request_.over_positions) return {{term.stream, term.block, kOverPositions}};
    if (term.stream == Stream::kEmbedding) return {{term.stream, 0, experiment_.set().row.length - 1}};
    std::vector<Site> sites;
    for (const int t_i : request_.t_is) sites.push_back({term.stream, term.block, t_i});
    return sites;
  }

  void CheckRequest() const {
    if (experiment_.set().row.imported) {
      FailUsage("imported neighbors cannot be tuned: all rows of a site are needed");
    }
    if (!request_.over_positions && request_.streams.contains(Stream::kEmbedding) &&
        experiment_.set().row.length > reader_.string_length()) {
      FailUsage("`streams` embedding: the prompts have {} tokens, the longest strings {}", experiment_.set().row.length,
                reader_.string_length());
    }
    std::vector<Site> sites;
    for (const std::size_t term : terms_) std::ranges::copy(SitesOf(term), std::back_inserter(sites));
    reader_.RequireSites(sites);
    for (const Site& site : sites) reader_.OpenIndex(site);  // damage is found before the work begins
    for (const Site& site : sites) RequireSomeRows(reader_, site, {request_.where, request_.max_length});
  }

  // What follows any row within the last threshold.
  void Mark(const CountsFile& file, std::uint64_t prompt, TokenAccumulator& seen) const {
    for (const TokenCount& count : file.UpTo(prompt, thresholds_.size() - 1)) seen.Add(count.token, 1);
  }

  // How many of a file's counts the search for bands looks at.
  std::uint64_t CountsIn(const CountsFile& file) const {
    std::uint64_t counts = 0;
    for (std::uint64_t prompt = 0; prompt < request_.training_prompts; ++prompt) {
      counts += file.UpTo(prompt, thresholds_.size() - 1).size();
    }
    return counts;
  }

  // Called with what each file adds.
  void RequireMemory(std::uint64_t counts) {
    most_counts_ += counts;
    const std::uint64_t bytes = most_counts_ * sizeof(TuningData::Count) +
                                request_.training_prompts * terms_.size() * thresholds_.size() * sizeof(std::size_t);
    if (bytes <= kMostBytes) return;
    FailUsage(
        "{} prompts to search with need {:.1f} GB of memory or more, at most {:.1f} are taken: give a smaller "
        "`sample`, or fewer `streams`",
        request_.training_prompts, static_cast<double>(bytes) / 1e9, static_cast<double>(kMostBytes) / 1e9);
  }

  // The rows that each prompt's counts are without; none at all where nothing is left out.
  std::vector<std::vector<RowRange>> LeftOut(const Site& site, RowRange prompts) {
    std::vector<std::vector<RowRange>> rows;
    if (!request_.exclude_self && request_.exclude_window == 0) return rows;
    for (std::uint64_t prompt = prompts.begin; prompt < prompts.end; ++prompt) {
      rows.push_back(reader_.OwnRows(experiment_.set().prompts[prompt], site, request_.exclude_window));
    }
    return rows;
  }

  // Names what the counts are of.
  std::string FileName(const Site& site) const {
    std::string what = fmt::format("{} {} {}", experiment_.set().row.sha256, reader_.corpus().sha256,
                                   reader_.catalog().Model().value().sha256);
    for (const double threshold : thresholds_) what += fmt::format(" {}", threshold);
    if (request_.exclude_self || request_.exclude_window > 0) {
      what += fmt::format(" without {} {}", request_.exclude_self, request_.exclude_window);
    }
    if (!request_.where.empty()) {
      // Of what it holds for, whatever its words: it may read tables that change.
      const std::vector<std::int64_t> ids = reader_.IdsWhere(site, request_.where);
      what += " where " + Sha256(std::as_bytes(std::span(ids)));
    }
    if (request_.max_length) what += fmt::format(" up to {}", *request_.max_length);
    if (site.over_positions()) {
      for (const VectorFileRow& file : reader_.catalog().VectorFiles(reader_.RequireSite(site).site_id)) {
        what += " " + file.file.checksum;
      }
    }
    return fmt::format("tune-{}-{}-b{}-{}.counts", Sha256(what).substr(0, 12), Name(site.stream), site.block,
                       site.over_positions() ? "positions" : fmt::format("t{}", site.t_i));
  }

  std::filesystem::path WriteCounts(const Site& site) {
    const IndexDirectory& directory = reader_.directory();
    const std::string name = FileName(site);
    const std::filesystem::path& folder = folders_.emplace_back(ExperimentPartial(directory, name));
    // It is moved nowhere.
    WorkFolder work = PromptWork(directory, experiment_.set(), folder / name, kPassPrompts);
    const std::size_t bands = thresholds_.size();
    const std::shared_ptr<const SiteIndex> index = reader_.OpenIndex(site);
    const std::shared_ptr<const RowMap> rows = reader_.OpenRowMap(site);
    std::unique_ptr<const RowNextTokens> next_tokens;
    if (site.over_positions()) {
      next_tokens = std::make_unique<PositionRowNextTokens>(*rows, reader_.CorpusTokens(), vocabulary_);
    } else {
      next_tokens = std::make_unique<StringRowNextTokens>(*rows, reader_.FirstId(site), experiment_.Counts());
    }
    const std::shared_ptr<const RowSet> passing =
        reader_.RowsThatPass(site, reader_.RowsWhere(site, request_.where), request_.max_length);
    PromptRecordWriter writer(work.File(0), FileKind::kBandCounts, experiment_.set().prompts.size(),
                              CountsFile::RecordBytes(bands), {bands, vocabulary_}, WrittenOf(work));
    FillRecords(work, Describe(site), writer, experiment_.progress(), [&](RowRange range) {
      const std::vector<std::vector<RowRange>> left_out = LeftOut(site, range);
      const BandRequest request{.metric = Metric::kCosine,
                                .thresholds = thresholds_,
                                .inverse_distance = false,
                                .threads = experiment_.threads(),
                                .among = passing.get(),
                                .left_out = left_out};
      const BandCounts counts = CountBands(*index, *next_tokens, vectors_.Of(site, range), request);
      std::vector<std::uint64_t> ends;
      std::vector<TokenCount> lists;
      for (std::size_t i = 0; i < range.size() * bands; ++i) {
        for (const BandTotal& total : counts.Of(i / bands, i % bands)) lists.push_back({total.token, total.count});
        ends.push_back(writer.list_bytes() / sizeof(TokenCount) + lists.size());
      }
      writer.Write(std::as_bytes(std::span(ends)), std::as_bytes(std::span(lists)));
    });
    writer.Finish();
    return work.File(0);
  }

  // Adds a prompt's counts. tokens: its own; places: room for a number of each token; sums: holds nothing, before and
  // after.
  void AddCounts(std::uint64_t prompt, std::span<const TokenId> tokens, std::span<std::uint32_t> places,
                 TokenAccumulator& sums, TuningData& data) const {
    for (std::size_t i = 0; i < tokens.size(); ++i) places[tokens[i]] = static_cast<std::uint32_t>(i);
    std::vector<TokenValue> of_band;
    for (const std::size_t term : terms_) {
      for (std::size_t band = 0; band < thresholds_.size(); ++band) {
        for (const CountsFile& file : opened_.at(term)) {
          for (const TokenCount& count : file.Of(prompt, band)) sums.Add(count.token, count.count);
        }
        of_band.clear();
        sums.Take(of_band);
        for (const TokenValue& count : of_band) {
          data.counts.push_back({places[count.token], static_cast<float>(count.value)});
        }
        data.ends.push_back(data.counts.size());
      }
    }
  }

  std::vector<TunedSource> Search() {
    const std::uint64_t prompts = request_.training_prompts;
    TuningData data;
    data.prompts = prompts;
    data.sources = terms_.size();
    data.thresholds = thresholds_.size();
    TokenAccumulator seen(vocabulary_);
    std::vector<TokenId> tokens;  // of all prompts
    for (std::uint64_t prompt = 0; prompt < prompts; ++prompt) {
      for (const auto& [term, files] : opened_) {
        for (const CountsFile& file : files) Mark(file, prompt, seen);
      }
      std::vector<TokenValue> own;
      seen.Take(own);
      for (const TokenValue& token : own) tokens.push_back(token.token);
      data.begins.push_back(tokens.size());
    }
    data.counts.reserve(most_counts_);
    data.ends.reserve(prompts * terms_.size() * thresholds_.size());
    std::vector<std::uint32_t> places(vocabulary_);
    for (std::uint64_t prompt = 0; prompt < prompts; ++prompt) {
      AddCounts(prompt, std::span(tokens).subspan(data.begins[prompt], data.TokenCount(prompt)), places, seen, data);
    }
    data.targets.resize(tokens.size());
    reference_->ForEach({0, prompts}, [&](int, std::uint64_t prompt, std::span<const float> distribution) {
      for (std::size_t i = data.begins[prompt]; i < data.begins[prompt + 1]; ++i) {
        data.targets[i] = distribution[tokens[i]];
      }
    });
    BandTuner tuner(data, experiment_.threads());
    experiment_.progress().Begin("bands and weights", BandTuner::kMostRounds * (terms_.size() + 1), "steps");
    std::vector<TunedSource> sources = tuner.Search({}, [&](std::uint64_t step, std::uint64_t, double mean) {
      experiment_.progress().Detail(fmt::format("Hellinger {:.4f}", mean));
      experiment_.progress().Advance(step, 0);
    });
    experiment_.progress().End();
    // As the scheme's definition has them.
    for (TunedSource& source : sources) source.weight = std::stod(fmt::format("{:.6g}", source.weight));
    return sources;
  }

  Scheme MakeScheme(const std::vector<TunedSource>& sources) const {
    Scheme scheme;
    scheme.name = request_.name;
    scheme.metric = Metric::kCosine;
    scheme.terms = Terms(blocks_);
    scheme.weights.assign(scheme.terms.size(), 0);
    scheme.bands.resize(scheme.terms.size());
    for (std::size_t source = 0; source < terms_.size(); ++source) {
      if (sources[source].weight == 0) continue;
      scheme.weights[terms_[source]] = sources[source].weight;
      scheme.bands[terms_[source]] = Band{.low = thresholds_[sources[source].threshold]};
    }
    return scheme;
  }

  Agreement Measure(const std::vector<TunedSource>& sources, RowRange prompts) const {
    std::vector<double> weights;
    for (const TunedSource& source : sources) weights.push_back(source.weight);
    std::vector<PromptAgreement> found(prompts.size());
    std::vector<TokenAccumulator> rooms(static_cast<std::size_t>(reference_->Workers(prompts)),
                                        TokenAccumulator(vocabulary_));
    reference_->ForEach(prompts, [&](int worker, std::uint64_t prompt, std::span<const float> distribution) {
      TokenAccumulator& sums = rooms[static_cast<std::size_t>(worker)];
      TokenTotals totals;
      for (std::size_t source = 0; source < terms_.size(); ++source) {
        for (const CountsFile& file : opened_.at(terms_[source])) {
          for (const TokenCount& count : file.UpTo(prompt, sources[source].threshold)) {
            sums.Add(count.token, count.count);
          }
        }
        totals.AddTerm(sums);
      }
      found[prompt - prompts.begin] = ComparedDistribution(distribution).Compare(WeighTotals(weights, totals, sums));
    });
    AgreementCounter counter;
    for (const PromptAgreement& agreement : found) counter.Add(agreement);
    return counter.Finish();
  }

  Experiment& experiment_;
  IndexReader& reader_;
  const int blocks_;
  const TuneRequest& request_;
  const std::vector<double> thresholds_;
  const std::size_t vocabulary_;
  PromptVectors vectors_;
  std::vector<std::size_t> terms_;
  std::optional<ReferenceDistributions> reference_;
  std::vector<std::filesystem::path> folders_;             // of the counts
  std::map<std::size_t, std::vector<CountsFile>> opened_;  // by term
  std::uint64_t most_counts_ = 0;                          // that the search for bands looks at
};

}  // namespace

std::vector<double> TuningThresholds() {
  std::vector<double> thresholds;
  for (int degrees = kDegrees; degrees <= 90; degrees += kDegrees) {
    thresholds.push_back(std::round(std::cos(degrees * std::numbers::pi / 180) * kDecimals) / kDecimals);
  }
  return thresholds;
}

TuneResult Tune(Experiment& experiment, int blocks, const TuneRequest& request) {
  return Tuning(experiment, blocks, request).Run();
}

}  // namespace actkin
