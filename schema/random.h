#ifndef ACTKIN_SCHEMA_RANDOM_H_
#define ACTKIN_SCHEMA_RANDOM_H_

#include <cstdint>

namespace actkin {

// A number whose bits look random, always the same for the same `number` (SplitMix64 of Steele, Lea and Flood, "Fast
// splittable pseudorandom number generators"). Counters put through it make sequences that may be entered anywhere.
constexpr std::uint64_t MixedBits(std::uint64_t number) {
  number += 0x9e3779b97f4a7c15U;
  number = (number ^ (number >> 30)) * 0xbf58476d1ce4e5b9U;
  number = (number ^ (number >> 27)) * 0x94d049bb133111ebU;
  return number ^ (number >> 31);
}

}  // namespace actkin

#endif  // ACTKIN_SCHEMA_RANDOM_H_
