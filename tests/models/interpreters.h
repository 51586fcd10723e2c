#ifndef ACTKIN_TESTS_MODELS_INTERPRETERS_H_
#define ACTKIN_TESTS_MODELS_INTERPRETERS_H_

#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "schema/site.h"
#include "storage/formats/model_tensors.h"

namespace actkin {

// What a model puts out for one sequence: positions x embed by stream and block (embedding's is 0), and logits.
struct SequenceOutputs {
  std::map<std::pair<Stream, int>, std::vector<float>> rows;
  std::vector<float> logits;         // positions x vocabulary; empty: not computed
  std::vector<float> probabilities;  // of the token after the last
};

// By the batched interpreter, which has no embedding and no logits: the sequence as a forest of one string.
SequenceOutputs RunBatched(const ModelTensors& model, std::span<const TokenId> tokens);
// By the single prompt's, from a file as an index directory keeps it, for every prefix.
SequenceOutputs RunPrompt(const std::filesystem::path& file, std::span<const TokenId> tokens,
                          std::optional<TokenId> beginning = std::nullopt);
// Writes that file.
void WriteModelFile(const std::filesystem::path& path, const ModelTensors& model);

}  // namespace actkin

#endif  // ACTKIN_TESTS_MODELS_INTERPRETERS_H_
