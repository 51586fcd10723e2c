#ifndef ACTKIN_TESTS_MODELS_MADE_DECODER_H_
#define ACTKIN_TESTS_MODELS_MADE_DECODER_H_

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "schema/model_description.h"
#include "schema/site.h"
#include "storage/formats/model_tensors.h"

namespace actkin {

// A matrix of a made model, outputs x inputs, and its bias, if any.
struct MadeLayer {
  std::vector<float> weight;
  std::optional<std::vector<float>> bias = {};
};

// A decoder with random weights, held as its parts are defined and not as any checkpoint has them: every head's query
// matrix stands alone. From it tests write checkpoints of each family, and compute in double precision what it puts
// out.
struct MadeDecoder {
  struct Block {
    MadeLayer attention_norm;
    std::vector<MadeLayer> queries;  // a head: head_size x embed
    std::vector<MadeLayer> keys;     // a key and value head
    std::vector<MadeLayer> values;
    MadeLayer query_norm;
    MadeLayer key_norm;
    MadeLayer proj;
    MadeLayer ffwd_norm;
    MadeLayer gate;  // of a gated network
    MadeLayer up;    // of any
    MadeLayer down;
  };

  ModelDescription description;
  bool tied = false;
  std::vector<float> tokens;     // vocabulary x embed
  std::vector<float> positions;  // context x embed
  std::vector<Block> blocks;
  MadeLayer final_norm;
  MadeLayer unembedding;
};

// Which layers have biases.
struct MadeBiases {
  bool norms = false;
  bool qkv = false;
  bool proj = false;
  bool ffwd = false;
  bool unembedding = false;
};

// Weights of the usual size for their width; norms around one. The description's sizes must go together.
MadeDecoder MakeDecoder(const ModelDescription& description, const MadeBiases& biases, bool tied, unsigned seed);

// One of the study's architecture.
MadeDecoder MakeStudyDecoder(const ModelShape& shape, unsigned seed);

// What it puts out, in double precision. positions x embed, row-major.
struct MadeOutputs {
  std::vector<double> embedding;
  std::vector<std::vector<double>> proj;  // a block
  std::vector<std::vector<double>> ffwd;
  std::vector<std::vector<double>> residual;
  std::vector<double> logits;  // positions x vocabulary

  const std::vector<double>& Of(Stream stream, std::size_t block) const;
};
MadeOutputs RunDecoder(const MadeDecoder& decoder, std::span<const TokenId> tokens);

// Under canonical names, in memory.
std::unique_ptr<ModelTensors> CanonicalTensorsOf(const MadeDecoder& decoder);
// The bytes of the file that an index directory keeps.
std::string ModelFileBytes(const MadeDecoder& decoder);

}  // namespace actkin

#endif  // ACTKIN_TESTS_MODELS_MADE_DECODER_H_
