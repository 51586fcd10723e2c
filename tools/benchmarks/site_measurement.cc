#include "tools/benchmarks/site_measurement.h"

#include <algorithm>
#include <cmath>

#include "schema/error.h"
#include "tools/benchmarks/command_call.h"
#include "tools/benchmarks/interleave.h"
#include "tools/benchmarks/memory_scan.h"

namespace actkin {
namespace {

constexpr std::size_t kSinglePrompts = 64;
// Queries that a peer answers in the place of more.
constexpr std::uint64_t kScaledFrom = 500;
// Our own time for a large batch is scaled as well where it would be longer.
constexpr double kLongestBatchMs = 90e3;
// Queries whose answers are compared with ours.
constexpr std::size_t kCompared = 100;
constexpr std::uint64_t kComparedNeighbors = 10;
// An embedding site's floats are nowhere in memory: so many bytes are read instead.
constexpr std::uint64_t kScannedBytes = std::uint64_t{512} << 20;
constexpr std::size_t kRecallQueries = 200;
constexpr double kRecall = 0.99;

double Norm(std::span<const float> vector) {
  double sum = 0;
  for (const float number : vector) sum += double{number} * number;
  return std::sqrt(sum);
}

void SetTimes(const InterleavedTimes& times, BenchRow& row) {
  row.ours_ms = times.ours.Median();
  row.peer_ms = times.peer.Median();
  if (!times.ours.warm.empty()) row.ours_cold_ms = Median(times.ours.first);
}

// The share of the true nearest rows that were found.
double Recall(const std::vector<std::vector<Match>>& truth, std::uint64_t k, const auto& row_found) {
  std::size_t found = 0;
  for (std::size_t query = 0; query < truth.size(); ++query) {
    for (const Match& match : truth[query]) {
      for (std::uint64_t i = 0; i < k; ++i) {
        if (row_found(query, i) == match.row) {
          ++found;
          break;
        }
      }
    }
  }
  return static_cast<double>(found) / static_cast<double>(truth.size() * k);
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
  if (index.find("HNSW") != std::string::npos) {
    for (const int value : {12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512}) {
      parameters.push_back(fmt::format("efSearch={}", value));
    }
  } else if (index.find("IVF") != std::string::npos) {
    for (const int value : {1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128}) {
      parameters.push_back(fmt::format("nprobe={}", value));
    }
  } else {
    parameters.emplace_back();
  }
  return parameters;
}

// Of all indices of the site, and all parameters that reach the recall, the quickest for calls of so many queries.
OurSetting BestSetting(SiteWorkload& site, const Queries& queries, const std::vector<std::vector<Match>>& truth,
                       std::uint64_t k, std::size_t call) {
  const auto measure = [&](const OurSetting& setting) {
    std::vector<double> ms;
    for (std::size_t i = 0; i + call <= queries.count() && i < 32 * call; i += call) {
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
      const auto found = site.Search(queries.vectors, k, setting.index, setting.parameters);
      setting.recall = Recall(truth, k, [&](std::size_t query, std::size_t i) {
        return i < found[query].size() ? std::optional(found[query][i].row) : std::nullopt;
      });
      if (setting.recall < kRecall) continue;
      setting.ms = measure(setting);
      if (setting.ms < best.ms) best = setting;
      break;
    }
  }
  return best;
}

}  // namespace

const Queries& SiteMeasurement::QueriesFor(const Task& task) {
  const bool outside = task.name.kind == "outside" || task.name.kind == "process-outside";
  Queries& queries = queries_[outside ? "outside" : "in"];
  const std::size_t needed = task.name.kind == "approximate" ? std::max<std::size_t>(kRecallQueries, task.name.queries)
                                                             : std::max<std::size_t>(kSinglePrompts, task.name.queries);
  if (queries.count() == 0 || (!outside && queries.count() < needed)) {
    queries = outside ? site_.OutsideCorpus(kSinglePrompts) : site_.InCorpus(needed);
  }
  if (queries.count() == 0) Fail("the corpus is too regular: no prompts outside it were found");
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
  std::unique_ptr<Peer> peer;
  const double seconds = MillisecondsOf([&] { peer = kind.load(rows); }) / 1000;
  loaded_ = {&kind, std::move(peer), seconds};
  return *loaded_.peer;
}

std::string SiteMeasurement::Compare(const Queries& queries, std::size_t count, std::uint64_t k,
                                     const std::vector<float>& distances) {
  const auto ours = site_.Search(queries.At(0, count), k);
  for (std::size_t query = 0; query < count; ++query) {
    const double norm = Norm(queries.At(query, 1));
    for (std::uint64_t i = 0; i < std::min(k, kComparedNeighbors); ++i) {
      const double mine = ours[query][i].distance;
      const double theirs = distances[query * k + i];
      // Our vectors are the stored ones, theirs may have been rotated back to float32 and summed in float32.
      const double allowed = 1e-5 * mine * mine + loaded_.kind->squared_error * (norm + mine) * (norm + mine);
      if (!(std::abs(mine * mine - theirs * theirs) <= allowed)) {
        return fmt::format("the answers differ: prompt {} of {}, rank {}: {} is at {:.7g}, ours at {:.7g}", query + 1,
                           count, i + 1, loaded_.kind->name, theirs, mine);
      }
    }
  }
  return "";
}

void SiteMeasurement::MeasureScan(const Task& task, BenchRow& row) {
  const Queries& queries = QueriesFor(task);
  Scan();
  const InterleavedTimes times = Interleave(
      options_.seconds, [&](std::size_t call) { static_cast<void>(site_.Search(queries.At(call, 1), task.name.k)); },
      [&](std::size_t) { Scan(); });
  SetTimes(times, row);
  // The scan that the two share the caches with says no more than the undisturbed one where it reads all floats; where
  // it reads fewer, its time is scaled.
  if (site_.site().stream == Stream::kEmbedding) row.peer_ms = ScanMilliseconds();
  row.percent_of_scan = 100 * row.ours_ms / row.peer_ms;
}

void SiteMeasurement::MeasureProcess(const Task& task, BenchRow& row) {
  const Queries& queries = QueriesFor(task);
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
  const Queries& queries = QueriesFor(task);
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
  const Queries& queries = QueriesFor(task);
  Peer& peer = LoadPeer(task.peer);
  row.peer_build_seconds = loaded_.seconds;
  const auto truth = site_.Search(queries.vectors, k);

  std::vector<float> distances(queries.count() * k);
  std::vector<std::int64_t> rows(queries.count() * k);
  for (const int setting : peer.Settings()) {
    peer.Set(setting);
    peer.Search(queries.vectors.data(), queries.count(), k, distances.data(), rows.data());
    row.peer_setting = fmt::format("{}={}", peer.SettingName(), setting);
    row.peer_recall = Recall(truth, k, [&](std::size_t query, std::size_t i) {
      const std::int64_t found = rows[query * k + i];
      return found < 0 ? std::nullopt : std::optional(static_cast<RowNumber>(found));
    });
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
  } else if (task.name.kind == "approximate") {
    MeasureApproximatePeer(task, row);
  } else {
    MeasureExactPeer(task, row);
  }
  return row;
}

}  // namespace actkin
