#ifndef ACTKIN_INDEXER_BUILD_FORECAST_H_
#define ACTKIN_INDEXER_BUILD_FORECAST_H_

#include <cstdint>
#include <vector>

#include "indexer/build/build.h"
#include "indexer/build/build_inputs.h"
#include "indexer/text/string_levels.h"
#include "schema/progress.h"

namespace actkin {

// What the sites of one stream at one t_i, or over positions, take.
struct SiteForecast {
  Stream stream = Stream::kFfwd;
  int t_i = 0;                  // kOverPositions: over positions
  std::vector<int> blocks;      // one for the embedding
  std::uint64_t rows = 0;       // of each
  std::uint64_t dimension = 0;  // likewise
  std::uint64_t bytes = 0;      // of all: rows and sketches
};

// What a build would take, and leave.
struct BuildForecast {
  std::vector<SiteForecast> sites;  // that are not there yet
  std::uint64_t strings = 0;
  std::uint64_t prefixes = 0;        // that go through the model once each
  std::uint64_t positions = 0;       // that get rows; 0: no site over positions is to be made
  std::uint64_t window_tokens = 0;   // that go through the model in windows, most of them more than once
  std::uint64_t catalog_bytes = 0;   // 0: it is there
  std::uint64_t corpus_bytes = 0;    // likewise: its tokens, and the order of their suffixes
  std::uint64_t model_bytes = 0;     // likewise
  std::uint64_t passing_bytes = 0;   // of rows that are not kept: there until their sketches are made
  std::uint64_t position_bytes = 0;  // of the file that says which positions have rows
  std::uint64_t free_bytes = 0;      // where the directory is, or would be
  std::uint64_t peak_memory = 0;     // bytes
  // By measurements of a few seconds on this machine.
  double catalog_seconds = 0;
  double capture_seconds = 0;
  double sketch_seconds = 0;

  std::uint64_t bytes() const;
  std::uint64_t peak_bytes() const { return bytes() + passing_bytes; }  // while it is made
  double seconds() const { return catalog_seconds + capture_seconds + sketch_seconds; }
};

// Sites and bytes alone, without measuring: REQUIRES that `plan` holds what is not there yet. Times stay 0.
BuildForecast ForecastBytes(const BuildOptions& options, const BuildInputs& inputs, const SitePlan& plan,
                            const StringLevels& strings, const ExistingDirectory& existing);

// All of it, writing nothing but a few temporary files. Throws Error as Build does before it writes.
BuildForecast Forecast(const BuildOptions& options, ProgressListener& progress);

// Takes out of a plan what a directory has. Returns how many those were.
std::size_t DropPresentSites(const ExistingDirectory& existing, SitePlan& plan);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_BUILD_FORECAST_H_
