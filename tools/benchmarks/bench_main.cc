// Measures this project and its peers on the same vectors. tools/bench builds it and runs it.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <set>
#include <thread>

#include "indexer/model/blas_kernels.h"
#include "query/reader/index_reader.h"
#include "schema/error.h"
#include "storage/machine/file.h"
#include "tools/benchmarks/build_measurement.h"
#include "tools/benchmarks/kept_rows.h"
#include "tools/benchmarks/machine.h"
#include "tools/benchmarks/report.h"
#include "tools/benchmarks/site_measurement.h"
#include "tools/benchmarks/sql_measurement.h"
#include "tools/output/terminal.h"

namespace actkin {
namespace {

constexpr std::uint64_t kDefaultRows = 100000;

struct Flags {
  std::string directory;
  bool full = false;
  std::uint64_t rows = kDefaultRows;
  std::vector<std::string> sites;
  std::vector<std::string> peers;
  std::vector<std::string> kinds;
  double seconds = 0;
  std::uint64_t batch = 20000;
  int threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  std::string json;
  std::string kept;
  bool again = false;
  std::string extensions = "node_modules";
  std::string scratch = ".";
};

void AddFlags(CLI::App& app, Flags& flags) {
  app.add_option("DIRECTORY", flags.directory, "The index directory, NAME.actkin")->required();
  auto* const rows = app.add_option("--rows", flags.rows, "Search the first so many rows of each site; 0 for all")
                         ->capture_default_str();
  app.add_flag("--full", flags.full, "All rows of every site, instead of the first rows of three sites")
      ->excludes(rows);
  app.add_option("--sites", flags.sites, "STREAM/BLOCK, comma-separated, such as proj/0,ffwd/5,embedding/0")
      ->delimiter(',')
      ->allow_extra_args(false);
  app.add_option("--peers", flags.peers, "Comma-separated: " + fmt::format("{}", fmt::join(AllPeerNames(), ", ")))
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::IsMember(AllPeerNames()));
  app.add_option("--kinds", flags.kinds, "Comma-separated: " + fmt::format("{}", fmt::join(KindNames(), ", ")))
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::IsMember(KindNames()));
  app.add_option("--seconds", flags.seconds, "Time for each row, about (default: 2, with --full 5)")
      ->check(CLI::PositiveNumber);
  app.add_option("--batch", flags.batch, "Queries of the largest batch")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--threads", flags.threads, "Threads for both sides")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_option("--json", flags.json, "Write the results there");
  app.add_option("--kept", flags.kept, "Folder to keep the rows measured so far in, and to continue from");
  app.add_flag("--again", flags.again, "Measure rows again that are kept");
  app.add_option("--extensions", flags.extensions, "Folder with the npm packages of the SQLite extensions")
      ->capture_default_str();
  app.add_option("--scratch", flags.scratch, "Folder for files that go again")->capture_default_str();
  app.footer(
      "Examples:\n"
      "  tools/bench                                      makes a small index of its own: five minutes\n"
      "  tools/bench shakespeare.actkin --full --json results.json\n"
      "  tools/bench shakespeare.actkin --rows 0 --sites proj/0 --kinds exact,outside --peers faiss-flat,memory-scan");
}

Site ParseSite(const std::string& text, int t_i) {
  const std::size_t slash = text.find('/');
  Site site{ParseStream(std::string_view(text).substr(0, slash)), 0, t_i};
  const std::string block = slash == std::string::npos ? "0" : text.substr(slash + 1);
  if (block.empty() || block.size() > 6 || block.find_first_not_of("0123456789") != std::string::npos) {
    FailUsage("--sites {}: expected STREAM/BLOCK", text);
  }
  site.block = std::stoi(block);
  return site;
}

// The sites at the last t_i that has vectors: all, or those that were asked for.
PlanOptions OptionsOf(IndexReader& reader, const Flags& flags) {
  PlanOptions options;
  options.kinds = flags.kinds;
  options.peers = flags.peers;
  options.batch = flags.batch;
  int t_i = -1;
  const std::vector<SiteRow> all = reader.catalog().Sites();
  for (const SiteRow& row : all) {
    if (row.site.stream != Stream::kEmbedding) t_i = std::max(t_i, row.site.t_i);
  }
  if (t_i < 0) Fail("{}: has no proj or ffwd site to measure", reader.directory().path().string());
  std::vector<Site> built;
  for (const SiteRow& row : all) {
    if (row.site.t_i == t_i) built.push_back(row.site);
  }
  const auto of_stream = [&](Stream stream, bool last) -> std::optional<Site> {
    std::optional<Site> found;
    for (const Site& site : built) {
      if (site.stream == stream && (last || !found)) found = site;
    }
    return found;
  };
  // Vectors as they come into the residual: the first block's proj, and the last block's ffwd.
  const std::vector<std::optional<Site>> usual = {of_stream(Stream::kProj, false), of_stream(Stream::kFfwd, true),
                                                  of_stream(Stream::kEmbedding, false)};
  if (!flags.sites.empty()) {
    for (const std::string& text : flags.sites) {
      options.sites.push_back(ParseSite(text, t_i));
      if (std::ranges::count(built, options.sites.back()) == 0) {
        FailUsage("--sites {}: no site {}", text, Describe(options.sites.back()));
      }
    }
  } else if (flags.full) {
    options.sites = built;
  } else {
    for (const auto& site : usual) {
      if (site) options.sites.push_back(*site);
    }
  }
  options.long_sites = options.sites;
  if (flags.sites.empty()) {
    options.long_sites.clear();
    if (usual[0]) options.long_sites.push_back(*usual[0]);
    if (usual[1] && (flags.full || !usual[0])) options.long_sites.push_back(*usual[1]);
  }
  return options;
}

// Says on stderr what was measured, and how long the rest will take if it goes on like this.
class Progress {
 public:
  explicit Progress(std::size_t total) : total_(total), begin_(std::chrono::steady_clock::now()) {}

  void Done(const Task& task, const std::string& outcome) {
    ++done_;
    const double spent = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
    fmt::print(stderr, "[{}/{}, {} left] {} {}: {}\n", done_, total_,
               HumanSeconds(spent / static_cast<double>(done_) * static_cast<double>(total_ - done_)), Text(task.name),
               task.peer, outcome);
  }

 private:
  std::size_t total_;
  std::size_t done_ = 0;
  std::chrono::steady_clock::time_point begin_;
};

class Bench {
 public:
  // t_i: of all sites.
  Bench(const Flags& flags, IndexReader& reader, int t_i, KeptRows& kept)
      : flags_(flags), reader_(reader), t_i_(t_i), kept_(kept), program_(ProgramChecksum()) {}

  void Run(const std::vector<Task>& plan) {
    std::vector<Task> tasks;
    for (const Task& task : plan) {
      if (flags_.again || !kept_.Has(task.name, task.peer)) tasks.push_back(task);
    }
    if (tasks.size() < plan.size()) {
      fmt::print(stderr, "{} of {} rows are kept in {}; --again measures them again\n", plan.size() - tasks.size(),
                 plan.size(), kept_.path().string());
    }
    Progress progress(tasks.size());
    for (const Task& task : tasks) {
      BenchRow row;
      try {
        row = Measure(task);
      } catch (const std::exception& error) {
        skipped_.push_back({task.peer, Text(task.name), error.what()});
        progress.Done(task, fmt::format("skipped: {}", error.what()));
        continue;
      }
      row.program = program_;
      progress.Done(task, row.error.empty() ? fmt::format("{:.3f} ms, the peer {:.3f} ms, {:.2f}x", row.ours_ms,
                                                          row.peer_ms, row.ratio())
                                            : "ERROR: " + row.error);
      kept_.Put(std::move(row));
    }
  }

  // Of the plan, in its order.
  std::vector<BenchRow> Rows(const std::vector<Task>& plan) const {
    std::vector<BenchRow> rows;
    for (const Task& task : plan) {
      for (const BenchRow& row : kept_.rows()) {
        if (row.name == task.name && row.peer == task.peer) rows.push_back(row);
      }
    }
    return rows;
  }
  const std::vector<SkippedPeer>& skipped() const { return skipped_; }
  const std::string& program() const { return program_; }

 private:
  BenchRow Measure(const Task& task) {
    const Site site{task.name.stream, task.name.block, t_i_};
    if (task.name.kind == "build") {
      measurement_.reset();
      workload_.reset();
      return MeasureBuild(reader_, site.t_i, task, flags_.threads, Seconds());
    }
    const std::uint64_t limit = RowLimit(site, task.peer);
    if (!workload_ || workload_->site() != site || workload_->row_limit() != limit) {
      measurement_.reset();
      workload_.reset();
      workload_ = std::make_unique<SiteWorkload>(reader_, site, limit, flags_.threads);
      measurement_ = std::make_unique<SiteMeasurement>(
          *workload_, MeasureOptions{Seconds(), flags_.scratch, flags_.extensions,
                                     [](const std::string& line) { fmt::print(stderr, "{}\n", line); }});
    }
    if (task.name.kind == "sql") return MeasureSql(*workload_, task, Seconds());
    return measurement_->Measure(task);
  }

  // 0: all rows.
  std::uint64_t RowLimit(const Site& site, const std::string& peer) const {
    const std::uint64_t limit = flags_.full ? 0 : flags_.rows;
    if (std::ranges::count(PeerNames(), peer) == 0) return limit;
    const std::uint64_t largest_bytes = FindPeer(peer).largest_bytes;
    if (largest_bytes == 0) return limit;
    const auto index = reader_.OpenIndex(site);
    const std::uint64_t largest = largest_bytes / (index->dimension() * sizeof(float));
    if ((limit == 0 ? index->row_count() : limit) <= largest) return limit;
    return largest;
  }

  double Seconds() const { return flags_.seconds > 0 ? flags_.seconds : flags_.full ? 5 : 2; }

  const Flags& flags_;
  IndexReader& reader_;
  int t_i_;
  KeptRows& kept_;
  std::string program_;
  std::vector<SkippedPeer> skipped_;
  std::unique_ptr<SiteWorkload> workload_;
  std::unique_ptr<SiteMeasurement> measurement_;
};

// What the peers of the rows are.
std::string Legend(const std::vector<BenchRow>& rows) {
  std::string text;
  for (const std::string& peer : AllPeerNames()) {
    if (std::ranges::count(rows, peer, &BenchRow::peer) == 0) continue;
    try {
      text += fmt::format("{}: {}\n", peer, DescribePeer(peer));
    } catch (const Error&) {
      // Its rows are kept from when it was there.
    }
  }
  return text;
}

int Run(const Flags& flags) {
  IndexReader reader{IndexDirectory(flags.directory)};
  const PlanOptions options = OptionsOf(reader, flags);
  const std::vector<Task> plan = MakePlan(options);
  if (plan.empty()) FailUsage("--kinds and --peers leave nothing to measure");
  nlohmann::ordered_json machine = DescribeMachine();
  machine["threads"] = flags.threads;
  const CorpusRow& corpus = reader.corpus();
  const std::optional<ModelRow> model = reader.catalog().Model();
  KeptRows kept(flags.kept, {{"processor", machine["processor"]},
                             {"corpus", corpus.sha256},
                             {"model", model ? model->sha256 : ""},
                             {"t_i", options.sites.front().t_i},
                             {"rows", flags.full ? 0 : flags.rows},
                             {"threads", flags.threads}});
  Bench bench(flags, reader, options.sites.front().t_i, kept);
  bench.Run(plan);

  const std::vector<BenchRow> rows = bench.Rows(plan);
  const bool color = StdoutColor();
  if (!rows.empty()) fmt::print("{}\n{}\n{}", RowTable(rows, color), Legend(rows), ReachTable(rows, color));
  std::set<std::string> said;
  for (const SkippedPeer& skipped : bench.skipped()) {
    if (said.insert(skipped.peer + skipped.reason).second) {
      fmt::print("\nskipped {} at {}: {}\n", skipped.peer, skipped.where, skipped.reason);
    }
  }
  const auto others = std::ranges::count_if(rows, [&](const BenchRow& row) { return row.program != bench.program(); });
  if (others > 0) {
    fmt::print("\n{} of these rows were measured by another build of this program: --again measures them again\n",
               others);
  }
  if (!flags.json.empty()) WriteGivenFile(flags.json, ReportJson(machine, rows, bench.skipped()).dump(1) + "\n");
  const auto errors = std::ranges::count_if(rows, [](const BenchRow& row) { return !row.error.empty(); });
  if (errors > 0) Fail("{} rows show answers that differ", errors);
  return 0;
}

int Main(int argc, char** argv) {
  CLI::App app("Measures actkin and its peers on the same vectors", "tools/bench");
  app.get_formatter()->column_width(34);
  Flags flags;
  AddFlags(app, flags);
  try {
    app.parse(argc, argv);
    return Run(flags);
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    fmt::print(stderr, "tools/bench: {} (see 'tools/bench --help')\n", error.what());
    return 2;
  } catch (const Error& error) {
    fmt::print(stderr, "tools/bench: {}\n", error.what());
    return error.kind() == Error::Kind::kUsage ? 2 : 1;
  } catch (const std::exception& error) {
    fmt::print(stderr, "tools/bench: {}\n", error.what());
    return 1;
  }
}

}  // namespace
}  // namespace actkin

int main(int argc, char** argv) {
  actkin::ChooseBlasKernelsAndRestart(argv);
  return actkin::Main(argc, argv);
}
