#include "tests/indexer/torch/training/dense_learning_data.h"

namespace actkin {

WeightLearningData DenseLearningData::Sparse() const {
  WeightLearningData data;
  data.terms = terms;
  for (std::size_t prompt = 0; prompt < prompts; ++prompt) {
    std::vector<std::uint32_t> places(vocabulary_size);
    std::uint32_t follow = 0;
    double elsewhere = 0;
    for (std::size_t token = 0; token < vocabulary_size; ++token) {
      bool follows = false;
      for (std::size_t term = 0; term < terms; ++term) follows |= Count(prompt, term, token) != 0;
      const float target = targets[prompt * vocabulary_size + token];
      if (follows) {
        places[token] = follow++;
        data.targets.push_back(target);
      } else {
        elsewhere += double{target} * target;
      }
    }
    data.target_begins.push_back(data.targets.size());
    data.squares_elsewhere.push_back(elsewhere);
    for (std::size_t term = 0; term < terms; ++term) {
      for (std::size_t token = 0; token < vocabulary_size; ++token) {
        if (Count(prompt, term, token) != 0) data.counts.push_back({places[token], Count(prompt, term, token)});
      }
      data.count_begins.push_back(data.counts.size());
    }
  }
  return data;
}

}  // namespace actkin
