#ifndef ACTKIN_INDEXER_MODEL_FORWARD_BACKEND_H_
#define ACTKIN_INDEXER_MODEL_FORWARD_BACKEND_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "indexer/model/row_algebra.h"
#include "schema/model_description.h"
#include "schema/site.h"
#include "storage/formats/model_tensors.h"

namespace actkin {

// Distinct prefixes of a run of strings, as a forest: every string is a path from a root. Level t holds the prefixes of
// length t+1, in lexicographic order; the last level holds the strings.
struct PrefixForest {
  struct Level {
    std::vector<TokenId> tokens;         // the last token of each prefix
    std::vector<std::uint32_t> parents;  // its position in the level above; unused at level 0. Never decreasing.
  };
  std::vector<Level> levels;

  std::uint64_t node_count() const {
    std::uint64_t count = 0;
    for (const Level& level : levels) count += level.tokens.size();
    return count;
  }
};

// What a forward pass puts out for one site over one batch: values is rows x embed, row-major, valid only during the
// call; of a forest the rows are the nodes of level t_i. Called once for every site asked for, block by block, proj
// before ffwd before residual, within a block by t_i.
using SiteOutput = std::function<void(const Site& site, std::span<const float> values)>;

// The prefix-shared forward pass: computes every prefix of a forest once, sharing keys and values along its paths.
// One object serves one thread at a time (it keeps its memory between calls); several may share one model.
class PrefixForward {
 public:
  virtual ~PrefixForward() = default;

  // sites: of streams proj, ffwd and residual, with t_i below the number of levels; t_i is the level of the forest.
  // REQUIRES: tokens are below the vocabulary size, levels at most the longest sequence of the model.
  virtual void Run(const PrefixForest& forest, std::span<const Site> sites, const SiteOutput& output) = 0;
};

// Sequences of tokens, each seen alone.
struct WindowBatch {
  std::vector<TokenId> tokens;         // window after window
  std::vector<std::uint32_t> lengths;  // tokens of each window, at least one
};

// The forward pass of whole windows, all positions of each. What it puts out for a window does not depend on the sites
// that are asked for. One object serves one thread at a time, as PrefixForward's.
class WindowForward {
 public:
  virtual ~WindowForward() = default;

  // sites: over positions, of the four streams. The output of each is tokens x embed, embedding first.
  // REQUIRES: tokens are below the vocabulary size, lengths at most the longest sequence of the model.
  virtual void Run(const WindowBatch& batch, std::span<const Site> sites, const SiteOutput& output) = 0;
};

// A transformer that computes many rows at once. Immutable; any thread may use it.
class Transformer {
 public:
  virtual ~Transformer() = default;

  virtual const ModelDescription& description() const = 0;
  virtual std::unique_ptr<PrefixForward> NewPrefixForward() const = 0;
  virtual std::unique_ptr<WindowForward> NewWindowForward() const = 0;
};

// Everything that needs BLAS, behind one interface, in a shared library of its own that is loaded on demand: asking
// never needs it.
class ForwardBackend {
 public:
  virtual ~ForwardBackend() = default;

  // Copies the weights, as float32.
  virtual std::unique_ptr<Transformer> NewTransformer(const ModelTensors& model) const = 0;

  virtual const RowAlgebra& row_algebra() const = 0;
};

// Loads the library at the first call. Throws Error naming the library when it cannot be loaded. Also sets BLAS to one
// thread: parallel work is by forests, so that results do not depend on the number of threads.
const ForwardBackend& LoadForwardBackend();

}  // namespace actkin

// What the library exports. Returns an object that lives as long as the process.
extern "C" const actkin::ForwardBackend* actkin_forward_backend();

#endif  // ACTKIN_INDEXER_MODEL_FORWARD_BACKEND_H_
