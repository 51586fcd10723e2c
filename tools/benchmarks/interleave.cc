#include "tools/benchmarks/interleave.h"

#include <algorithm>
#include <chrono>
#include <thread>

namespace actkin {
namespace {

constexpr double kTurns = 5;                // of each side, where calls are short
constexpr std::size_t kFewestRounds = 3;    // where that takes at most four times as long as asked for
constexpr std::size_t kCallsOfATurn = 256;  // at most
// OpenMP's threads go on spinning for some milliseconds after their work: they must not run into the other side's turn.
constexpr double kPauseMs = 20;

// One turn: a first call, then warm ones for about so many milliseconds. Returns the milliseconds of the calls.
double Turn(double milliseconds, std::size_t& number, const std::function<void(std::size_t)>& call, CallTimes& times) {
  std::this_thread::sleep_for(std::chrono::duration<double, std::milli>(std::min(kPauseMs, milliseconds)));
  times.first.push_back(MillisecondsOf([&] { call(number++); }));
  double spent = times.first.back();
  for (std::size_t i = 1; i < kCallsOfATurn && spent < milliseconds; ++i) {
    times.warm.push_back(MillisecondsOf([&] { call(number++); }));
    spent += times.warm.back();
  }
  return spent;
}

}  // namespace

double Median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

double MillisecondsOf(const std::function<void()>& action) {
  const auto begin = std::chrono::steady_clock::now();
  action();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
}

double CallTimes::Median() const { return actkin::Median(warm.empty() ? first : warm); }

InterleavedTimes Interleave(double seconds, const std::function<void(std::size_t)>& ours,
                            const std::function<void(std::size_t)>& peer) {
  InterleavedTimes times;
  std::size_t ours_number = 0;
  std::size_t peer_number = 0;
  const double turn = seconds * 1000 / (2 * kTurns);
  double spent = 0;
  for (std::size_t round = 0; spent < seconds * 1000 * (round < kFewestRounds ? 4 : 1); ++round) {
    spent += Turn(turn, ours_number, ours, times.ours);
    spent += Turn(turn, peer_number, peer, times.peer);
  }
  return times;
}

}  // namespace actkin
