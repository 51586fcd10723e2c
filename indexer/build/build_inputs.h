#ifndef ACTKIN_INDEXER_BUILD_BUILD_INPUTS_H_
#define ACTKIN_INDEXER_BUILD_BUILD_INPUTS_H_

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "indexer/build/build.h"
#include "indexer/build/existing_directory.h"
#include "indexer/model/checkpoint.h"
#include "indexer/text/corpus.h"
#include "indexer/text/string_levels.h"
#include "indexer/text/tokenizer_choice.h"
#include "schema/progress.h"
#include "schema/site.h"
#include "storage/catalog/index_directory.h"

namespace actkin {

// Everything that a build is made from, read once, before anything is written. Immutable.
struct BuildInputs {
  int string_length = 0;
  Corpus corpus;
  ChosenTokenizer tokenizer;
  CorpusTokens tokens;
  std::optional<Checkpoint> checkpoint;
  std::optional<TokenId> beginning;  // the token that stands before every string, where one does

  // Of the copy of the model that the directory keeps; empty without a model.
  std::map<std::string, std::string> model_metadata;
  std::string model_sha256;
  std::uint64_t model_bytes = 0;

  // REQUIRES: there is a model.
  const ModelTensors& model() const { return *checkpoint->model; }
  const ModelDescription& description() const { return checkpoint->model->description(); }
  const ModelShape& shape() const { return description().shape; }
  // Tokens of the longest strings that it computes.
  std::int64_t longest_string() const { return description().longest_sequence() - (beginning ? 1 : 0); }

  // Of corpus, model, string length: what was computed from other inputs is not continued.
  std::string Fingerprint() const;
};

// Throws Error naming the file or number that cannot be used, or that is not what the directory was made from.
BuildInputs ReadBuildInputs(const BuildOptions& options, const IndexDirectory& directory,
                            const ExistingDirectory& existing, ProgressListener& progress);

// Throws Error unless the directory was made from the same.
void RequireSameInputs(const BuildInputs& inputs, const BuildOptions& options, const IndexDirectory& directory,
                       const ExistingDirectory& existing);

// In which windows a corpus is seen, and which of its positions have rows.
struct PositionPlan {
  std::uint64_t window = 0;
  std::uint64_t stride = 0;
  PositionChoice choice;

  friend bool operator==(const PositionPlan&, const PositionPlan&) = default;
};

// The sites that a build is asked for.
struct SitePlan {
  std::vector<Site> embedding;  // over strings
  std::vector<Site> captured;   // over strings, of the other streams
  std::vector<Site> positions;  // over positions, of all streams
  PositionPlan seen;            // where there are some
};

// Throws Error (usage) naming the t_i, block, window or stride that model and strings do not have.
SitePlan PlanSites(const BuildOptions& options, const BuildInputs& inputs, const ExistingDirectory& existing);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_BUILD_BUILD_INPUTS_H_
