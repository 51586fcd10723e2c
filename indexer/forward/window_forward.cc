#include "indexer/forward/window_forward.h"

#include <cblas.h>
// A C header reached through this one may define it.
#undef I

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>
#include <vector>

#include "indexer/forward/block_pass.h"
#include "schema/error.h"

namespace actkin {
namespace {

// Queries whose scores are one matrix product. More would compute more scores that no query may look at, fewer would
// make products too small to run well.
constexpr std::int64_t kQueries = 64;

int BlasSize(std::int64_t size) { return static_cast<int>(size); }

// The tokens of a batch lie window after window: rows attend to those before them in their window.
class WindowLayout : public RowLayout {
 public:
  void LayOut(std::span<const std::uint32_t> lengths) {
    begins_.assign(1, 0);
    for (const std::uint32_t length : lengths) begins_.push_back(begins_.back() + length);
    longest_ = lengths.empty() ? 0 : *std::ranges::max_element(lengths);
    // Room for whole vectors behind a row.
    score_stride_ = (static_cast<std::int64_t>(longest_) + 15) / 16 * 16;
    scores_.resize(Size(kQueries * score_stride_));
  }

  std::int64_t rows() const { return begins_.back(); }
  std::size_t longest() const { return longest_; }

  void ForPositions(const Tile& tile, const std::function<void(std::size_t, const Tile&)>& run) const override {
    ForWindows(tile, [&](std::int64_t window, const Tile& rows) {
      for (std::int64_t row = rows.begin; row < rows.end; ++row) run(Size(row - window), {row, row + 1});
    });
  }

  void Attend(const float* qkv, const AttentionShape& attention, const Tile& tile, float* out) override {
    ForWindows(tile, [&](std::int64_t window, const Tile& rows) {
      for (Tile queries{rows.begin, 0}; queries.begin < rows.end; queries.begin = queries.end) {
        queries.end = std::min(queries.begin + kQueries, rows.end);
        float* to = out + Size(queries.begin - tile.begin) * attention.width();
        for (std::size_t head = 0; head < attention.heads; ++head) {
          AttendHead(qkv, attention, head, window, queries, to + head * attention.head_size);
        }
      }
    });
  }

 private:
  // run(the window's first row, rows of the tile in it)
  template <typename Action>
  void ForWindows(const Tile& tile, const Action& run) const {
    auto above = std::ranges::upper_bound(begins_, tile.begin);
    for (std::int64_t row = tile.begin; row < tile.end; ++above) {
      const Tile rows{row, std::min(tile.end, *above)};
      run(*(above - 1), rows);
      row = rows.end;
    }
  }

  // Scores of all keys up to the last query at once; those behind a query get no weight.
  void AttendHead(const float* qkv, const AttentionShape& attention, std::size_t head, std::int64_t window,
                  const Tile& queries, float* out) {
    const std::int64_t before = queries.begin - window;
    const int rows = BlasSize(queries.count());
    const int keys = BlasSize(queries.end - window);
    const int head_size = BlasSize(static_cast<std::int64_t>(attention.head_size));
    const int stride = BlasSize(static_cast<std::int64_t>(attention.stride()));
    const std::size_t shared = head * attention.key_value_heads / attention.heads;
    const float* query = qkv + Size(queries.begin) * attention.stride() + head * attention.head_size;
    const float* key = qkv + Size(window) * attention.stride() + attention.width() + shared * attention.head_size;
    const float scale = 1.0F / std::sqrt(static_cast<float>(attention.head_size));
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, keys, head_size, scale, query, stride, key, stride, 0.0F,
                scores_.data(), BlasSize(score_stride_));
    CausalSoftmaxRows(scores_.data(), Size(queries.count()), Size(score_stride_), Size(before) + 1, Size(keys));
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, rows, head_size, keys, 1.0F, scores_.data(),
                BlasSize(score_stride_), key + attention.key_value_width(), stride, 0.0F, out,
                BlasSize(static_cast<std::int64_t>(attention.width())));
  }

  std::vector<std::int64_t> begins_{0};  // one more than there are windows
  std::size_t longest_ = 0;
  std::int64_t score_stride_ = 0;
  std::vector<float> scores_;  // kQueries x score_stride_
};

class WindowPass : public WindowForward {
 public:
  explicit WindowPass(std::shared_ptr<const CanonicalWeights> weights) : pass_(std::move(weights)) {}

  void Run(const WindowBatch& batch, std::span<const Site> sites, const SiteOutput& output) override {
    Check(batch, sites);
    std::vector<Site> ordered(sites.begin(), sites.end());
    // The embedding first, then block by block.
    std::ranges::sort(ordered, {}, [](const Site& site) {
      return std::pair(site.stream == Stream::kEmbedding ? -1 : site.block, site.stream);
    });
    ordered.erase(std::ranges::unique(ordered).begin(), ordered.end());
    if (ordered.empty() || batch.tokens.empty()) return;
    const auto keeps = [&](Stream stream) {
      return std::ranges::any_of(ordered, [&](const Site& site) { return site.stream == stream; });
    };
    layout_.LayOut(batch.lengths);
    pass_.Reserve(layout_.rows(), layout_.longest(), keeps(Stream::kProj), keeps(Stream::kFfwd));
    layout_.ForPositions({0, layout_.rows()}, [&](std::size_t position, const Tile& rows) {
      pass_.Embed(rows.begin, batch.tokens[Size(rows.begin)], position);
    });
    auto site = ordered.begin();
    const auto put_out = [&] {
      output(*site, {pass_.Output(site->stream, 0), Size(layout_.rows() * Shape().embed)});
      ++site;
    };
    if (site->stream == Stream::kEmbedding) put_out();
    for (int block = 0; site != ordered.end(); ++block) {
      BlockWork work{.proj = true, .ffwd = false, .keep_proj = false, .keep_ffwd = false};
      const auto end = std::find_if(site, ordered.end(), [&](const Site& other) { return other.block != block; });
      for (auto asked = site; asked != end; ++asked) {
        work.keep_proj |= asked->stream == Stream::kProj;
        work.keep_ffwd |= asked->stream == Stream::kFfwd;
        work.ffwd |= asked->stream != Stream::kProj;
      }
      work.ffwd |= end != ordered.end();
      pass_.RunRows(static_cast<std::size_t>(block), work, {0, layout_.rows()}, layout_);
      while (site != end) put_out();
    }
  }

 private:
  const ModelDescription& Model() const { return pass_.weights().description; }
  const ModelShape& Shape() const { return Model().shape; }

  // Memory is addressed by what stands in the batch, so it is looked at once more.
  void Check(const WindowBatch& batch, std::span<const Site> sites) const {
    for (const Site& site : sites) {
      const bool has_block = site.stream == Stream::kEmbedding ? site.block == 0 : site.block < Shape().blocks;
      if (!has_block || site.block < 0 || site.stream > Stream::kResidual) {
        Fail("{} does not come out of a model of {} blocks", Describe(site), Shape().blocks);
      }
    }
    std::uint64_t tokens = 0;
    for (const std::uint32_t length : batch.lengths) {
      if (length == 0 || length > Model().longest_sequence()) {
        Fail("a window of {} tokens: the model takes 1 to {}", length, Model().longest_sequence());
      }
      tokens += length;
    }
    if (tokens != batch.tokens.size()) Fail("windows of {} tokens in all, and {} tokens", tokens, batch.tokens.size());
    if (std::ranges::any_of(batch.tokens, [&](TokenId token) { return token >= Shape().vocabulary_size; })) {
      Fail("a window has a token outside the vocabulary of {}", Shape().vocabulary_size);
    }
  }

  BlockPass pass_;
  WindowLayout layout_;
};

}  // namespace

std::unique_ptr<WindowForward> MakeWindowForward(std::shared_ptr<const CanonicalWeights> weights) {
  return std::make_unique<WindowPass>(std::move(weights));
}

}  // namespace actkin
