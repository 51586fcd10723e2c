#ifndef ACTKIN_QUERY_EXACT_ROWS_LEFT_H_
#define ACTKIN_QUERY_EXACT_ROWS_LEFT_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "query/kernels/sketch_kernels.h"

namespace actkin {

// Rows of a sketch, by their places, that no level has left out so far, as the kernels take them. One thread at a time.
class RowsLeft {
 public:
  // with_lengths: whether keys are found from the rows' lengths.
  void Begin(bool with_lengths) {
    with_lengths_ = with_lengths;
    size_ = 0;
  }
  std::size_t size() const { return size_; }
  void resize(std::size_t count) { size_ = count; }
  std::span<const std::uint32_t> places() const { return std::span(places_).first(size_); }
  float* along() { return along_.data(); }
  float* keys() { return keys_.data(); }
  float* lengths() { return with_lengths_ ? lengths_.data() : nullptr; }
  RowNumbers numbers(std::size_t from = 0) {
    return {places_.data() + from, along() + from, keys() + from, with_lengths_ ? lengths() + from : nullptr};
  }
  // Makes room for so many more.
  void Reserve(std::size_t more) {
    const std::size_t needed = size_ + more + kKeepRoom;
    if (needed <= places_.size()) return;
    const std::size_t room = std::max(needed, 2 * places_.size());
    places_.resize(room);
    along_.resize(room);
    keys_.resize(room);
    lengths_.resize(room);
  }
  // REQUIRES: there is room.
  void Add(std::uint32_t place, float length) {
    places_[size_] = place;
    along_[size_] = 0;
    keys_[size_] = 0;
    if (with_lengths_) lengths_[size_] = length;
    ++size_;
  }
  // Those with the smallest keys; of equal ones the first.
  void KeepBest(std::size_t count);

 private:
  std::size_t size_ = 0;
  bool with_lengths_ = false;
  std::vector<std::uint32_t> places_;
  std::vector<float> along_;  // what the axes of the levels so far bound
  std::vector<float> keys_;
  std::vector<float> lengths_;
};

}  // namespace actkin

#endif  // ACTKIN_QUERY_EXACT_ROWS_LEFT_H_
