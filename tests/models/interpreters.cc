#include "tests/models/interpreters.h"

#include "indexer/model/forward_backend.h"
#include "query/reader/prompt_forward.h"
#include "storage/machine/file.h"

namespace actkin {

SequenceOutputs RunBatched(const ModelTensors& model, std::span<const TokenId> tokens) {
  PrefixForest forest;
  std::vector<Site> sites;
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    forest.levels.push_back({{tokens[t]}, {0}});
    for (int block = 0; block < model.description().shape.blocks; ++block) {
      for (const Stream stream : {Stream::kProj, Stream::kFfwd, Stream::kResidual}) {
        sites.push_back({stream, block, static_cast<int>(t)});
      }
    }
  }
  SequenceOutputs outputs;
  const auto transformer = LoadForwardBackend().NewTransformer(model);
  transformer->NewPrefixForward()->Run(forest, sites, [&](const Site& site, std::span<const float> values) {
    std::vector<float>& rows = outputs.rows[{site.stream, site.block}];
    rows.insert(rows.end(), values.begin(), values.end());
  });
  return outputs;
}

SequenceOutputs RunPrompt(const std::filesystem::path& file, std::span<const TokenId> tokens,
                          std::optional<TokenId> beginning) {
  const PromptForward forward(file, beginning);
  const PromptForward::Activations activations = forward.Run(tokens);
  SequenceOutputs outputs;
  outputs.rows[{Stream::kEmbedding, 0}] = activations.embedding;
  for (std::size_t block = 0; block < activations.proj.size(); ++block) {
    for (const Stream stream : {Stream::kProj, Stream::kFfwd, Stream::kResidual}) {
      outputs.rows[{stream, static_cast<int>(block)}] = activations.Of(stream)[block];
    }
  }
  for (std::size_t t = 1; t <= tokens.size(); ++t) {
    const std::vector<float> logits = forward.Logits(forward.BeforeUnembedding(tokens.first(t)));
    outputs.logits.insert(outputs.logits.end(), logits.begin(), logits.end());
  }
  outputs.probabilities = forward.NextTokenProbabilities(tokens);
  return outputs;
}

void WriteModelFile(const std::filesystem::path& path, const ModelTensors& model) {
  std::string bytes;
  SerializeModel(model, {}, [&](std::span<const std::byte> piece) {
    bytes.append(reinterpret_cast<const char*>(piece.data()), piece.size());
  });
  ReplaceFile(path, bytes);
}

}  // namespace actkin
