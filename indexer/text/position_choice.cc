#include "indexer/text/position_choice.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <sstream>

#include "schema/random.h"

namespace actkin {

std::string PositionChoice::Name() const {
  if (all()) return "all";
  if (every) return fmt::format("every {}", *every);
  return fmt::format("sample {} seed {}", *sample, seed);
}

std::optional<PositionChoice> PositionChoice::OfName(const std::string& name) {
  PositionChoice choice;
  std::istringstream words(name);
  std::string word;
  words >> word;
  if (word == "every") {
    words >> choice.every.emplace();
  } else if (word == "sample") {
    std::string seed;
    words >> choice.sample.emplace() >> seed >> choice.seed;
  }
  const bool sound =
      (!choice.every || *choice.every > 0) && (!choice.sample || (*choice.sample > 0 && *choice.sample <= 1));
  // What is written back the same was understood.
  return sound && choice.Name() == name ? std::optional(choice) : std::nullopt;
}

std::uint64_t ChosenCount(const PositionChoice& choice, std::uint64_t position_count) {
  if (choice.all()) return position_count;
  if (choice.every) return (position_count + *choice.every - 1) / *choice.every;
  const auto share = static_cast<std::uint64_t>(std::llround(*choice.sample * static_cast<double>(position_count)));
  return std::clamp<std::uint64_t>(share, std::min<std::uint64_t>(1, position_count), position_count);
}

std::vector<std::uint64_t> ChoosePositions(const PositionChoice& choice, std::uint64_t position_count) {
  const std::uint64_t count = ChosenCount(choice, position_count);
  std::vector<std::uint64_t> positions;
  positions.reserve(count);
  if (choice.every) {
    for (std::uint64_t position = 0; position < position_count; position += *choice.every) {
      positions.push_back(position);
    }
    return positions;
  }
  // Selection sampling (Knuth, The Art of Computer Programming 2, 3.4.2, Algorithm S): a position is taken with the
  // share that what is still to be taken has of the positions that are left.
  const std::uint64_t stream = MixedBits(choice.seed);
  for (std::uint64_t position = 0; positions.size() < count; ++position) {
    const double drawn = static_cast<double>(MixedBits(stream + position) >> 11) * 0x1p-53;
    const auto left = static_cast<double>(position_count - position);
    if (drawn * left < static_cast<double>(count - positions.size())) positions.push_back(position);
  }
  return positions;
}

}  // namespace actkin
