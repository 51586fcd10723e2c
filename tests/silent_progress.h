#ifndef ACTKIN_TESTS_SILENT_PROGRESS_H_
#define ACTKIN_TESTS_SILENT_PROGRESS_H_

#include <cstdint>
#include <string>

#include "schema/progress.h"

namespace actkin {

// Hears of work and says nothing.
class SilentProgress : public ProgressListener {
 public:
  void Begin(const std::string&, std::uint64_t, const std::string&) override {}
  void Advance(std::uint64_t, std::uint64_t) override {}
  void End() override {}
  void Note(const std::string&) override {}
};

}  // namespace actkin

#endif  // ACTKIN_TESTS_SILENT_PROGRESS_H_
