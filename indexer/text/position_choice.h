#ifndef ACTKIN_INDEXER_TEXT_POSITION_CHOICE_H_
#define ACTKIN_INDEXER_TEXT_POSITION_CHOICE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace actkin {

// Which positions of a corpus get rows: all where nothing is given.
struct PositionChoice {
  std::optional<std::uint64_t> every = {};  // 0, every, 2 every, ...; at least 1
  std::optional<double> sample = {};        // a share of them, drawn at random; above 0, at most 1
  std::uint64_t seed = 1;                   // of the sample

  bool all() const { return (!every || *every == 1) && (!sample || *sample == 1); }
  // For people, and what tells one choice from another: "all", "every 10", "sample 0.02 seed 1".
  std::string Name() const;
  // The choice of that name; none where it is none's.
  static std::optional<PositionChoice> OfName(const std::string& name);

  friend bool operator==(const PositionChoice& a, const PositionChoice& b) { return a.Name() == b.Name(); }
};

// Rising; at least one of a corpus that has positions. The sample has the whole number of positions that is nearest to
// its share; the same share and seed draw the same ones anywhere. REQUIRES: not all().
std::vector<std::uint64_t> ChoosePositions(const PositionChoice& choice, std::uint64_t position_count);
// How many those are; also where all.
std::uint64_t ChosenCount(const PositionChoice& choice, std::uint64_t position_count);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_TEXT_POSITION_CHOICE_H_
