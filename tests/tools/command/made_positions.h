#ifndef ACTKIN_TESTS_TOOLS_COMMAND_MADE_POSITIONS_H_
#define ACTKIN_TESTS_TOOLS_COMMAND_MADE_POSITIONS_H_

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "schema/site.h"

namespace actkin {

// Adds sites over all positions to an index directory that has a model, each row by a forward pass of its window alone,
// the windows found one by one. The sites' t_i is kOverPositions.
void AddPositionSites(const std::filesystem::path& directory, std::uint64_t window, std::uint64_t stride,
                      std::span<const Site> sites);

// Adds a site of a stream that was recorded elsewhere: at every so-manieth position a row of small whole numbers, many
// rows alike. Returns its rows, one after the other.
std::vector<float> AddRecordedSite(const std::filesystem::path& directory, const std::string& stream, int block,
                                   std::uint64_t dimension, std::uint64_t every, unsigned seed);

}  // namespace actkin

#endif  // ACTKIN_TESTS_TOOLS_COMMAND_MADE_POSITIONS_H_
