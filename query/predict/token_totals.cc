#include "query/predict/token_totals.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace actkin {
namespace {

template <typename Number>
std::vector<TokenId> Top(std::span<const Number> values, std::size_t count) {
  std::vector<TokenId> tokens;
  for (TokenId token = 0; token < values.size(); ++token) {
    if (values[token] != 0) tokens.push_back(token);
  }
  const auto end = tokens.begin() + static_cast<std::ptrdiff_t>(std::min(count, tokens.size()));
  std::partial_sort(tokens.begin(), end, tokens.end(),
                    [&](TokenId a, TokenId b) { return values[a] != values[b] ? values[a] > values[b] : a < b; });
  tokens.erase(end, tokens.end());
  return tokens;
}

template <typename Number>
std::vector<TokenProbability> TopWithTexts(const TokenTable& vocabulary, std::span<const Number> probabilities,
                                           std::size_t count) {
  std::vector<TokenProbability> tokens;
  for (const TokenId token : Top(probabilities, count)) {
    tokens.push_back({vocabulary.Text(token), token, static_cast<double>(probabilities[token])});
  }
  return tokens;
}

}  // namespace

void AddNeighbors(std::span<const PooledNeighbor> neighbors, Kernel kernel, const NextTokenCounts& counts,
                  std::span<double> totals) {
  for (const PooledNeighbor& neighbor : neighbors) {
    counts.Add(neighbor.string_id, KernelValue(kernel, neighbor.distance), totals);
  }
}

std::vector<double> WeighTotals(std::span<const double> weights, std::span<const double> totals) {
  const std::size_t vocabulary = totals.size() / weights.size();
  std::vector<double> sums(vocabulary);
  for (std::size_t term = 0; term < weights.size(); ++term) {
    if (weights[term] == 0) continue;
    const double* counts = totals.data() + term * vocabulary;
    for (std::size_t token = 0; token < vocabulary; ++token) sums[token] += weights[term] * counts[token];
  }
  return Normalize(std::move(sums));
}

std::vector<double> Normalize(std::vector<double> totals) {
  double sum = 0;
  for (const double total : totals) sum += total;
  for (double& total : totals) total /= sum;
  // A sum of zero, or one so small that a quotient is beyond all numbers, makes no distribution.
  const bool finite = std::ranges::all_of(totals, [](double value) { return std::isfinite(value); });
  return finite ? totals : std::vector<double>();
}

std::vector<TokenId> TopTokens(std::span<const double> values, std::size_t count) { return Top(values, count); }

std::vector<TokenId> TopTokens(std::span<const float> values, std::size_t count) { return Top(values, count); }

std::vector<TokenProbability> ByProbability(const TokenTable& vocabulary, std::span<const double> probabilities,
                                            std::size_t count) {
  return TopWithTexts(vocabulary, probabilities, count);
}

std::vector<TokenProbability> ByProbability(const TokenTable& vocabulary, std::span<const float> probabilities,
                                            std::size_t count) {
  return TopWithTexts(vocabulary, probabilities, count);
}

}  // namespace actkin
