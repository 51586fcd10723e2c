#include "query/exact/rows_left.h"

#include <algorithm>

namespace actkin {

void RowsLeft::KeepBest(std::size_t count) {
  if (size() <= count) return;
  std::vector<float> keys(keys_.begin(), keys_.begin() + static_cast<std::ptrdiff_t>(size_));
  std::ranges::nth_element(keys, keys.begin() + static_cast<std::ptrdiff_t>(count - 1));
  const float worst = keys[count - 1];
  size_ = KeepNotAbove(numbers(), size_, worst);
  if (size_ <= count) return;
  std::size_t equal =
      count - static_cast<std::size_t>(std::count_if(keys_.begin(), keys_.begin() + static_cast<std::ptrdiff_t>(size_),
                                                     [worst](float key) { return key < worst; }));
  std::size_t kept = 0;
  for (std::size_t i = 0; i < size_; ++i) {
    if (!(keys_[i] < worst) && equal-- == 0) {
      equal = 0;
      continue;
    }
    places_[kept] = places_[i];
    along_[kept] = along_[i];
    keys_[kept] = keys_[i];
    lengths_[kept++] = lengths_[i];
  }
  size_ = kept;
}

}  // namespace actkin
