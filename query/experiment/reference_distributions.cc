#include "query/experiment/reference_distributions.h"

#include <algorithm>

#include "storage/machine/row_workers.h"

namespace actkin {
namespace {

constexpr std::uint64_t kThreadPrompts = 16;               // prompts that a thread takes at once
constexpr std::size_t kMostFloats = std::size_t{4} << 20;  // of a thread's distributions, if it is one at least

}  // namespace

std::string_view Name(Reference reference) { return reference == Reference::kModel ? "model" : "corpus"; }

Reference ReferenceOf(Experiment& experiment) {
  return experiment.reader().catalog().Model() ? Reference::kModel : Reference::kCorpus;
}

ReferenceDistributions::ReferenceDistributions(Experiment& experiment, Reference reference)
    : set_(experiment.set()),
      threads_(experiment.threads()),
      vocabulary_size_(experiment.reader().vocabulary().size()) {
  if (reference == Reference::kCorpus) {
    if (set_.row.rows == RowKind::kPositions) {
      corpus_.emplace(experiment.reader().CorpusTokens(), vocabulary_size_);
    } else {
      counts_ = &experiment.Counts();
    }
    return;
  }
  model_ = experiment.Predictions();
  forward_ = &experiment.reader().Forward();
  vocabulary_size_ = static_cast<std::size_t>(forward_->shape().vocabulary_size);
}

int ReferenceDistributions::Workers(RowRange prompts) const { return UsefulThreads(prompts, kThreadPrompts, threads_); }

void ReferenceDistributions::ForEach(RowRange prompts, const Work& work) const {
  const std::uint64_t most = std::clamp<std::uint64_t>(kMostFloats / vocabulary_size_, 1, kThreadPrompts);
  std::vector<std::vector<float>> rooms(static_cast<std::size_t>(Workers(prompts)));
  ForEachPiece(prompts, kThreadPrompts, Workers(prompts), [&](int worker, RowRange piece) {
    std::vector<float>& room = rooms[static_cast<std::size_t>(worker)];
    for (std::uint64_t begin = piece.begin; begin < piece.end; begin += most) {
      const RowRange some{begin, std::min(begin + most, piece.end)};
      room.resize(some.size() * vocabulary_size_);
      Fill(some, room);
      for (std::uint64_t prompt = some.begin; prompt < some.end; ++prompt) {
        work(worker, prompt, std::span(room).subspan((prompt - some.begin) * vocabulary_size_, vocabulary_size_));
      }
    }
  });
}

void ReferenceDistributions::Fill(RowRange prompts, std::span<float> out) const {
  if (model_) {
    std::vector<float> before;
    for (std::uint64_t prompt = prompts.begin; prompt < prompts.end; ++prompt) {
      const std::span<const float> one = model_->BeforeUnembedding(prompt);
      before.insert(before.end(), one.begin(), one.end());
    }
    forward_->NextTokenProbabilities(before, out);
    return;
  }
  std::ranges::fill(out, 0.0F);
  if (corpus_) {
    TokenAccumulator sums(vocabulary_size_);
    std::vector<TokenValue> next;
    for (std::uint64_t prompt = prompts.begin; prompt < prompts.end; ++prompt) {
      corpus_->Add(set_.prompts[prompt].position.value(), 1, sums);
      next.clear();
      sums.Take(next);
      for (const TokenValue& token : next) {
        out[(prompt - prompts.begin) * vocabulary_size_ + token.token] = static_cast<float>(token.value);
      }
    }
    return;
  }
  for (std::uint64_t prompt = prompts.begin; prompt < prompts.end; ++prompt) {
    const std::optional<StringId>& string_id = set_.prompts[prompt].string_id;
    if (!string_id) continue;
    float* own = out.data() + (prompt - prompts.begin) * vocabulary_size_;
    for (const NextTokenTable::Entry& entry : counts_->Of(*string_id))
      own[entry.token] = static_cast<float>(entry.count);
  }
}

}  // namespace actkin
