#ifndef ACTKIN_SCHEMA_PROGRESS_H_
#define ACTKIN_SCHEMA_PROGRESS_H_

#include <cstdint>
#include <string>

namespace actkin {

// Hears how long work goes on. Called from one thread at a time.
class ProgressListener {
 public:
  virtual ~ProgressListener() = default;

  // A step of the work begins, such as "strings"; total in `unit`s, 0 where it is not known.
  virtual void Begin(const std::string& step, std::uint64_t total, const std::string& unit) = 0;
  // `already`: of `done`, what an earlier run had done, which says nothing about this one's speed.
  virtual void Advance(std::uint64_t done, std::uint64_t already) = 0;
  // What the work at hand has come to, such as a loss: shown beside how far it is.
  virtual void Detail(const std::string& /*text*/) {}
  virtual void End() = 0;
  // One line that a user should see, whether or not there is a progress bar.
  virtual void Note(const std::string& line) = 0;
};

}  // namespace actkin

#endif  // ACTKIN_SCHEMA_PROGRESS_H_
