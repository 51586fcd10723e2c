#ifndef ACTKIN_INDEXER_FORWARD_ROW_BUFFER_H_
#define ACTKIN_INDEXER_FORWARD_ROW_BUFFER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

namespace actkin {

// Rows of a float32 matrix that keeps its memory: it grows and never shrinks. What it held is lost when it grows.
class RowBuffer {
 public:
  explicit RowBuffer(std::int64_t columns) : columns_(columns) {}

  void Reserve(std::int64_t rows) {
    if (rows <= row_count_) return;
    rows_.reset();  // first, so that old and new are not held together
    row_count_ = 0;
    const std::size_t bytes = static_cast<std::size_t>(rows * columns_) * sizeof(float);
    rows_.reset(static_cast<float*>(::operator new(bytes, kAlignment)));
    row_count_ = rows;
  }
  std::int64_t columns() const { return columns_; }
  float* Row(std::int64_t row) const { return rows_.get() + row * columns_; }

 private:
  // A cache line, and the widest vector.
  static constexpr std::align_val_t kAlignment{64};
  struct Free {
    void operator()(float* rows) const { ::operator delete(rows, kAlignment); }
  };

  std::int64_t columns_;
  std::int64_t row_count_ = 0;
  std::unique_ptr<float[], Free> rows_;
};

}  // namespace actkin

#endif  // ACTKIN_INDEXER_FORWARD_ROW_BUFFER_H_
