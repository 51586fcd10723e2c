#ifndef ACTKIN_QUERY_READER_PROMPT_SAMPLE_H_
#define ACTKIN_QUERY_READER_PROMPT_SAMPLE_H_

#include <cstdint>
#include <vector>

#include "query/reader/index_reader.h"
#include "schema/site.h"

namespace actkin {

inline constexpr std::uint64_t kDefaultSampleSeed = 1337;

// The first `count` numbers of torch.manual_seed(seed); torch.randperm(population) on a CPU, so that a notebook draws
// the same sample. Throws Error (usage) when count exceeds the population, or the population the 2^32 / 20 numbers up
// to which torch.randperm works this way.
std::vector<StringOrdinal> PromptSample(std::uint64_t population, std::uint64_t count,
                                        std::uint64_t seed = kDefaultSampleSeed);

// The same of the corpus's strings of L tokens.
std::vector<Prompt> SamplePrompts(IndexReader& reader, std::uint64_t count, std::uint64_t seed = kDefaultSampleSeed);

}  // namespace actkin

#endif  // ACTKIN_QUERY_READER_PROMPT_SAMPLE_H_
