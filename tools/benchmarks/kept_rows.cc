#include "tools/benchmarks/kept_rows.h"

#include <xxhash.h>

#include <algorithm>

#include "schema/error.h"
#include "storage/catalog/catalog.h"
#include "storage/machine/file.h"

namespace actkin {

KeptRows::KeptRows(const std::filesystem::path& folder, nlohmann::ordered_json subject) : subject_(std::move(subject)) {
  if (folder.empty()) return;
  const std::string text = subject_.dump();
  path_ = folder / fmt::format("measured-{}.json", ChecksumText(XXH3_64bits(text.data(), text.size())));
  if (!std::filesystem::exists(path_)) return;
  const nlohmann::json json = nlohmann::json::parse(ReadFile(path_), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("rows") || !json["rows"].is_array()) {
    Fail("{}: does not hold rows of a benchmark: remove it", path_.string());
  }
  for (const auto& row : json["rows"]) {
    try {
      rows_.push_back(BenchRowFromJson(row));
    } catch (const Error& error) {
      Fail("{}: {}: remove it", path_.string(), error.what());
    }
  }
}

bool KeptRows::Has(const RowName& name, const std::string& peer) const {
  return std::ranges::any_of(
      rows_, [&](const BenchRow& row) { return row.name == name && row.peer == peer && row.error.empty(); });
}

void KeptRows::Put(BenchRow row) {
  const auto same = std::ranges::find_if(
      rows_, [&](const BenchRow& other) { return other.name == row.name && other.peer == row.peer; });
  if (same != rows_.end()) {
    *same = std::move(row);
  } else {
    rows_.push_back(std::move(row));
  }
  if (path_.empty()) return;
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const BenchRow& kept : rows_) rows.push_back(ToJson(kept));
  ReplaceFile(path_, nlohmann::ordered_json{{"subject", subject_}, {"rows", std::move(rows)}}.dump(1) + "\n");
}

}  // namespace actkin
