#include "storage/formats/model_file.h"

#include <bit>
#include <cstring>
#include <utility>

#include "schema/error.h"
#include "schema/text.h"

namespace actkin {

ModelFile::ModelFile(const std::filesystem::path& path) : ModelFile(SafetensorsFile(path), path) {}

ModelFile::ModelFile(SafetensorsFile opened, const std::filesystem::path& path) : file_(std::move(opened)) {
  const std::string file = path.string();
  if (!Is(file_)) FailDamaged("{}: not a model that actkin wrote: its metadata has no {}", file, kDescriptionKey);
  description_ = ParseDescription(file_.metadata().at(kDescriptionKey), file);
  RequireTensorsOf(description_, file_.Shapes(), file);
  for (const auto& [name, shape] : file_.Shapes()) {
    const SafetensorsFile::Bytes raw = file_.Raw(name);
    const auto precision = PrecisionOf(raw.type);
    if (!precision) FailDamaged("{}: tensor {} is of type {}, expected F32, F16 or BF16", file, name, raw.type);
    if (std::bit_cast<std::uintptr_t>(raw.bytes.data()) % PrecisionBytes(*precision) != 0) {
      FailDamaged("{}: tensor {} does not lie aligned", file, name);
    }
    types_[name] = {*precision, shape};
  }
}

bool ModelFile::Is(const SafetensorsFile& file) { return file.metadata().contains(kDescriptionKey); }

void ModelFile::Read(const std::string& name, std::span<std::byte> out) const {
  const std::span<const std::byte> bytes = file_.Raw(name).bytes;
  if (!bytes.empty()) std::memcpy(out.data(), bytes.data(), std::min(out.size(), bytes.size()));
}

WeightView ModelFile::View(const std::string& name) const {
  const auto found = types_.find(name);
  if (found == types_.end()) return {};
  return {file_.Raw(name).bytes.data(), found->second.precision};
}

}  // namespace actkin
