#ifndef ACTKIN_TESTS_INDEXER_TORCH_TRAINING_DENSE_LEARNING_DATA_H_
#define ACTKIN_TESTS_INDEXER_TORCH_TRAINING_DENSE_LEARNING_DATA_H_

#include <cstdint>
#include <vector>

#include "indexer/model/torch_backend.h"

namespace actkin {

// What weights are learned from, with a number for every token of a small vocabulary.
struct DenseLearningData {
  std::uint32_t prompts = 0;
  std::uint32_t terms = 0;
  std::uint32_t vocabulary_size = 0;
  std::vector<float> counts;   // prompts x terms x vocabulary
  std::vector<float> targets;  // prompts x vocabulary

  float Count(std::size_t prompt, std::size_t term, std::size_t token) const {
    return counts[(prompt * terms + term) * vocabulary_size + token];
  }
  // The same as learning takes it: without what is zero.
  WeightLearningData Sparse() const;
};

}  // namespace actkin

#endif  // ACTKIN_TESTS_INDEXER_TORCH_TRAINING_DENSE_LEARNING_DATA_H_
