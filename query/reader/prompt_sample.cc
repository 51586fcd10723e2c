#include "query/reader/prompt_sample.h"

#include <numeric>
#include <random>
#include <utility>

#include "schema/error.h"

namespace actkin {

std::vector<StringOrdinal> PromptSample(std::uint64_t population, std::uint64_t count, std::uint64_t seed) {
  constexpr std::uint64_t kLargestPopulation = 0xFFFFFFFFU / 20;
  if (count > population) {
    FailUsage("a sample of {}: there are {} strings to draw from", count, population);
  }
  if (population > kLargestPopulation) {
    FailUsage("a sample of {} strings: at most {} can be drawn from as torch.randperm does", population,
              kLargestPopulation);
  }
  // Fisher and Yates from the front, with one output of the Mersenne twister a step.
  std::mt19937 generator(static_cast<std::uint32_t>(seed));
  std::vector<StringOrdinal> permutation(population);
  std::iota(permutation.begin(), permutation.end(), StringOrdinal{0});
  for (std::uint64_t i = 0; i < count && i + 1 < population; ++i) {
    std::swap(permutation[i], permutation[i + generator() % (population - i)]);
  }
  permutation.resize(count);
  return permutation;
}

std::vector<Prompt> SamplePrompts(IndexReader& reader, std::uint64_t count, std::uint64_t seed) {
  const LengthRow length = reader.catalog().Lengths().back();
  std::vector<Prompt> prompts;
  prompts.reserve(count);
  for (const StringOrdinal ordinal : PromptSample(length.string_count, count, seed)) {
    prompts.push_back(reader.PromptOf(length.first_string_id + ordinal));
  }
  return prompts;
}

}  // namespace actkin
