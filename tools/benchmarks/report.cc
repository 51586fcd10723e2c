#include "tools/benchmarks/report.h"

#include <algorithm>
#include <functional>

#include "schema/error.h"
#include "tools/benchmarks/plan.h"
#include "tools/output/table.h"
#include "tools/output/terminal.h"

namespace actkin {
namespace {

std::string Milliseconds(double ms, const std::optional<std::uint64_t>& scaled_from) {
  std::string text = ms < 0.1  ? fmt::format("{:.4f}", ms)
                     : ms < 10 ? fmt::format("{:.3f}", ms)
                               : fmt::format("{:.1f}", ms);
  if (scaled_from) text += fmt::format(" (of {})", *scaled_from);
  return text;
}

std::string Ratio(double ratio) { return ratio < 10 ? fmt::format("{:.2f}x", ratio) : fmt::format("{:.0f}x", ratio); }

std::string Remarks(const BenchRow& row) {
  std::string text = row.ours_setting;
  if (row.ours_recall) text += fmt::format(" (recall {:.3f})", *row.ours_recall);
  if (!row.peer_setting.empty()) text += fmt::format("{}{}", text.empty() ? "" : ", the peer's ", row.peer_setting);
  if (row.peer_recall) text += fmt::format(" (recall {:.3f})", *row.peer_recall);
  if (row.rows < row.site_rows) text += fmt::format("{}first {} rows", text.empty() ? "" : ", ", Grouped(row.rows));
  return text;
}

// Over the rows of a kind: the one with the largest or smallest figure.
struct Reach {
  std::string what;
  std::string required;
  std::function<bool(const BenchRow&)> shows;
  std::function<double(const BenchRow&)> figure;
  double limit;
  bool at_least;  // else at most
  std::function<std::string(double)> text;
};

bool Is(const BenchRow& row, const char* kind, std::uint64_t k, std::uint64_t queries, const char* peer) {
  return row.name.kind == kind && row.name.k == k && row.name.queries == queries && row.peer == peer &&
         row.error.empty();
}

bool Embedding(const BenchRow& row) { return row.name.stream == Stream::kEmbedding; }

double RatioOf(const BenchRow& row) { return row.ratio(); }
double PercentOfPeer(const BenchRow& row) { return 100 / row.ratio(); }
double OursOf(const BenchRow& row) { return row.ours_ms; }

std::string TimesText(double value) { return Ratio(value); }
std::string PercentText(double value) { return fmt::format("{:.1f} %", value); }
std::string MillisecondsText(double value) { return Milliseconds(value, std::nullopt) + " ms"; }

const std::vector<Reach>& Reaches() {
  static const std::vector<Reach> reaches = {
      {"exact, k 10, one query, prompts of the corpus", "at least 150x faiss-flat",
       [](const BenchRow& row) { return Is(row, "exact", 10, 1, "faiss-flat"); }, RatioOf, 150, true, TimesText},
      {"the same", "at most 5 % of reading all floats",
       [](const BenchRow& row) { return Is(row, "exact", 10, 1, kMemoryScan) && !Embedding(row); }, PercentOfPeer, 5,
       false, PercentText},
      {"exact, k 10, prompts outside the corpus", "at most 10 % of it",
       [](const BenchRow& row) { return Is(row, "outside", 10, 1, kMemoryScan) && !Embedding(row); }, PercentOfPeer, 10,
       false, PercentText},
      {"exact, k 1000", "at most 25 % of it",
       [](const BenchRow& row) { return Is(row, "exact", 1000, 1, kMemoryScan) && !Embedding(row); }, PercentOfPeer, 25,
       false, PercentText},
      {"exact, 20,000 queries", "at least 10x faiss-flat",
       [](const BenchRow& row) { return Is(row, "batch", 10, 20000, "faiss-flat"); }, RatioOf, 10, true, TimesText},
      {"embeddings, exact, k 10", "under 5 ms",
       [](const BenchRow& row) { return row.name.kind == "exact" && row.name.k == 10 && Embedding(row); }, OursOf, 5,
       false, MillisecondsText},
      {"approximate at recall@10 0.99", "at least as fast as hnswlib",
       [](const BenchRow& row) { return Is(row, "approximate", 10, 1, "hnswlib"); }, RatioOf, 1, true, TimesText},
      {"in SQL", "within 10 % of the library", [](const BenchRow& row) { return Is(row, "sql", 10, 1, kLibrary); },
       [](const BenchRow& row) { return 100 / row.ratio() - 100; }, 10, false, PercentText},
      {"build, all blocks", "at least 60 % of sgemm",
       [](const BenchRow& row) { return Is(row, "build", 0, 0, kMatrixProduct); },
       [](const BenchRow& row) { return 100 * row.ratio(); }, 60, true, PercentText},
      {"open and answer once, whole process", "under 50 ms",
       [](const BenchRow& row) { return row.name.kind.starts_with("process"); }, OursOf, 50, false, MillisecondsText},
  };
  return reaches;
}

}  // namespace

std::string RowTable(std::vector<BenchRow> rows, bool color) {
  const std::vector<std::string>& kinds = KindNames();
  const std::vector<std::string> peers = AllPeerNames();
  std::ranges::stable_sort(rows, {}, [&](const BenchRow& row) {
    return std::tuple(std::ranges::find(kinds, row.name.kind) - kinds.begin(), row.name.k, row.name.queries,
                      std::ranges::find(peers, row.peer) - peers.begin(), row.name);
  });
  Table table({{"name"},
               {"peer"},
               {"ours ms", Table::Align::kRight},
               {"peer ms", Table::Align::kRight},
               {"ratio", Table::Align::kRight},
               {"% of scan", Table::Align::kRight},
               {"remarks"}});
  for (const BenchRow& row : rows) {
    if (!row.error.empty()) {
      table.Add({Text(row.name), row.peer, "-", "-", "-", "-", "ERROR: " + row.error});
      continue;
    }
    table.Add({Text(row.name), row.peer, Milliseconds(row.ours_ms, row.ours_scaled_from),
               Milliseconds(row.peer_ms, row.peer_scaled_from), Ratio(row.ratio()),
               row.percent_of_scan ? fmt::format("{:.1f}", *row.percent_of_scan) : "", Remarks(row)});
  }
  return table.Text(color);
}

std::string ReachTable(const std::vector<BenchRow>& rows, bool color) {
  Table table({{"what"},
               {"to reach, with --full"},
               {"best", Table::Align::kRight},
               {"worst", Table::Align::kRight},
               {"worst at"},
               {"reached"}});
  bool any = false;
  for (const Reach& reach : Reaches()) {
    std::vector<const BenchRow*> shown;
    for (const BenchRow& row : rows) {
      if (reach.shows(row)) shown.push_back(&row);
    }
    if (shown.empty()) continue;
    any = true;
    const auto [least, most] =
        std::ranges::minmax_element(shown, {}, [&](const BenchRow* row) { return reach.figure(*row); });
    const BenchRow& worst = reach.at_least ? **least : **most;
    const BenchRow& best = reach.at_least ? **most : **least;
    const double figure = reach.figure(worst);
    const bool reached = reach.at_least ? figure >= reach.limit : figure <= reach.limit;
    table.Add({reach.what, reach.required, reach.text(reach.figure(best)), reach.text(figure), Text(worst.name),
               reached ? "yes" : "no"});
  }
  return any ? table.Text(color) : "";
}

nlohmann::ordered_json ReportJson(const nlohmann::ordered_json& machine, const std::vector<BenchRow>& rows,
                                  const std::vector<SkippedPeer>& skipped) {
  nlohmann::ordered_json json = {{"machine", machine}, {"rows", nlohmann::ordered_json::array()}};
  for (const BenchRow& row : rows) json["rows"].push_back(ToJson(row));
  json["skipped"] = nlohmann::ordered_json::array();
  for (const SkippedPeer& peer : skipped) {
    json["skipped"].push_back({{"peer", peer.peer}, {"name", peer.where}, {"reason", peer.reason}});
  }
  return json;
}

}  // namespace actkin
