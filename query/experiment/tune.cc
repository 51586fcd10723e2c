#include "query/experiment/tune.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <iterator>
#include <map>
#include <numbers>
#include <optional>
#include <system_error>

#include "query/experiment/band_tuner.h"
#include "query/predict/band_counts.h"
#include "query/predict/token_totals.h"
#include "query/reader/prompt_vectors.h"
#include "schema/error.h"
#include "storage/catalog/experiment_writer.h"
#include "storage/formats/prompt_record_file.h"
#include "storage/machine/sha256.h"

namespace actkin {
namespace {

constexpr std::uint64_t kBatch = 256;  // prompts of one pass over the rows
constexpr std::uint64_t kMostBytes = std::uint64_t{3} << 30;
constexpr int kDegrees = 2;
constexpr double kDecimals = 1e4;

// The next-token counts of one site's rows by similarity, for every prompt: a prompt record file of kind kBandCounts
// under partial/. Numbers: bands, vocabulary size. A record: bands x vocabulary uint32, and four bytes of zeros where
// that is odd.
class CountsFile {
 public:
  CountsFile(const std::filesystem::path& path, std::size_t bands, std::size_t vocabulary)
      : file_(path, FileKind::kBandCounts), numbers_(bands * vocabulary) {
    if (file_.number(0) != bands || file_.number(1) != vocabulary || file_.record_bytes() != RecordBytes(numbers_)) {
      Fail("{}: of other bands: remove it", path.string());
    }
  }

  static std::uint64_t RecordBytes(std::uint64_t numbers) { return (numbers + 1) / 2 * 8; }
  const std::uint32_t* Of(std::uint64_t prompt) const {
    return reinterpret_cast<const std::uint32_t*>(file_.Record(prompt).data());
  }
  void VerifyBytes() const { file_.VerifyBytes(); }

 private:
  PromptRecordFile file_;
  std::size_t numbers_;
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
    for (std::size_t term = 0; term < TermCount(blocks); ++term) {
      if (request.streams.contains(TermAt(term, blocks).stream)) terms_.push_back(term);
    }
  }

  TuneResult Run() {
    CheckRequest();
    predictions_ = experiment_.Predictions();
    experiment_.Lock();
    for (const std::size_t term : terms_) {
      for (const Site& site : SitesOf(term)) files_[site] = WriteCounts(site);
    }
    const std::vector<TunedSource> sources = Search();
    TuneResult result;
    result.scheme = MakeScheme(sources);
    const std::uint64_t prompts = experiment_.set().prompts.size();
    result.training = Measure(sources, {0, request_.training_prompts});
    if (request_.training_prompts < prompts) {
      result.held_out = Measure(sources, {request_.training_prompts, prompts});
    }
    for (const auto& [site, path] : files_) {
      std::error_code ignored;
      std::filesystem::remove(path, ignored);
    }
    return result;
  }

 private:
  std::vector<Site> SitesOf(std::size_t number) const {
    const Term term = TermAt(number, blocks_);
    if (term.stream == Stream::kEmbedding) return {{term.stream, 0, experiment_.set().row.length - 1}};
    std::vector<Site> sites;
    for (const int t_i : request_.t_is) sites.push_back({term.stream, term.block, t_i});
    return sites;
  }

  void CheckRequest() const {
    if (experiment_.set().row.imported) {
      FailUsage("imported neighbors cannot be tuned: all rows of a site are needed");
    }
    if (request_.streams.contains(Stream::kEmbedding) && experiment_.set().row.length > reader_.string_length()) {
      FailUsage("--streams embedding: the prompts have {} tokens, the longest strings {}", experiment_.set().row.length,
                reader_.string_length());
    }
    std::vector<Site> sites;
    for (const std::size_t term : terms_) std::ranges::copy(SitesOf(term), std::back_inserter(sites));
    reader_.RequireSites(sites);
    for (const Site& site : sites) reader_.OpenIndex(site);  // damage is found before the work begins
    const std::uint64_t bytes =
        TuningData::Bytes(request_.training_prompts, terms_.size(), thresholds_.size(), vocabulary_);
    if (bytes > kMostBytes) {
      FailUsage(
          "{} prompts to search with need {:.1f} GB of memory, at most {:.1f} are taken: give a smaller --sample, "
          "or fewer --streams",
          request_.training_prompts, static_cast<double>(bytes) / 1e9, static_cast<double>(kMostBytes) / 1e9);
    }
  }

  StringId FirstStringId(const Site& site) const {
    return reader_.catalog().Lengths().at(static_cast<std::size_t>(site.t_i)).first_string_id;
  }

  // Names what the counts are of.
  std::string FileName(const Site& site) const {
    std::string what = fmt::format("{} {} {}", experiment_.set().row.sha256, reader_.corpus().sha256,
                                   reader_.catalog().Model().value().sha256);
    for (const double threshold : thresholds_) what += fmt::format(" {}", threshold);
    return fmt::format("tune-{}-{}-b{}-t{}.counts", Sha256(what).substr(0, 12), Name(site.stream), site.block,
                       site.t_i);
  }

  std::filesystem::path WriteCounts(const Site& site) {
    const std::filesystem::path path = ExperimentPartial(reader_.directory(), FileName(site));
    if (IsWhole(path)) return path;
    const std::uint64_t prompts = experiment_.set().prompts.size();
    const std::uint64_t numbers = thresholds_.size() * vocabulary_;
    const std::shared_ptr<const SiteIndex> index = reader_.OpenIndex(site);
    const std::shared_ptr<const RowOrderFile> order = reader_.OpenRowOrder(site.t_i);
    const BandRequest request{.metric = Metric::kCosine,
                              .thresholds = thresholds_,
                              .inverse_distance = false,
                              .threads = experiment_.threads()};
    PromptRecordWriter writer(path, FileKind::kBandCounts, prompts, CountsFile::RecordBytes(numbers),
                              {thresholds_.size(), vocabulary_});
    const std::uint64_t already = writer.done();
    experiment_.progress().Begin(Describe(site), prompts, "prompts");
    experiment_.progress().Advance(already, already);
    while (writer.done() < prompts) {
      const RowRange range{writer.done(), std::min(writer.done() + kBatch, prompts)};
      const BandCounts counts =
          CountBands(*index, *order, FirstStringId(site), experiment_.Counts(), vectors_.Of(site, range), request);
      std::vector<std::byte> records(range.size() * CountsFile::RecordBytes(numbers));
      for (std::uint64_t i = 0; i < range.size(); ++i) {
        std::memcpy(records.data() + i * CountsFile::RecordBytes(numbers), counts.counts.data() + i * numbers,
                    numbers * sizeof(std::uint32_t));
      }
      writer.Write(records);
      experiment_.progress().Advance(writer.done(), already);
    }
    experiment_.progress().End();
    writer.Finish();
    return path;
  }

  // True where an earlier run finished the file.
  bool IsWhole(const std::filesystem::path& path) const {
    try {
      CountsFile(path, thresholds_.size(), vocabulary_).VerifyBytes();
      return true;
    } catch (const Error&) {
      return false;
    }
  }

  // The next-token counts of a term's rows at each threshold, for a prompt: thresholds x vocabulary.
  void AddCounts(std::size_t term, std::uint64_t prompt, std::span<float> counts) const {
    std::ranges::fill(counts, 0.0F);
    for (const CountsFile& file : opened_.at(term)) {
      const std::uint32_t* of_bands = file.Of(prompt);
      for (std::size_t i = 0; i < counts.size(); ++i) counts[i] += static_cast<float>(of_bands[i]);
    }
    for (std::size_t i = vocabulary_; i < counts.size(); ++i) counts[i] += counts[i - vocabulary_];
  }

  std::vector<TunedSource> Search() {
    for (const std::size_t term : terms_) {
      for (const Site& site : SitesOf(term))
        opened_[term].emplace_back(files_.at(site), thresholds_.size(), vocabulary_);
    }
    const std::uint64_t prompts = request_.training_prompts;
    const std::size_t numbers = thresholds_.size() * vocabulary_;
    TuningData data{prompts, terms_.size(), thresholds_.size(), vocabulary_, {}, {}};
    data.counts.resize(terms_.size() * prompts * numbers);
    for (std::size_t source = 0; source < terms_.size(); ++source) {
      for (std::uint64_t prompt = 0; prompt < prompts; ++prompt) {
        AddCounts(terms_[source], prompt,
                  std::span(data.counts).subspan((source * prompts + prompt) * numbers, numbers));
      }
    }
    for (std::uint64_t prompt = 0; prompt < prompts; ++prompt) {
      const std::span<const float> own = predictions_->Of(prompt);
      data.targets.insert(data.targets.end(), own.begin(), own.end());
    }
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
    scheme.weights.assign(TermCount(blocks_), 0);
    scheme.bands.resize(TermCount(blocks_));
    for (std::size_t source = 0; source < terms_.size(); ++source) {
      if (sources[source].weight == 0) continue;
      scheme.weights[terms_[source]] = sources[source].weight;
      scheme.bands[terms_[source]] = Band{.low = thresholds_[sources[source].threshold]};
    }
    return scheme;
  }

  Agreement Measure(const std::vector<TunedSource>& sources, RowRange prompts) const {
    AgreementCounter counter;
    std::vector<float> counts(thresholds_.size() * vocabulary_);
    std::vector<double> totals(vocabulary_);
    for (std::uint64_t prompt = prompts.begin; prompt < prompts.end; ++prompt) {
      std::ranges::fill(totals, 0);
      for (std::size_t source = 0; source < terms_.size(); ++source) {
        if (sources[source].weight == 0) continue;
        AddCounts(terms_[source], prompt, counts);
        const float* own = counts.data() + sources[source].threshold * vocabulary_;
        for (std::size_t token = 0; token < vocabulary_; ++token) totals[token] += sources[source].weight * own[token];
      }
      counter.Add(Normalize(totals), predictions_->Of(prompt));
    }
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
  std::shared_ptr<const PredictionsFile> predictions_;
  std::map<Site, std::filesystem::path> files_;
  std::map<std::size_t, std::vector<CountsFile>> opened_;  // by term
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
