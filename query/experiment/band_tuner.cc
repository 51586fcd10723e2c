#include "query/experiment/band_tuner.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "storage/machine/row_workers.h"

namespace actkin {
namespace {

// Prompts whose sums are added up on their own.
constexpr std::size_t kPiece = 64;
// What weights a source is tried with: times its own weight, and times the one that keeps its share at another
// threshold.
constexpr std::array<double, 5> kFactors = {0.25, 0.5, 1, 2, 4};
// Shares of all counts that a source is tried with which is not used.
constexpr std::array<double, 5> kShares = {0.01, 0.03, 0.1, 0.3, 1};
constexpr double kEnoughGain = 2e-5;  // of a round
constexpr int kMostDescents = 60;
constexpr double kFirstRate = 20;
constexpr double kLastRate = 0.5;
constexpr double kLongestMove = 2;  // of a weight's logarithm
constexpr double kNextToNothing = 1e-6;

// Numbers side by side that a compiler turns into one instruction: a sum may not be reordered by it.
constexpr std::size_t kLanes = 8;

struct Overlap {
  double total = 0;    // sum of rest + weight * counts
  double overlap = 0;  // sum of sqrt(rest + weight * counts) * root
};

Overlap Measure(const float* rest, const float* counts, float weight, const float* roots, std::size_t count) {
  std::array<float, kLanes> totals{};
  std::array<float, kLanes> overlaps{};
  std::size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const float sum = rest[i + lane] + weight * counts[i + lane];
      totals[lane] += sum;
      overlaps[lane] += std::sqrt(sum) * roots[i + lane];
    }
  }
  Overlap measured;
  for (; i < count; ++i) {
    const float sum = rest[i] + weight * counts[i];
    measured.total += sum;
    measured.overlap += std::sqrt(sum) * roots[i];
  }
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    measured.total += totals[lane];
    measured.overlap += overlaps[lane];
  }
  return measured;
}

// sqrt(1 - sum of sqrt(p q)) with p the totals divided by their sum.
double Distance(const Overlap& measured) {
  if (!(measured.total > 0)) return 1;
  return std::sqrt(std::max(0.0, 1 - measured.overlap / std::sqrt(measured.total)));
}

}  // namespace

BandTuner::BandTuner(const TuningData& data, int threads) : data_(data), threads_(threads), roots_(data.targets) {
  for (float& root : roots_) root = std::sqrt(std::max(root, 0.0F));
  mass_ = SumOverPrompts(data_.sources * data_.thresholds, [this](std::size_t prompt, std::span<double> sums) {
    for (std::size_t source = 0; source < data_.sources; ++source) {
      double let_in = 0;
      for (std::size_t threshold = 0; threshold < data_.thresholds; ++threshold) {
        for (const TuningData::Count& count : data_.CountsOf(prompt, source, threshold)) let_in += count.count;
        sums[source * data_.thresholds + threshold] += let_in;
      }
    }
  });
  for (double& mass : mass_) mass /= static_cast<double>(data_.prompts);
}

void BandTuner::AddCounts(std::size_t source, std::size_t prompt, std::size_t threshold,
                          std::span<float> counts) const {
  for (const TuningData::Count& count : data_.CountsOf(prompt, source, threshold)) counts[count.place] += count.count;
}

void BandTuner::FillCounts(std::size_t source, std::size_t prompt, std::size_t threshold,
                           std::span<float> counts) const {
  std::ranges::fill(counts, 0.0F);
  for (std::size_t band = 0; band <= threshold; ++band) AddCounts(source, prompt, band, counts);
}

std::vector<double> BandTuner::SumOverPrompts(
    std::size_t width, const std::function<void(std::size_t prompt, std::span<double> sums)>& add) const {
  const std::size_t pieces = (data_.prompts + kPiece - 1) / kPiece;
  std::vector<double> sums(pieces * width);
  const RowRange all{0, pieces};
  ForEachPiece(all, 1, UsefulThreads(all, 1, threads_), [&](int, RowRange piece) {
    const std::size_t begin = piece.begin * kPiece;
    for (std::size_t prompt = begin; prompt < std::min(begin + kPiece, data_.prompts); ++prompt) {
      add(prompt, std::span(sums).subspan(piece.begin * width, width));
    }
  });
  for (std::size_t piece = 1; piece < pieces; ++piece) {
    for (std::size_t i = 0; i < width; ++i) sums[i] += sums[piece * width + i];
  }
  sums.resize(width);
  return sums;
}

void BandTuner::AddWeighted(std::span<const TunedSource> sources, std::optional<std::size_t> except, std::size_t prompt,
                            std::span<float> totals) const {
  std::ranges::fill(totals, 0.0F);
  std::vector<float> counts(totals.size());
  for (std::size_t source = 0; source < sources.size(); ++source) {
    if (source == except || sources[source].weight == 0) continue;
    const auto weight = static_cast<float>(sources[source].weight);
    FillCounts(source, prompt, sources[source].threshold, counts);
    for (std::size_t token = 0; token < totals.size(); ++token) totals[token] += weight * counts[token];
  }
}

double BandTuner::HellingerMean(std::span<const TunedSource> sources) const {
  const std::vector<double> sum = SumOverPrompts(1, [&](std::size_t prompt, std::span<double> sums) {
    std::vector<float> totals(data_.TokenCount(prompt));
    AddWeighted(sources, std::nullopt, prompt, totals);
    sums[0] += Distance(Measure(totals.data(), totals.data(), 0, Roots(prompt), totals.size()));
  });
  return sum[0] / static_cast<double>(data_.prompts);
}

std::vector<TunedSource> BandTuner::DefaultStart() const {
  std::vector<TunedSource> start(data_.sources);
  for (std::size_t source = 0; source < data_.sources; ++source) {
    start[source].threshold = data_.thresholds / 5;
    // The first that lets anything in.
    while (start[source].threshold + 1 < data_.thresholds && MeanMass(source, start[source].threshold) == 0) {
      ++start[source].threshold;
    }
    const double mass = MeanMass(source, start[source].threshold);
    start[source].weight = mass > 0 ? 1 / mass : 0;
  }
  return start;
}

std::vector<BandTuner::Candidate> BandTuner::TrySource(std::span<const TunedSource> sources, std::size_t source) const {
  const TunedSource& now = sources[source];
  double others = 0;
  for (std::size_t other = 0; other < sources.size(); ++other) {
    if (other != source) others += sources[other].weight * MeanMass(other, sources[other].threshold);
  }
  std::vector<Candidate> candidates{{TunedSource{now.threshold, 0}, 0}};  // without it
  for (std::size_t threshold = 0; threshold < data_.thresholds; ++threshold) {
    const double mass = MeanMass(source, threshold);
    if (mass == 0) continue;
    if (now.weight == 0) {
      for (const double share : kShares)
        candidates.push_back({{threshold, share * std::max(others, 1e-300) / mass}, 0});
      continue;
    }
    for (const double factor : kFactors) {
      candidates.push_back({{threshold, factor * now.weight}, 0});
      if (threshold == now.threshold) continue;
      candidates.push_back({{threshold, factor * now.weight * MeanMass(source, now.threshold) / mass}, 0});
    }
  }
  const std::vector<double> sums =
      SumOverPrompts(candidates.size(), [&](std::size_t prompt, std::span<double> distances) {
        std::vector<float> rest(data_.TokenCount(prompt));
        AddWeighted(sources, source, prompt, rest);
        distances[0] += Distance(Measure(rest.data(), rest.data(), 0, Roots(prompt), rest.size()));
        // The others' thresholds never fall.
        std::vector<float> counts(rest.size());
        std::size_t let_in = 0;
        for (std::size_t i = 1; i < candidates.size(); ++i) {
          const TunedSource& tried = candidates[i].source;
          for (; let_in <= tried.threshold; ++let_in) AddCounts(source, prompt, let_in, counts);
          distances[i] += Distance(
              Measure(rest.data(), counts.data(), static_cast<float>(tried.weight), Roots(prompt), rest.size()));
        }
      });
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    candidates[i].hellinger_mean = sums[i] / static_cast<double>(data_.prompts);
  }
  return candidates;
}

// With totals T, their sum Z and B = sum of sqrt(T_v q_v / Z), the distance is sqrt(1 - B); by the logarithm of a
// weight w whose source counts c_v, sum C, it changes by
//   -w / (2 sqrt(1 - B)) * (sum of c_v sqrt(q_v / T_v) / (2 sqrt(Z)) - B C / (2 Z)).
double BandTuner::Gradient(std::span<const TunedSource> sources, std::vector<double>& gradient) const {
  std::vector<double> sums = SumOverPrompts(sources.size() + 1, [&](std::size_t prompt, std::span<double> to) {
    std::vector<float> totals(data_.TokenCount(prompt));
    AddWeighted(sources, std::nullopt, prompt, totals);
    const float* roots = Roots(prompt);
    const Overlap measured = Measure(totals.data(), totals.data(), 0, roots, totals.size());
    const double distance = Distance(measured);
    to[sources.size()] += distance;
    if (!(measured.total > 0) || distance < kNextToNothing) return;
    const double overlap = measured.overlap / std::sqrt(measured.total);
    std::vector<float> counts(totals.size());
    for (std::size_t source = 0; source < sources.size(); ++source) {
      if (sources[source].weight == 0) continue;
      FillCounts(source, prompt, sources[source].threshold, counts);
      double by_root = 0;
      double mass = 0;
      for (std::size_t token = 0; token < totals.size(); ++token) {
        if (counts[token] == 0 || totals[token] == 0) continue;
        mass += counts[token];
        by_root += counts[token] * roots[token] / std::sqrt(totals[token]);
      }
      const double slope = by_root / (2 * std::sqrt(measured.total)) - overlap * mass / (2 * measured.total);
      to[source] -= sources[source].weight * slope / (2 * distance);
    }
  });
  for (double& sum : sums) sum /= static_cast<double>(data_.prompts);
  const double mean = sums.back();
  sums.pop_back();
  gradient = std::move(sums);
  return mean;
}

void BandTuner::DescendWeights(std::vector<TunedSource>& sources) const {
  std::vector<double> gradient;
  std::vector<double> next_gradient;
  double mean = Gradient(sources, gradient);
  double rate = kFirstRate;
  for (int i = 0; i < kMostDescents && rate >= kLastRate; ++i) {
    std::vector<TunedSource> next = sources;
    for (std::size_t source = 0; source < next.size(); ++source) {
      next[source].weight *= std::exp(std::clamp(-rate * gradient[source], -kLongestMove, kLongestMove));
    }
    const double next_mean = Gradient(next, next_gradient);
    if (next_mean >= mean) {
      rate /= 3;
      continue;
    }
    const double gain = mean - next_mean;
    sources = std::move(next);
    gradient.swap(next_gradient);
    mean = next_mean;
    rate *= 1.5;
    if (gain < kNextToNothing) break;
  }
  // Only their ratios matter.
  const double largest = std::ranges::max(sources, {}, &TunedSource::weight).weight;
  if (largest > 0) {
    for (TunedSource& source : sources) source.weight /= largest;
  }
}

std::vector<TunedSource> BandTuner::Search(std::vector<TunedSource> start, const Hear& report) {
  std::vector<TunedSource> sources = start.empty() ? DefaultStart() : std::move(start);
  const std::uint64_t steps = kMostRounds * (sources.size() + 1);
  std::uint64_t step = 0;
  DescendWeights(sources);
  double mean = HellingerMean(sources);
  for (int round = 0; round < kMostRounds; ++round) {
    const double before = mean;
    for (std::size_t source = 0; source < sources.size(); ++source) {
      const std::vector<Candidate> candidates = TrySource(sources, source);
      const Candidate& best = *std::ranges::min_element(candidates, {}, &Candidate::hellinger_mean);
      if (best.hellinger_mean < mean) {
        sources[source] = best.source;
        mean = best.hellinger_mean;
      }
      report(++step, steps, mean);
    }
    std::vector<TunedSource> moved = sources;
    DescendWeights(moved);
    const double moved_mean = HellingerMean(moved);
    if (moved_mean < mean) {
      sources = std::move(moved);
      mean = moved_mean;
    }
    report(++step, steps, mean);
    if (before - mean < kEnoughGain) break;
  }
  return sources;
}

}  // namespace actkin
