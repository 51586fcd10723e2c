#ifndef ACTKIN_TOOLS_BENCHMARKS_INTERLEAVE_H_
#define ACTKIN_TOOLS_BENCHMARKS_INTERLEAVE_H_

#include <cstddef>
#include <functional>
#include <vector>

namespace actkin {

// Milliseconds of calls, by what they met.
struct CallTimes {
  std::vector<double> warm;   // the same side had been called just before
  std::vector<double> first;  // the other side had

  // The median of the warm calls; of the first ones where a call takes so long that there are no others. REQUIRES:
  // there are calls.
  double Median() const;
};

struct InterleavedTimes {
  CallTimes ours;
  CallTimes peer;
};

double Median(std::vector<double> values);
double MillisecondsOf(const std::function<void()>& action);

// Calls the two in turns, several calls of each at a time, for about so many seconds: what else the machine does meets
// both, and a side that keeps something in the caches finds it there but for its first call. The number of the call is
// passed on, from 0, for each side.
InterleavedTimes Interleave(double seconds, const std::function<void(std::size_t)>& ours,
                            const std::function<void(std::size_t)>& peer);

}  // namespace actkin

#endif  // ACTKIN_TOOLS_BENCHMARKS_INTERLEAVE_H_
