// The study's ways of access: vectors in memory or in files, LibTorch's norm and topk.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fcntl.h>
#include <unistd.h>

#include <stdexcept>
#include <vector>

#include "tools/benchmarks/peers/peer.h"

namespace actkin {
namespace {

constexpr std::int64_t kBatchRows = 10000;

// A matrix where it lies.
at::Tensor View(const float* values, std::int64_t rows, std::int64_t dimension) {
  return at::from_blob(const_cast<float*>(values), {rows, dimension}, at::kFloat);
}

void CopyOut(const at::Tensor& values, const at::Tensor& indices, std::size_t query, std::size_t k, float* distances,
             std::int64_t* rows) {
  for (std::size_t i = 0; i < k; ++i) {
    distances[query * k + i] = values[static_cast<std::int64_t>(i)].item<float>();
    rows[query * k + i] = indices[static_cast<std::int64_t>(i)].item<std::int64_t>();
  }
}

class TorchMemory : public Peer {
 public:
  explicit TorchMemory(const PeerRows& rows)
      : threads_(rows.threads),
        rows_(View(rows.values, static_cast<std::int64_t>(rows.count), static_cast<std::int64_t>(rows.dimension))) {}

  void Search(const float* queries, std::size_t count, std::size_t k, float* distances, std::int64_t* rows) override {
    at::set_num_threads(threads_);
    const at::Tensor all = View(queries, static_cast<std::int64_t>(count), rows_.size(1));
    for (std::size_t query = 0; query < count; ++query) {
      const at::Tensor norms = (rows_ - all[static_cast<std::int64_t>(query)]).norm(2, 1);
      const auto [values, indices] = norms.topk(static_cast<std::int64_t>(k), 0, /*largest=*/false);
      CopyOut(values, indices, query, k, distances, rows);
    }
  }

 private:
  int threads_;
  at::Tensor rows_;
};

// One file of raw rows, read in batches; after each, every query's nearest so far and the batch's nearest are merged.
class FileBatches : public Peer {
 public:
  explicit FileBatches(const PeerRows& rows)
      : threads_(rows.threads),
        count_(static_cast<std::int64_t>(rows.count)),
        dimension_(static_cast<std::int64_t>(rows.dimension)),
        buffer_(at::empty({kBatchRows, dimension_})) {
    std::string path = rows.scratch + "/rows.XXXXXX";
    descriptor_ = ::mkstemp(path.data());
    if (descriptor_ < 0) throw std::runtime_error("cannot make a file in " + rows.scratch);
    ::unlink(path.c_str());
    const auto* bytes = reinterpret_cast<const char*>(rows.values);
    const std::size_t total = rows.count * rows.dimension * sizeof(float);
    for (std::size_t done = 0; done < total;) {
      const ssize_t written = ::write(descriptor_, bytes + done, total - done);
      if (written <= 0) {
        ::close(descriptor_);
        throw std::runtime_error("cannot write " + std::to_string(total) + " bytes in " + rows.scratch);
      }
      done += static_cast<std::size_t>(written);
    }
  }
  ~FileBatches() override { ::close(descriptor_); }

  void Search(const float* queries, std::size_t count, std::size_t k, float* distances, std::int64_t* rows) override {
    at::set_num_threads(threads_);
    const at::Tensor all = View(queries, static_cast<std::int64_t>(count), dimension_);
    std::vector<at::Tensor> nearest(count);
    std::vector<at::Tensor> nearest_rows(count);
    for (std::int64_t first = 0; first < count_; first += kBatchRows) {
      const std::int64_t batch_rows = std::min(kBatchRows, count_ - first);
      Read(first, batch_rows);
      const at::Tensor batch = buffer_.narrow(0, 0, batch_rows);
      for (std::size_t query = 0; query < count; ++query) {
        const at::Tensor norms = (batch - all[static_cast<std::int64_t>(query)]).norm(2, 1);
        auto [values, indices] = norms.topk(std::min(static_cast<std::int64_t>(k), batch_rows), 0, /*largest=*/false);
        indices = indices + first;
        if (first > 0) {
          values = at::cat({nearest[query], values});
          indices = at::cat({nearest_rows[query], indices});
          const auto [kept, places] = values.topk(std::min(static_cast<std::int64_t>(k), values.size(0)), 0, false);
          values = kept;
          indices = indices.index_select(0, places);
        }
        nearest[query] = values;
        nearest_rows[query] = indices;
      }
    }
    for (std::size_t query = 0; query < count; ++query) {
      CopyOut(nearest[query], nearest_rows[query], query, k, distances, rows);
    }
  }

 private:
  void Read(std::int64_t first, std::int64_t rows) {
    auto* bytes = static_cast<char*>(buffer_.data_ptr());
    const std::int64_t row_bytes = dimension_ * static_cast<std::int64_t>(sizeof(float));
    for (std::int64_t done = 0; done < rows * row_bytes;) {
      const ssize_t read = ::pread(descriptor_, bytes + done, static_cast<std::size_t>(rows * row_bytes - done),
                                   first * row_bytes + done);
      if (read <= 0) throw std::runtime_error("cannot read the rows back");
      done += read;
    }
  }

  int threads_;
  std::int64_t count_;
  std::int64_t dimension_;
  at::Tensor buffer_;
  int descriptor_ = -1;
};

template <typename Kind>
std::unique_ptr<Peer> Load(const PeerRows& rows) {
  return std::make_unique<Kind>(rows);
}

constexpr PeerKind kKinds[] = {
    {"torch-memory", "the study: all rows in memory, LibTorch norm and topk; all threads", PeerTakes::kVectors, true,
     1e-8, 0, Load<TorchMemory>},
    {"file-batches", "the study: rows read from a file by batches of 10,000 (in the page cache), norm, topk, merged",
     PeerTakes::kVectors, true, 1e-8, 0, Load<FileBatches>},
};
constexpr PeerModule kModule = {kKinds, std::size(kKinds)};

}  // namespace
}  // namespace actkin

extern "C" __attribute__((visibility("default"))) const actkin::PeerModule* actkin_bench_peers() {
  return &actkin::kModule;
}
