#ifndef ACTKIN_INDEXER_TORCH_ROW_BUFFER_H_
#define ACTKIN_INDEXER_TORCH_ROW_BUFFER_H_

#include <ATen/ATen.h>

#include <cstdint>

namespace actkin {

// Rows of a float32 matrix that keeps its memory: it grows and never shrinks. What it held is lost when it grows.
class RowBuffer {
 public:
  explicit RowBuffer(std::int64_t columns) : columns_(columns) {}

  void Reserve(std::int64_t rows) {
    if (!rows_.defined() || rows_.size(0) < rows) {
      rows_ = at::Tensor();  // first, so that old and new are not held together
      rows_ = at::empty({rows, columns_}, at::kFloat);
    }
  }
  float* Row(std::int64_t row) const { return rows_.data_ptr<float>() + row * columns_; }
  at::Tensor Rows(std::int64_t begin, std::int64_t count) const { return rows_.narrow(0, begin, count); }

 private:
  std::int64_t columns_;
  at::Tensor rows_;
};

}  // namespace actkin

#endif  // ACTKIN_INDEXER_TORCH_ROW_BUFFER_H_
