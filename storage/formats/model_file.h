#ifndef ACTKIN_STORAGE_FORMATS_MODEL_FILE_H_
#define ACTKIN_STORAGE_FORMATS_MODEL_FILE_H_

#include <filesystem>
#include <map>
#include <string>

#include "storage/exchange/safetensors.h"
#include "storage/formats/model_tensors.h"

namespace actkin {

// A tensor where it lies in a mapped file.
struct WeightView {
  const std::byte* numbers = nullptr;  // null: the model has no such tensor
  Precision precision = Precision::kFloat32;
};

// The file that SerializeModel makes, mapped. Opening reads its header alone. Immutable; any thread.
class ModelFile : public ModelTensors {
 public:
  // Throws Error naming `path` when it is no such file.
  explicit ModelFile(const std::filesystem::path& path);
  // The same of a file that was opened already, which `path` names in errors.
  ModelFile(SafetensorsFile file, const std::filesystem::path& path);
  // Whether a .safetensors file is one.
  static bool Is(const SafetensorsFile& file);

  const ModelDescription& description() const override { return description_; }
  const std::map<std::string, WeightType>& types() const override { return types_; }
  void Read(const std::string& name, std::span<std::byte> out) const override;
  const std::map<std::string, std::string>& metadata() const { return file_.metadata(); }

  // Aligned to the size of its numbers.
  WeightView View(const std::string& name) const;

 private:
  SafetensorsFile file_;
  ModelDescription description_;
  std::map<std::string, WeightType> types_;
};

}  // namespace actkin

#endif  // ACTKIN_STORAGE_FORMATS_MODEL_FILE_H_
