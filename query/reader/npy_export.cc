#include "query/reader/npy_export.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "schema/error.h"
#include "storage/exchange/npy_file.h"
#include "storage/machine/export_folder.h"
#include "storage/machine/file.h"

namespace actkin {
namespace {

constexpr std::uint64_t kBufferBytes = std::uint64_t{8} << 20;

std::string Header(std::uint64_t rows, std::uint64_t dimension) {
  return NpyHeader("<f4", std::array{rows, dimension});
}

void RequireKept(IndexReader& reader, const Site& site) {
  if (reader.RequireSite(site).element != Element::kNone) return;
  FailUsage(ErrorCode::kUnsupported, "{}: its rows are not kept: there is nothing to export", Describe(site));
}

}  // namespace

void StreamNpy(IndexReader& reader, const Site& site, const std::function<void(std::string_view)>& write,
               const std::function<void(std::uint64_t)>& report) {
  RequireKept(reader, site);
  const auto index = reader.OpenIndex(site);
  const auto map = reader.OpenRowMap(site);
  const std::uint64_t rows = index->row_count();
  const std::uint64_t dimension = index->dimension();
  write(Header(rows, dimension));
  const std::uint64_t batch = std::max<std::uint64_t>(1, kBufferBytes / (dimension * sizeof(float)));
  std::vector<float> buffer;
  for (std::uint64_t first = 0; first < rows; first += batch) {
    buffer.clear();
    for (std::uint64_t ordinal = first; ordinal < std::min(first + batch, rows); ++ordinal) {
      // Over positions rows are in their order; every ordinal of strings has a row.
      const RowNumber row = site.over_positions() ? static_cast<RowNumber>(ordinal) : map->Row(ordinal).value();
      const std::vector<float> vector = index->Vector(row);
      buffer.insert(buffer.end(), vector.begin(), vector.end());
    }
    write({reinterpret_cast<const char*>(buffer.data()), buffer.size() * sizeof(float)});
    report(std::min(first + batch, rows));
  }
}

void ExportNpy(IndexReader& reader, const Site& site, const std::filesystem::path& path,
               const std::function<void(std::uint64_t)>& report) {
  RequireKept(reader, site);
  const auto index = reader.OpenIndex(site);
  const std::uint64_t numbers = index->row_count() * index->dimension();
  const std::uint64_t bytes = Header(index->row_count(), index->dimension()).size() + numbers * sizeof(float);
  const std::uint64_t free = FreeDiskBytes(path.parent_path());
  if (bytes > free) Fail(ErrorCode::kOutOfSpace, "{}: needs {} bytes, {} are free", path.string(), bytes, free);

  ExportedFile exported(path);
  std::uint64_t offset = 0;
  const auto write = [&](std::string_view more) {
    exported.file().WriteAt(offset, more);
    offset += more.size();
  };
  StreamNpy(reader, site, write, report);
  exported.Publish();
}

}  // namespace actkin
