#include "query/reader/prompt_vectors.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "schema/error.h"
#include "storage/machine/row_workers.h"

namespace actkin {
namespace {

constexpr std::uint64_t kPiece = 16;  // prompts

}  // namespace

std::vector<float> PromptVectors::Of(const Site& site, RowRange prompts, IndexReader& other) {
  std::vector<float> vectors;
  if (site.stream == Stream::kEmbedding || prompts_.front().position) {
    for (std::uint64_t i = prompts.begin; i < prompts.end; ++i) {
      const std::vector<float> vector = reader_.QueryVector(prompts_[i], site);
      vectors.insert(vectors.end(), vector.begin(), vector.end());
    }
    return vectors;
  }
  std::vector<bool> missing(prompts.size());
  const bool rows =
      CopyRows(reader_, site, prompts, vectors, missing) || CopyRows(other, site, prompts, vectors, missing);
  if (rows && std::ranges::find(missing, true) == missing.end()) return vectors;
  const ModelShape& shape = reader_.Forward().shape();
  if (site.block < 0 || site.block >= shape.blocks) {
    FailUsage("block {}: the model has blocks 0-{}", site.block, shape.blocks - 1);
  }
  RunForward({site.stream, site.block, 0});
  const auto embed = static_cast<std::size_t>(shape.embed);
  const std::size_t place = outputs_of_.at({site.stream, site.block, 0});
  vectors.resize(prompts.size() * embed);
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    if (rows && !missing[i]) continue;
    const float* output = outputs_.data() + ((prompts.begin + i) * outputs_of_.size() + place) * embed;
    std::copy_n(output, embed, vectors.begin() + static_cast<std::ptrdiff_t>(i * embed));
  }
  return vectors;
}

bool PromptVectors::CopyRows(IndexReader& reader, const Site& site, RowRange prompts, std::vector<float>& vectors,
                             std::vector<bool>& missing) {
  const int t_i = static_cast<int>(prompts_.front().tokens.size()) - 1;
  const Site own{site.stream, site.block, t_i};
  if (t_i >= reader.string_length() || !reader.catalog().FindSite(own)) return false;
  const std::shared_ptr<const SiteIndex> index = reader.OpenIndex(own);
  const std::shared_ptr<const RowOrderFile> order = reader.OpenRowOrder(t_i);
  const std::uint64_t dimension = index->dimension();
  vectors.resize(prompts.size() * dimension);
  for (std::uint64_t i = prompts.begin; i < prompts.end; ++i) {
    const std::optional<StringOrdinal>& ordinal = prompts_[i].ordinal;
    missing[i - prompts.begin] = !ordinal || *ordinal >= index->row_count();
  }
  ForEachPiece(prompts, kPiece, UsefulThreads(prompts, kPiece, threads_), [&](int, RowRange piece) {
    for (std::uint64_t i = piece.begin; i < piece.end; ++i) {
      if (missing[i - prompts.begin]) continue;
      const std::vector<float> vector = index->Vector(order->RowOf(*prompts_[i].ordinal));
      std::ranges::copy(vector, vectors.begin() + static_cast<std::ptrdiff_t>((i - prompts.begin) * dimension));
    }
  });
  return true;
}

// Together with the one asked for come those that are built, which will be asked for next: a model may have more blocks
// than memory has room for.
void PromptVectors::RunForward(const Site& wanted) {
  if (outputs_of_.contains(wanted)) return;
  std::map<Site, std::size_t> kept{{wanted, 0}};
  for (const SiteRow& row : reader_.catalog().Sites()) {
    if (row.site.stream != Stream::kEmbedding && !IsRecorded(row.site.stream))
      kept[{row.site.stream, row.site.block, 0}] = 0;
  }
  std::size_t next = 0;
  for (auto& [site, place] : kept) place = next++;
  const PromptForward& forward = reader_.Forward();
  const auto embed = static_cast<std::size_t>(forward.shape().embed);
  std::vector<float> all(prompts_.size() * kept.size() * embed);
  progress_.Begin("forward pass", prompts_.size(), "prompts");
  std::mutex heard;
  std::uint64_t done = 0;
  const RowRange everything{0, prompts_.size()};
  ForEachPiece(everything, kPiece, UsefulThreads(everything, kPiece, threads_), [&](int, RowRange piece) {
    for (std::uint64_t i = piece.begin; i < piece.end; ++i) {
      const PromptForward::Activations activations = forward.Run(prompts_[i].tokens);
      float* out = all.data() + i * kept.size() * embed;
      for (const auto& [site, place] : kept) {
        const std::vector<float>& output = activations.Of(site.stream).at(static_cast<std::size_t>(site.block));
        std::copy_n(output.end() - static_cast<std::ptrdiff_t>(embed), embed, out + place * embed);
      }
    }
    const std::lock_guard lock(heard);
    done += piece.size();
    progress_.Advance(done, 0);
  });
  progress_.End();
  outputs_ = std::move(all);
  outputs_of_ = std::move(kept);
}

}  // namespace actkin
