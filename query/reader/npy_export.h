#ifndef ACTKIN_QUERY_READER_NPY_EXPORT_H_
#define ACTKIN_QUERY_READER_NPY_EXPORT_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string_view>

#include "query/reader/index_reader.h"

namespace actkin {

// Writes the vectors of a site, unrotated, as a NumPy array of float32, rows x dimension, C order, in order of string
// id: row i is string first_string_id + i of the site. (Format: numpy.lib.format, version 1.0.) The file is whole or
// not there. `report` is told the rows done. REQUIRES: the path is in an ExportFolder. Throws Error when the disk is
// too small or the file cannot be written.
void ExportNpy(IndexReader& reader, const Site& site, const std::filesystem::path& path,
               const std::function<void(std::uint64_t)>& report);

// The same file, front to back, piece by piece.
void StreamNpy(IndexReader& reader, const Site& site, const std::function<void(std::string_view)>& write,
               const std::function<void(std::uint64_t)>& report);

}  // namespace actkin

#endif  // ACTKIN_QUERY_READER_NPY_EXPORT_H_
