#include <memory>
#include <nlohmann/json.hpp>

#include "schema/error.h"
#include "schema/text.h"
#include "storage/directory/verify.h"
#include "tools/command/commands.h"
#include "tools/output/json_output.h"
#include "tools/output/terminal.h"

namespace actkin {
namespace {

std::string_view Name(Finding::Kind kind) {
  switch (kind) {
    case Finding::Kind::kSound:
      return "sound";
    case Finding::Kind::kDamaged:
      return "damaged";
    case Finding::Kind::kLeftover:
      return "leftover";
    case Finding::Kind::kAdded:
      return "added";
  }
  return "";
}

}  // namespace

void AddVerifyCommand(CLI::App& app) {
  struct Flags {
    std::string directory;
    bool json = false;
    int threads = 1;
  };
  CLI::App* command = app.add_subcommand("verify", "Checks every checksum and every invariant of an index directory");
  auto flags = std::make_shared<Flags>();
  command->add_option("DIRECTORY", flags->directory, "The index directory, NAME.actkin")->required();
  command->add_flag("--json", flags->json, "Print JSON");
  AddThreadsOption(*command, flags->threads);
  command->footer("Exits with 1 when anything is damaged.\nExample:\n  actkin verify gpl.actkin");
  command->callback([flags] {
    std::uint64_t sound = 0;
    std::uint64_t damaged = 0;
    bool catalog_damaged = false;
    nlohmann::ordered_json findings = nlohmann::ordered_json::array();
    ProgressBar progress;
    const auto report = [&](const Finding& finding) {
      sound += finding.kind == Finding::Kind::kSound ? 1 : 0;
      damaged += finding.kind == Finding::Kind::kDamaged ? 1 : 0;
      catalog_damaged |= finding.kind == Finding::Kind::kDamaged && finding.what.starts_with("catalog.db");
      findings.push_back({{"what", finding.what}, {"state", Name(finding.kind)}, {"line", finding.line}});
      if (flags->json || finding.kind == Finding::Kind::kSound) return;
      progress.End();
      Print(fmt::format("{}  {}: {}\n", Name(finding.kind), Printable(finding.what), Printable(finding.line)));
    };
    Verify(GivenDirectory(flags->directory), VerifyDepth::kEveryByte, report, progress);
    if (flags->json) {
      PrintJson({{"sound", sound}, {"damaged", damaged}, {"findings", std::move(findings)}});
    } else {
      Print(fmt::format("{}: {} checks passed, {} failed\n", Printable(flags->directory), sound, damaged));
    }
    if (damaged == 0) return;
    if (!flags->json) {
      Print(catalog_damaged ? "restore the catalog from a copy, or build again under a new name: nothing repairs it\n"
                            : fmt::format("'actkin build CORPUS --out {} --repair' makes damaged files again, and "
                                          "nothing else\n",
                                          Printable(flags->directory)));
    }
    throw ExitStatus(1);
  });
}

}  // namespace actkin
