#ifndef ACTKIN_INDEXER_MODEL_CONFIG_JSON_H_
#define ACTKIN_INDEXER_MODEL_CONFIG_JSON_H_

#include <string>
#include <string_view>

#include "indexer/model/families.h"
#include "schema/model_description.h"

namespace actkin {

// What a configuration says of a model.
struct ModelConfig {
  const Family* family = nullptr;
  ModelDescription description;
  bool attention_bias = false;
  bool mlp_bias = false;
  bool tied = false;  // the unembedding is the table of tokens, where the checkpoint has no other
};

// Reads a Hugging Face config.json. Throws Error naming `where` and the field: one that is missing or of another type,
// one that would change the result and is not understood, or a family that is not read.
ModelConfig ParseConfig(std::string_view json, const std::string& where);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_MODEL_CONFIG_JSON_H_
