#include "indexer/model/source_tensors.h"

#include <string_view>
#include <utility>

#include "schema/error.h"
#include "schema/text.h"

namespace actkin {

void SourceTensors::AddEntry(const std::string& name, Entry entry) {
  const std::string file = entry.file;
  const auto [found, is_new] = entries_.emplace(name, std::move(entry));
  if (!is_new) Fail("{}: tensor {} is in {} too", file, QuoteIfEscaped(name), found->second.file);
}

void SourceTensors::Add(const std::filesystem::path& path, std::shared_ptr<const SafetensorsFile> file) {
  std::vector<std::string> names;
  for (const auto& [name, shape] : file->Shapes()) names.push_back(name);
  Add(path, std::move(file), names);
}

void SourceTensors::Add(const std::filesystem::path& path, std::shared_ptr<const SafetensorsFile> file,
                        std::span<const std::string> names) {
  for (const std::string& name : names) {
    if (!file->Has(name))
      Fail("{}: tensor {} is missing: the index file says that it is here", path.string(), QuoteIfEscaped(name));
    SafetensorsFile::Bytes raw = file->Raw(name);
    AddEntry(name, {path.string(), std::move(raw.type), std::move(raw.shape), raw.bytes});
  }
  files_.push_back(std::move(file));
}

void SourceTensors::Add(const std::filesystem::path& path, std::map<std::string, LoadedTensor> tensors) {
  const auto kept = std::make_shared<const std::map<std::string, LoadedTensor>>(std::move(tensors));
  for (const auto& [name, tensor] : *kept) AddEntry(name, {path.string(), tensor.type, tensor.shape, tensor.bytes});
  loaded_.push_back(kept);
}

std::vector<std::string> SourceTensors::Names() const {
  std::vector<std::string> names;
  for (const auto& [name, entry] : entries_) names.push_back(name);
  return names;
}

TensorShapes SourceTensors::Shapes() const {
  TensorShapes shapes;
  for (const auto& [name, entry] : entries_) shapes[name] = entry.shape;
  return shapes;
}

void SourceTensors::Strip(const std::string& prefix) {
  constexpr std::string_view kCompiled = "_orig_mod.";
  std::map<std::string, Entry> stripped;
  for (auto& [name, entry] : entries_) {
    std::string bare = name.starts_with(prefix) ? name.substr(prefix.size()) : name;
    for (std::size_t at = bare.find(kCompiled); at != std::string::npos; at = bare.find(kCompiled)) {
      bare.erase(at, kCompiled.size());
    }
    const std::string file = entry.file;
    if (!stripped.emplace(bare, std::move(entry)).second) {
      Fail("{}: two tensors are named {} without what wrappers add", file, QuoteIfEscaped(bare));
    }
  }
  entries_ = std::move(stripped);
}

}  // namespace actkin
