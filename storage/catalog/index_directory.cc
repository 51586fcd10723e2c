#include "storage/catalog/index_directory.h"

#include <algorithm>
#include <cctype>
#include <system_error>

#include "schema/error.h"
#include "schema/random.h"
#include "schema/text.h"
#include "storage/machine/sha256.h"

namespace actkin {
namespace {

// What a file's name should not hold is replaced, and made distinct by a checksum.
std::string PlainName(std::string_view name) {
  std::string plain(name);
  std::ranges::replace_if(
      plain, [](unsigned char c) { return std::isalnum(c) == 0 && c != '-' && c != '_'; }, '_');
  if (plain != name) {
    std::uint64_t sum = 0;
    for (const char c : name) sum = MixedBits(sum ^ static_cast<unsigned char>(c));
    plain += fmt::format("-{:08x}", sum >> 32);
  }
  return plain;
}

// "ffwd-b5-t9", "ffwd-b5-positions"
std::string SiteName(const Site& site) {
  return fmt::format("{}-b{}-{}", PlainName(Name(site.stream)), site.block,
                     site.over_positions() ? "positions" : fmt::format("t{}", site.t_i));
}

std::string ApproximateIndexFile(const Site& site, Metric metric, const std::string& name, const char* extension) {
  return fmt::format("sites/{}.{}.{}.{}", SiteName(site), Name(metric), PlainName(name), extension);
}

// "experiments/1b2c3d4e5f60-ffwd-b5-t9-l2": a set's name may be any text.
std::string Experiment(const std::string& prompt_set, const Site& site, Metric metric) {
  return fmt::format("experiments/{}-{}-{}", Sha256(prompt_set).substr(0, 12), SiteName(site), Name(metric));
}

std::string FileBand(const Band& band) {
  std::string text = FormatBand(band);
  std::ranges::replace(text, ':', '_');
  return text;
}

}  // namespace

std::string IndexDirectory::Vectors(const Site& site) { return fmt::format("sites/{}.vectors", SiteName(site)); }

std::string IndexDirectory::Sketches(const Site& site) { return fmt::format("sites/{}.sketches", SiteName(site)); }

std::string IndexDirectory::Codes(int t_i) { return fmt::format("sites/embedding-t{}.codes", t_i); }

std::string IndexDirectory::RowOrder(int t_i) { return fmt::format("sites/t{}.rows", t_i); }

std::string IndexDirectory::Positions(std::string_view name) {
  return fmt::format("sites/{}.positions", PlainName(name));
}

std::string IndexDirectory::Graph(const Site& site, Metric metric, const std::string& name) {
  return ApproximateIndexFile(site, metric, name, "graph");
}

std::string IndexDirectory::Faiss(const Site& site, Metric metric, const std::string& name) {
  return ApproximateIndexFile(site, metric, name, "faiss");
}

std::string IndexDirectory::SavedNeighbors(const std::string& prompt_set, const Site& site, Metric metric,
                                           std::uint64_t k, const std::optional<Band>& within,
                                           const std::string& rows) {
  return fmt::format("{}-k{}{}{}.neighbors", Experiment(prompt_set, site, metric), k,
                     within ? "-" + FileBand(*within) : "", rows.empty() ? "" : "-" + rows);
}

std::string IndexDirectory::SavedBandTotals(const std::string& prompt_set, const Site& site, Metric metric,
                                            const Band& within, const std::string& rows) {
  return fmt::format("{}-{}{}.totals", Experiment(prompt_set, site, metric), FileBand(within),
                     rows.empty() ? "" : "-" + rows);
}

std::string IndexDirectory::SavedPredictions(const std::string& prompt_set) {
  return fmt::format("experiments/{}.predictions", Sha256(prompt_set).substr(0, 12));
}

std::filesystem::path IndexDirectory::Resolve(const std::string& relative) const {
  const std::filesystem::path name(relative);
  const bool leaves = relative.empty() || relative.find('\0') != std::string::npos || name.is_absolute() ||
                      std::ranges::any_of(name, [](const auto& part) { return part == ".."; });
  if (leaves) FailDamaged("{}: its catalog names a file outside the directory: {}", path_.string(), Quote(relative));
  return path_ / name;
}

void IndexDirectory::Create() const {
  for (const std::filesystem::path& directory : {path_, path_ / "sites", Partial()}) {
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    if (error) Fail("{}: cannot make this folder: {}", directory.string(), error.message());
    if (!std::filesystem::is_directory(directory)) Fail("{}: expected a folder", directory.string());
  }
}

}  // namespace actkin
