#include "tools/benchmarks/bench_row.h"

#include <charconv>
#include <vector>

#include "schema/error.h"
#include "schema/text.h"

namespace actkin {
namespace {

// A number after `prefix`, and nothing else.
std::optional<std::uint64_t> Number(std::string_view text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return std::nullopt;
  text.remove_prefix(prefix.size());
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

template <typename Value>
void Put(nlohmann::ordered_json& json, const char* key, const std::optional<Value>& value) {
  if (value) json[key] = *value;
}

template <typename Value>
std::optional<Value> Optional(const nlohmann::json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end()) return std::nullopt;
  return found->get<Value>();
}

}  // namespace

std::string Text(const RowName& name) {
  return fmt::format("{}/{}/{}/k{}/q{}", name.kind, Name(name.stream), name.block, name.k, name.queries);
}

RowName ParseRowName(std::string_view text) {
  std::vector<std::string_view> parts;
  for (std::string_view rest = text;;) {
    const std::size_t slash = rest.find('/');
    parts.push_back(rest.substr(0, slash));
    if (slash == std::string_view::npos) break;
    rest.remove_prefix(slash + 1);
  }
  const auto refuse = [&] { Fail("{}: expected KIND/STREAM/BLOCK/kK/qQUERIES", Quote(text)); };
  if (parts.size() != 5 || parts[0].empty()) refuse();
  const auto block = Number(parts[2], "");
  const auto k = Number(parts[3], "k");
  const auto queries = Number(parts[4], "q");
  if (!block || *block > 1'000'000 || !k || !queries) refuse();
  return {std::string(parts[0]), ParseStream(parts[1]), static_cast<int>(*block), *k, *queries};
}

nlohmann::ordered_json ToJson(const BenchRow& row) {
  nlohmann::ordered_json json = {{"name", Text(row.name)}, {"peer", row.peer}};
  if (row.error.empty()) {
    json["ours_ms"] = row.ours_ms;
    json["peer_ms"] = row.peer_ms;
    json["ratio"] = row.ratio();
  } else {
    json["error"] = row.error;
  }
  Put(json, "ours_cold_ms", row.ours_cold_ms);
  Put(json, "percent_of_scan", row.percent_of_scan);
  Put(json, "ours_scaled_from", row.ours_scaled_from);
  Put(json, "peer_scaled_from", row.peer_scaled_from);
  Put(json, "ours_recall", row.ours_recall);
  Put(json, "peer_recall", row.peer_recall);
  if (!row.ours_setting.empty()) json["ours_setting"] = row.ours_setting;
  if (!row.peer_setting.empty()) json["peer_setting"] = row.peer_setting;
  Put(json, "peer_build_seconds", row.peer_build_seconds);
  json["rows"] = row.rows;
  json["site_rows"] = row.site_rows;
  json["program"] = row.program;
  return json;
}

BenchRow BenchRowFromJson(const nlohmann::json& json) {
  try {
    BenchRow row;
    row.name = ParseRowName(json.at("name").get<std::string>());
    row.peer = json.at("peer").get<std::string>();
    row.error = json.value("error", "");
    if (row.error.empty()) {
      row.ours_ms = json.at("ours_ms").get<double>();
      row.peer_ms = json.at("peer_ms").get<double>();
    }
    row.ours_cold_ms = Optional<double>(json, "ours_cold_ms");
    row.percent_of_scan = Optional<double>(json, "percent_of_scan");
    row.ours_scaled_from = Optional<std::uint64_t>(json, "ours_scaled_from");
    row.peer_scaled_from = Optional<std::uint64_t>(json, "peer_scaled_from");
    row.ours_recall = Optional<double>(json, "ours_recall");
    row.peer_recall = Optional<double>(json, "peer_recall");
    row.ours_setting = json.value("ours_setting", "");
    row.peer_setting = json.value("peer_setting", "");
    row.peer_build_seconds = Optional<double>(json, "peer_build_seconds");
    row.rows = json.at("rows").get<std::uint64_t>();
    row.site_rows = json.at("site_rows").get<std::uint64_t>();
    row.program = json.at("program").get<std::string>();
    return row;
  } catch (const nlohmann::json::exception& error) {
    Fail("not a row of a benchmark: {}", error.what());
  }
}

}  // namespace actkin
