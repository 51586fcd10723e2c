#ifndef ACTKIN_STORAGE_FORMATS_MODEL_TENSORS_H_
#define ACTKIN_STORAGE_FORMATS_MODEL_TENSORS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "schema/model_description.h"

namespace actkin {

// How a checkpoint keeps a number. It is computed with in float32, whatever this is.
enum class Precision : std::uint8_t { kFloat32, kFloat16, kBfloat16 };

std::size_t PrecisionBytes(Precision precision);
// "F32", "F16", "BF16", as .safetensors files have it.
std::string_view SafetensorsType(Precision precision);
std::optional<Precision> PrecisionOf(std::string_view safetensors_type);

struct WeightType {
  Precision precision = Precision::kFloat32;
  std::vector<std::int64_t> shape;

  std::size_t count() const;
  std::size_t bytes() const { return count() * PrecisionBytes(precision); }
};

// A model under canonical names (schema/model_description.h), wherever its numbers come from. Immutable; any thread.
class ModelTensors {
 public:
  virtual ~ModelTensors() = default;

  virtual const ModelDescription& description() const = 0;
  // They passed RequireTensorsOf.
  virtual const std::map<std::string, WeightType>& types() const = 0;
  // A tensor's numbers as the checkpoint has them, row-major, little-endian. REQUIRES: `name` is among types(), and
  // out.size() is its bytes().
  virtual void Read(const std::string& name, std::span<std::byte> out) const = 0;

  bool Has(const std::string& name) const { return types().contains(name); }
  std::vector<float> ReadFloats(const std::string& name) const;
};

// The bytes of the file that an index directory keeps, in order, in pieces: the same for the same weights, description
// and metadata, whatever they came from. A .safetensors file: tensors of four bytes a number before those of two, so
// that all lie aligned, then by name.
void SerializeModel(const ModelTensors& model, const std::map<std::string, std::string>& metadata,
                    const std::function<void(std::span<const std::byte>)>& take);

// The key of the description in the file's metadata.
inline constexpr char kDescriptionKey[] = "actkin.model";

}  // namespace actkin

#endif  // ACTKIN_STORAGE_FORMATS_MODEL_TENSORS_H_
