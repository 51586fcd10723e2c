#ifndef ACTKIN_INDEXER_MODEL_CANONICAL_MODEL_H_
#define ACTKIN_INDEXER_MODEL_CANONICAL_MODEL_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "indexer/model/config_json.h"
#include "indexer/model/families.h"
#include "indexer/model/source_tensors.h"
#include "storage/formats/model_tensors.h"

namespace actkin {

// A checkpoint of any family as a canonical model: its rules say which rows of which of its tensors make a canonical
// one. Nothing is copied before it is read. Immutable; any thread.
class CanonicalModel : public ModelTensors {
 public:
  // `file` is for messages about what is in no file. Throws Error naming the file and the tensor that is missing (and
  // why, most likely), surplus, of another shape or of a type that is not read.
  CanonicalModel(SourceTensors sources, const ModelConfig& config, const std::string& file);

  const ModelDescription& description() const override { return description_; }
  const std::map<std::string, WeightType>& types() const override { return types_; }
  void Read(const std::string& name, std::span<std::byte> out) const override;

  // Throws Error naming file and tensor of the first that holds NaN or infinity. Reads all.
  void RequireFinite() const;

 private:
  // The rows that one source gives (a vector has rows of one number).
  struct Part {
    const SourceTensors::Entry* source = nullptr;
    std::int64_t rows = 0;     // of the canonical tensor
    std::int64_t columns = 0;  // likewise
    Orientation orientation = Orientation::kOutputsByInputs;
    FusedOrder order = FusedOrder::kByKind;
  };

  void AddRule(const TensorRule& rule, const ModelConfig& config, const std::string& file);
  void AddTensor(const std::string& canonical, const std::vector<std::string>& sources, const TensorRule& rule);
  std::string FullName(const TensorRule& rule, const std::string& name) const;
  const SourceTensors::Entry* Find(const std::string& full_name) const;
  bool IsTied(const ModelConfig& config, const std::string& file) const;
  [[noreturn]] void FailMissing(const std::string& name, const std::string& file) const;
  [[noreturn]] static void FailShape(const SourceTensors::Entry& source, const std::string& name,
                                     const std::string& canonical, const std::vector<std::int64_t>& shape);
  void RequireAllUsed(const Family& family) const;
  // Row `row` of a fused tensor of queries, keys and values, as it lies by head.
  std::int64_t RowByHead(std::int64_t row) const;

  SourceTensors sources_;
  std::string prefix_;  // of its names
  ModelDescription description_;
  CanonicalTensors expected_;
  std::map<std::string, std::vector<Part>> parts_;
  std::map<std::string, WeightType> types_;
};

}  // namespace actkin

#endif  // ACTKIN_INDEXER_MODEL_CANONICAL_MODEL_H_
