#include "storage/formats/model_tensors.h"

#include <algorithm>
#include <utility>

#include "schema/error.h"
#include "storage/exchange/safetensors.h"

namespace actkin {

std::size_t PrecisionBytes(Precision precision) { return precision == Precision::kFloat32 ? 4 : 2; }

std::string_view SafetensorsType(Precision precision) {
  switch (precision) {
    case Precision::kFloat32:
      return "F32";
    case Precision::kFloat16:
      return "F16";
    case Precision::kBfloat16:
      break;
  }
  return "BF16";
}

std::optional<Precision> PrecisionOf(std::string_view type) {
  for (const Precision precision : {Precision::kFloat32, Precision::kFloat16, Precision::kBfloat16}) {
    if (SafetensorsType(precision) == type) return precision;
  }
  return std::nullopt;
}

std::size_t WeightType::count() const {
  std::size_t count = 1;
  for (const std::int64_t size : shape) count *= static_cast<std::size_t>(size);
  return count;
}

std::vector<float> ModelTensors::ReadFloats(const std::string& name) const {
  const WeightType& type = types().at(name);
  std::vector<float> values(type.count());
  if (type.precision == Precision::kFloat32) {
    Read(name, std::as_writable_bytes(std::span(values)));
    return values;
  }
  std::vector<std::byte> bytes(type.bytes());
  Read(name, bytes);
  ConvertToFloat(std::string(SafetensorsType(type.precision)), bytes.data(), values.size(), values.data(), name);
  return values;
}

void SerializeModel(const ModelTensors& model, const std::map<std::string, std::string>& metadata,
                    const std::function<void(std::span<const std::byte>)>& take) {
  std::vector<std::pair<std::string, WeightType>> tensors(model.types().begin(), model.types().end());
  std::ranges::stable_sort(tensors, std::ranges::greater(),
                           [](const auto& tensor) { return PrecisionBytes(tensor.second.precision); });
  std::map<std::string, std::string> all = metadata;
  all[kDescriptionKey] = DescriptionJson(model.description());
  std::vector<SafetensorsHeaderEntry> entries;
  for (const auto& [name, type] : tensors) {
    entries.push_back({name, std::string(SafetensorsType(type.precision)), type.shape, type.bytes()});
  }
  const std::string header = SafetensorsHeader(entries, all);
  take(std::as_bytes(std::span(header)));
  std::vector<std::byte> bytes;
  for (const auto& [name, type] : tensors) {
    bytes.resize(type.bytes());
    model.Read(name, bytes);
    take(bytes);
  }
}

}  // namespace actkin
