#include "tools/command/flags/flag_values.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <initializer_list>
#include <map>
#include <string>
#include <vector>

#include "query/predict/scheme.h"
#include "schema/site.h"
#include "schema/tokenizer/beginning_of_sequence.h"

namespace actkin {
namespace {

template <typename Word>
std::string OneOf(std::initializer_list<Word> words) {
  std::vector<std::string_view> names;
  for (const Word word : words) names.push_back(Name(word));
  return fmt::format("{}", fmt::join(names, "|"));
}

std::string OneScheme() {
  std::string names;
  for (const Scheme& scheme : BuiltInSchemes(1)) names += scheme.name + "|";
  return names + "NAME|FILE";
}

// By flag, or by subcommand and flag.
std::map<std::string, std::string> Values() {
  const std::string streams = OneOf({Stream::kEmbedding, Stream::kProj, Stream::kFfwd, Stream::kResidual}) + ",...";
  const std::string captured = OneOf({Stream::kProj, Stream::kFfwd, Stream::kResidual}) + ",...";
  const std::string metric = OneOf({Metric::kL2, Metric::kCosine, Metric::kDot});
  const std::string indexed = OneOf({Metric::kL2, Metric::kCosine});
  const std::string merge = OneOf({Merge::kNearest, Merge::kFarthest});
  return {
      {"CORPUS", "FILE"},
      {"OUT", "FOLDER"},
      {"--bos", OneOf({Beginning::kAuto, Beginning::kAlways, Beginning::kNever})},
      {"--distinct", OneOf({Distinct::kText, Distinct::kToken, Distinct::kDocument})},
      {"--half", "first|second"},
      {"--index", "exact|NAME"},
      {"--layout", "activations|npy|similar-strings"},
      {"--merge", merge},
      {"--metric", metric},
      {"--model", "FOLDER|NAME.pt|NAME.safetensors"},
      {"--order", OneOf({Order::kNearest, Order::kFarthest})},
      {"--plot", "FILE"},
      {"--prompts", "FILE"},
      {"--rows", OneOf({Element::kFloat32, Element::kFloat16, Element::kInt8, Element::kNone})},
      {"--scheme", OneScheme()},
      {"--stream", streams},
      {"--stream-sites", "FILE"},
      {"--streams", streams},
      {"--tokenizer", "NAME.json"},
      {"--unknown", "error|skip"},
      {"--vector", "NAME.npy"},
      {"--vocabulary-from", "FILE"},
      {"build --out", "NAME.actkin"},
      {"evaluate --merge", merge + ",..."},
      {"evaluate --metric", metric + ",..."},
      {"import --layout", "activations|similar-strings"},
      {"export --metric", indexed},
      {"import --metric", indexed},
      {"index --metric", indexed},
      {"index --stream", captured},
      {"recall --index", "NAME"},
      {"recall --metric", indexed},
      {"recall --stream", captured},
      {"train --out", "NAME.safetensors"},
      {"tune --streams", OneOf({Stream::kEmbedding, Stream::kProj, Stream::kFfwd}) + ",..."},
  };
}

}  // namespace

void ShowFlagValues(CLI::App& app) {
  const std::map<std::string, std::string> values = Values();
  for (CLI::App* command : app.get_subcommands({})) {
    for (CLI::Option* option : command->get_options()) {
      if (option->get_type_name() != "TEXT") continue;
      const std::string name = option->get_name();
      auto value = values.find(command->get_name() + " " + name);
      if (value == values.end()) value = values.find(name);
      if (value != values.end()) option->type_name(value->second);
    }
  }
}

}  // namespace actkin
