#include "indexer/torch/pickle/pickle_state_dict.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "indexer/torch/pickle/pickle_machine.h"
#include "schema/error.h"
#include "schema/wrapped_names.h"

namespace actkin {
namespace {

using pickle::Kind;
using pickle::PickleGraph;
using pickle::PrintablePickle;
using pickle::Value;

using Item = std::pair<Value, Value>;

// The value of a key, or nullptr.
const Value* Find(const PickleGraph::Dict& dict, std::string_view key) {
  const auto is_key = [&](const Item& item) { return item.first.kind == Kind::kString && item.first.text == key; };
  const auto found = std::ranges::find_if(dict, is_key);
  return found == dict.end() ? nullptr : &found->second;
}

// The state dict among what a training script saved: under one of the usual keys, or nullptr.
const Item* FindNested(const PickleGraph::Dict& dict, const std::string& file) {
  const Item* nested = nullptr;
  for (const Item& item : dict) {
    if (item.first.kind != Kind::kString || item.second.kind != Kind::kDict) continue;
    if (!IsStateDictKey(std::string(item.first.text))) continue;
    if (nested != nullptr) {
      Fail("{}: both '{}' and '{}' may be the model: save one with torch.save(model.state_dict(), ...)", file,
           nested->first.text, item.first.text);
    }
    nested = &item;
  }
  return nested;
}

std::map<std::string, std::int64_t> ModelArguments(const PickleGraph& graph, const PickleGraph::Dict& dict) {
  std::map<std::string, std::int64_t> arguments;
  const Value* found = Find(dict, "model_args");
  if (found == nullptr || found->kind != Kind::kDict) return arguments;
  for (const auto& [key, value] : graph.dicts[found->index]) {
    const bool is_whole = value.kind == Kind::kInteger || value.kind == Kind::kBool;
    if (key.kind == Kind::kString && is_whole) arguments[std::string(key.text)] = value.integer;
  }
  return arguments;
}

}  // namespace

PickledStateDict ParsePickle(std::span<const std::byte> bytes, const std::string& file) {
  const PickleGraph graph = pickle::RunPickle(bytes, file, "what torch.save(model.state_dict()) writes");
  if (graph.root.kind != Kind::kDict) {
    Fail("{}: holds {}, expected what torch.save(model.state_dict()) writes", file, graph.DescribeValue(graph.root));
  }
  const PickleGraph::Dict& outer = graph.dicts[graph.root.index];
  const Item* nested = FindNested(outer, file);
  const std::string prefix = nested == nullptr ? "" : std::string(nested->first.text) + ".";
  PickledStateDict result;
  result.bytes = graph.bytes;
  if (nested != nullptr) result.model_arguments = ModelArguments(graph, outer);
  for (const auto& [key, item] : nested == nullptr ? outer : graph.dicts[nested->second.index]) {
    if (key.kind != Kind::kString) {
      Fail("{}: {} is a key of its dictionary, expected names of tensors", file, Describe(key.kind));
    }
    if (!pickle::IsPlainPickleName(key.text)) Fail("{}: '{}' cannot name a tensor", file, PrintablePickle(key.text));
    if (item.kind != Kind::kTensor) {
      Fail("{}: '{}{}' is {}, expected a tensor: save with torch.save(model.state_dict(), ...)", file, prefix,
           PrintablePickle(key.text), graph.DescribeValue(item));
    }
    if (!result.tensors.emplace(prefix + std::string(key.text), graph.tensors[item.index]).second) {
      Fail("{}: tensor {} stands there twice", file, PrintablePickle(key.text));
    }
  }
  return result;
}

std::vector<std::string> ParseVocabularyPickle(std::span<const std::byte> bytes, const std::string& file) {
  const PickleGraph graph = pickle::RunPickle(bytes, file, "a dictionary of stoi and itos");
  const Value* itos = nullptr;
  if (graph.root.kind == Kind::kDict) itos = Find(graph.dicts[graph.root.index], "itos");
  if (itos == nullptr || itos->kind != Kind::kDict) {
    Fail("{}: holds no dictionary 'itos' from token ids to texts, as nanoGPT's meta.pkl does", file);
  }
  const PickleGraph::Dict& items = graph.dicts[itos->index];
  std::vector<std::optional<std::string>> texts(items.size());
  for (const auto& [id, text] : items) {
    if (id.kind != Kind::kInteger || text.kind != Kind::kString) {
      Fail("{}: itos maps {} to {}, expected an integer and a string", file, graph.DescribeValue(id),
           graph.DescribeValue(text));
    }
    if (id.integer < 0 || static_cast<std::uint64_t>(id.integer) >= items.size() ||
        texts[static_cast<std::size_t>(id.integer)]) {
      Fail("{}: itos has {} entries, and the id {} is not one of 0 to {}, each once", file, items.size(), id.integer,
           items.size() - 1);
    }
    texts[static_cast<std::size_t>(id.integer)] = std::string(text.text);
  }
  std::vector<std::string> result;
  for (std::optional<std::string>& text : texts) result.push_back(std::move(*text));
  return result;
}

}  // namespace actkin
