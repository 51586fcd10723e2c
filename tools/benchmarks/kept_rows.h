#ifndef ACTKIN_TOOLS_BENCHMARKS_KEPT_ROWS_H_
#define ACTKIN_TOOLS_BENCHMARKS_KEPT_ROWS_H_

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tools/benchmarks/bench_row.h"

namespace actkin {

// The rows measured so far, in a file that is rewritten after each: a run that was stopped continues.
class KeptRows {
 public:
  // subject: what is measured (the index, how many rows, how many threads, the machine). Each subject has a file of its
  // own in the folder, measured-CHECKSUM.json. An empty folder keeps nothing. Throws Error naming the file when it is
  // not one that this class wrote.
  KeptRows(const std::filesystem::path& folder, nlohmann::ordered_json subject);

  // Empty when nothing is kept.
  const std::filesystem::path& path() const { return path_; }
  const std::vector<BenchRow>& rows() const { return rows_; }

  // Rows that failed are measured again.
  bool Has(const RowName& name, const std::string& peer) const;
  // Replaces the row of the same name and peer, and writes the file.
  void Put(BenchRow row);

 private:
  std::filesystem::path path_;
  nlohmann::ordered_json subject_;
  std::vector<BenchRow> rows_;
};

}  // namespace actkin

#endif  // ACTKIN_TOOLS_BENCHMARKS_KEPT_ROWS_H_
