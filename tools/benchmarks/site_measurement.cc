#include "tools/benchmarks/site_measurement.h"

#include <algorithm>
#include <cmath>

#include "schema/error.h"
#include "tools/benchmarks/answers.h"
#include "tools/benchmarks/command_call.h"
#include "tools/benchmarks/interleave.h"
#include "tools/benchmarks/memory_scan.h"

namespace actkin {
namespace {

constexpr std::size_t kPrompts = 200;
// Queries that a peer answers in the place of more.
constexpr std::uint64_t kScaledFrom = 500;
// Our own time for a large batch is scaled as well where it would be longer.
constexpr double kLongestBatchMs = 90e3;
// Queries whose answers are compared with ours.
constexpr std::size_t kCompared = 100;
// An embedding site's floats are nowhere in memory: so many bytes are read instead.
constexpr std::uint64_t kScannedBytes = std::uint64_t{512} << 20;
constexpr double kRecall = 0.99;

double Length(std::span<const float> vector) {
  double sum = 0;
  for (const float number : vector) sum += double{number} * number;
  return std::sqrt(sum);
}

void SetTimes(const InterleavedTimes& times, BenchRow& row) {
  row.ours_ms = times.ours.Median();
  row.peer_ms = times.peer.Median();
  if (!times.ours.warm.empty()) row.ours_cold_ms = Median(times.ours.first);
}

struct OurSetting {
  std::string index;
  std::string parameters;
  double recall = 1;
  double ms = 0;

  std::string Text() const { return parameters.empty() ? index : index + " " + parameters; }
};

// Parameters to try for an index by its factory string, from the quickest on.
std::vector<std::string> ParametersOf(const std::string& index) {
  std::vector<std::string> parameters;
  // The graph of "IVF256_HNSW32,Flat" is over the lists.
  if (index.find("IVF") != std::string::npos) {
    for (const int value : {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128}) {
      parameters.push_back(fmt::format("nprobe={}", value));
    }
  } else if (index.find("HNSW") != std::string::npos) {
    for (const int value : {4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024}) {
      parameters.push_back(fmt::format("efSearch={}", value));
    }
  } else {
    parameters.emplace_back();
  }
  return parameters;
}

// Of all indices of the site, each with its first parameters that reach the recall, the quickest for calls of so many
// queries. truth: the exact answers to the first of the queries.
OurSetting BestSetting(SiteWorkload& site, const Queries& queries, const Answers& truth, std::uint64_t k,
                       std::size_t call) {
  const std::size_t asked = truth.size();
  const auto measure = [&](const OurSetting& setting) {
    std::vector<double> ms;
    for (std::size_t i = 0; i + call <= asked && i < 32 * call; i += call) {
      ms.push_back(MillisecondsOf(
          [&] { static_cast<void>(site.Search(queries.At(i, call), k, setting.index, setting.parameters)); }));
    }
    return Median(ms);
  };
  OurSetting best{kExactIndexName, "", 1, 0};
  best.ms = measure(best);
  if (!site.whole()) return best;  // the others search all rows only
  Catalog& catalog = site.reader().catalog();
  for (const SiteIndexRow& index : catalog.SiteIndices(catalog.FindSite(site.site())->site_id)) {
    if (index.name == kExactIndexName || index.metric.value_or(Metric::kL2) != Metric::kL2) continue;
    for (const std::string& parameters : ParametersOf(index.name)) {
      OurSetting setting{index.name, parameters, 0, 0};
      const auto found = site.Search(queries.At(0, asked), k, setting.index, setting.parameters);
      std::vector<std::int64_t> rows(asked * k, -1);
      for (std::size_t query = 0; query < asked; ++query) {
        for (std::size_t i = 0; i < found[query].size(); ++i) rows[query * k + i] = found[query][i].row;
      }
      setting.recall = RecallOf(truth, rows, k);
      if (setting.recall < kRecall) continue;
      setting.ms = measure(setting);
      if (setting.ms < best.ms) best = setting;
      break;
    }
  }
  return best;
}

}  // namespace

const Queries& SiteMeasurement::QueriesFor(const RowName& name) {
  const bool outside = name.kind.ends_with("outside");
  Queries& queries = outside ? outside_ : in_corpus_;
  const std::size_t needed = std::max<std::size_t>(kPrompts, name.queries);
  if (queries.count() == 0 || (!outside && queries.count() < needed)) {
    queries = outside ? site_.OutsideCorpus(kPrompts) : site_.InCorpus(needed);
  }
  if (queries.count() < name.queries) {
    Fail("the corpus is too regular: {} prompts outside it were found", queries.count());
  }
  return queries;
}

void SiteMeasurement::Scan() {
  if (site_.site().stream != Stream::kEmbedding) {
    const std::span<const float> values = site_.Vectors();
    sum_ += SumByThreads(values.data(), values.size(), site_.threads());
    return;
  }
  if (scanned_.empty()) scanned_.assign(std::min(site_.float_bytes(), kScannedBytes) / sizeof(float), 1.0F);
  sum_ += SumByThreads(scanned_.data(), scanned_.size(), site_.threads());
}

double SiteMeasurement::ScanMilliseconds() {
  if (!scan_ms_) {
    Scan();
    std::vector<double> ms;
    for (int i = 0; i < 9; ++i) ms.push_back(MillisecondsOf([&] { Scan(); }));
    const double in_memory = static_cast<double>(scanned_.empty() ? site_.Vectors().size() : scanned_.size());
    scan_ms_ = Median(ms) * static_cast<double>(site_.float_bytes()) / (in_memory * sizeof(float));
    if (std::isnan(sum_)) Fail("{}: holds NaN", Describe(site_.site()));
  }
  return *scan_ms_;
}

Peer& SiteMeasurement::LoadPeer(const std::string& name) {
  if (loaded_.kind != nullptr && name == loaded_.kind->name) return *loaded_.peer;
  loaded_ = {};
  const PeerKind& kind = FindPeer(name);
  PeerRows rows;
  rows.count = site_.row_count();
  rows.dimension = site_.dimension();
  rows.scratch = options_.scratch;
  rows.extensions = options_.extensions;
  rows.threads = site_.threads();
  if (kind.takes == PeerTakes::kCodes) {
    site_.LoadCodes(rows);
  } else {
    rows.values = site_.Vectors().data();
  }
  options_.say(fmt::format("{} takes in {} rows of {}", name, rows.count, Describe(site_.site())));
  std::unique_ptr<Peer> peer;
  const double seconds = MillisecondsOf([&] { peer = kind.load(rows); }) / 1000;
  loaded_ = {&kind, std::move(peer), seconds};
  return *loaded_.peer;
}

std::string SiteMeasurement::Compare(const Queries& queries, std::size_t count, std::uint64_t k,
                                     std::span<const float> distances) {
  std::vector<double> norms;
  for (std::size_t query = 0; query < count; ++query) norms.push_back(Length(queries.At(query, 1)));
  return FindDifference(site_.Search(queries.At(0, count), k), distances.first(count * k), k, norms,
                        loaded_.kind->squared_error);
}

void SiteMeasurement::MeasureScan(const Task& task, BenchRow& row) {
  const Queries& queries = QueriesFor(task.name);
  Scan();
  const InterleavedTimes times = Interleave(
      options_.seconds, [&](std::size_t call) { static_cast<void>(site_.Search(queries.At(call, 1), task.name.k)); },
      [&](std::size_t) { Scan(); });
  SetTimes(times, row);
  // Of an embedding site a part stands for all floats.
  if (site_.site().stream == Stream::kEmbedding) row.peer_ms = ScanMilliseconds();
  row.percent_of_scan = 100 * row.ours_ms / row.peer_ms;
}

void SiteMeasurement::MeasureProcess(const Task& task, BenchRow& row) {
  const Queries& queries = QueriesFor(task.name);
  row.rows = site_.index_rows();
  const double scan =
      ScanMilliseconds() * static_cast<double>(site_.index_rows()) / static_cast<double>(site_.row_count());
  const auto call = [&](std::size_t number) {
    RunQueryCommand(site_.reader().directory().path(), site_.site(), queries.Prompt(number), task.name.k,
                    site_.threads());
  };
  call(0);
  const InterleavedTimes times = Interleave(options_.seconds, call, [&](std::size_t) { Scan(); });
  SetTimes(times, row);
  row.ours_cold_ms.reset();
  row.peer_ms = scan;
}

void SiteMeasurement::MeasureExactPeer(const Task& task, BenchRow& row) {
  const std::uint64_t k = task.name.k;
  const std::uint64_t count = task.name.queries;
  const Queries& queries = QueriesFor(task.name);
  Peer& peer = LoadPeer(task.peer);
  row.peer_build_seconds = loaded_.seconds;

  const std::uint64_t peer_count = std::min(count, count > kScaledFrom ? kScaledFrom : count);
  std::vector<float> distances(peer_count * k);
  std::vector<std::int64_t> rows(peer_count * k);
  const auto ask_peer = [&](std::size_t call) {
    peer.Search(queries.At(call * peer_count, peer_count).data(), peer_count, k, distances.data(), rows.data());
  };
  if (count == 1) {
    // A single prompt a call, but several of them are compared.
    const std::size_t compared = std::min<std::size_t>(4, queries.count());
    std::vector<float> several(compared * k);
    std::vector<std::int64_t> several_rows(compared * k);
    for (std::size_t i = 0; i < compared; ++i) {
      peer.Search(queries.At(i, 1).data(), 1, k, several.data() + i * k, several_rows.data() + i * k);
    }
    row.error = Compare(queries, compared, k, several);
  } else {
    ask_peer(0);
    row.error = Compare(queries, std::min<std::size_t>(peer_count, kCompared), k, distances);
  }
  if (!row.error.empty()) return;

  std::uint64_t our_count = count;
  if (count > kScaledFrom) {
    const double few = MillisecondsOf([&] { static_cast<void>(site_.Search(queries.At(0, kScaledFrom), k)); });
    if (few * static_cast<double>(count) / kScaledFrom > kLongestBatchMs) our_count = kScaledFrom;
  }
  const InterleavedTimes times = Interleave(
      options_.seconds,
      [&](std::size_t call) { static_cast<void>(site_.Search(queries.At(call * our_count, our_count), k)); }, ask_peer);
  SetTimes(times, row);
  row.ours_ms /= static_cast<double>(our_count);
  row.peer_ms /= static_cast<double>(peer_count);
  if (row.ours_cold_ms) *row.ours_cold_ms /= static_cast<double>(our_count);
  if (our_count < count) row.ours_scaled_from = our_count;
  if (peer_count < count) row.peer_scaled_from = peer_count;
  row.percent_of_scan = 100 * row.ours_ms / ScanMilliseconds();
}

void SiteMeasurement::MeasureApproximatePeer(const Task& task, BenchRow& row) {
  const std::uint64_t k = task.name.k;
  const std::uint64_t count = task.name.queries;
  const Queries& queries = QueriesFor(task.name);
  Peer& peer = LoadPeer(task.peer);
  row.peer_build_seconds = loaded_.seconds;
  const std::size_t asked = std::min(kPrompts, queries.count());
  const Answers truth = site_.Search(queries.At(0, asked), k);

  std::vector<float> distances(asked * k);
  std::vector<std::int64_t> rows(asked * k);
  for (const int setting : peer.Settings()) {
    peer.Set(setting);
    peer.Search(queries.At(0, asked).data(), asked, k, distances.data(), rows.data());
    row.peer_setting = fmt::format("{}={}", peer.SettingName(), setting);
    row.peer_recall = RecallOf(truth, rows, k);
    if (*row.peer_recall >= kRecall) break;
  }
  const OurSetting ours = BestSetting(site_, queries, truth, k, count);
  row.ours_setting = ours.Text();
  row.ours_recall = ours.recall;
  const InterleavedTimes times = Interleave(
      options_.seconds,
      [&](std::size_t call) {
        static_cast<void>(site_.Search(queries.At(call * count, count), k, ours.index, ours.parameters));
      },
      [&](std::size_t call) {
        peer.Search(queries.At(call * count, count).data(), count, k, distances.data(), rows.data());
      });
  SetTimes(times, row);
  row.ours_ms /= static_cast<double>(count);
  row.peer_ms /= static_cast<double>(count);
  if (row.ours_cold_ms) *row.ours_cold_ms /= static_cast<double>(count);
}

BenchRow SiteMeasurement::Measure(const Task& task) {
  BenchRow row;
  row.name = task.name;
  row.peer = task.peer;
  row.rows = site_.row_count();
  row.site_rows = site_.index_rows();
  if (task.name.k > site_.row_count()) Fail("k {} exceeds the {} rows", task.name.k, site_.row_count());
  if (task.name.kind.starts_with("process")) {
    MeasureProcess(task, row);
  } else if (task.peer == kMemoryScan) {
    MeasureScan(task, row);
  } else if (task.name.kind.starts_with("approximate")) {
    MeasureApproximatePeer(task, row);
  } else {
    MeasureExactPeer(task, row);
  }
  return row;
}

}  // namespace actkin
