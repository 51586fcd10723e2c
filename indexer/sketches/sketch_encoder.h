#ifndef ACTKIN_INDEXER_SKETCHES_SKETCH_ENCODER_H_
#define ACTKIN_INDEXER_SKETCHES_SKETCH_ENCODER_H_

#include <cstdint>
#include <filesystem>
#include <functional>

#include "indexer/model/row_algebra.h"
#include "storage/formats/row_source.h"

namespace actkin {

// Writes the sketches of a site (storage/formats/sketch_file.h) to `path` from its rows, at least one, and returns
// the header's checksum. Reads the rows three times
// (their mean; their coarse codes, which give their order; all codes) and a sample of them, and holds 48 bytes a row
// and a few thousand rows a thread. The bytes do not depend on the number of threads. done: hears of every few thousand
// rows gone through, 3 times the row count in all, from one thread at a time. Throws Error naming a file.
std::uint64_t WriteSketches(const std::filesystem::path& path, const RowSource& rows, const RowAlgebra& algebra,
                            int threads, const std::function<void(std::uint64_t rows)>& done);

// Bytes that this takes at once, besides pages of files: by measurement, most of it five times the sample that levels
// and steps are chosen by.
std::uint64_t SketchMemory(std::uint64_t rows, std::uint64_t dimension);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_SKETCHES_SKETCH_ENCODER_H_
