#include "tests/schema/tokenizer/made_tokenizer.h"

#include <utility>

#include "schema/tokenizer/byte_alphabet.h"
#include "schema/tokenizer/tokenizer_json.h"

namespace actkin {

using nlohmann::json;

json MadeTokenizerJson(const json& parts) {
  json document = {
      {"version", "1.0"},
      {"added_tokens", json::array()},
      {"normalizer", nullptr},
      {"pre_tokenizer", nullptr},
      {"post_processor", nullptr},
      {"decoder", nullptr},
      {"model", {{"type", "BPE"}, {"vocab", {{"a", 0}, {"b", 1}, {"ab", 2}}}, {"merges", json::array({"a b"})}}}};
  for (const auto& [key, value] : parts.items()) {
    if (key == "model") {
      document[key].update(value);
    } else {
      document[key] = value;
    }
  }
  for (json& token : document["added_tokens"]) {
    for (const char* flag : {"single_word", "lstrip", "rstrip", "normalized", "special"}) {
      if (!token.contains(flag)) token[flag] = false;
    }
  }
  return document;
}

std::unique_ptr<const Tokenizer> MadeTokenizer(const json& parts) {
  return ReadTokenizerJson(MadeTokenizerJson(parts).dump(), "made.json");
}

json MadeByteTokenizerJson(const std::string& text, std::size_t merges, const json& parts) {
  json vocabulary = json::object();
  std::vector<std::string> pieces;  // of the text
  for (int byte = 0; byte < 256; ++byte) {
    vocabulary[std::string(CharacterOfByte(static_cast<unsigned char>(byte)))] = byte;
  }
  for (const char byte : text) pieces.emplace_back(CharacterOfByte(static_cast<unsigned char>(byte)));
  const std::string space(CharacterOfByte(' '));
  json pairs = json::array();
  for (std::size_t i = 0; i < merges; ++i) {
    std::map<std::pair<std::string, std::string>, int> counts;
    for (std::size_t p = 0; p + 1 < pieces.size(); ++p) {
      if (!pieces[p + 1].starts_with(space)) ++counts[{pieces[p], pieces[p + 1]}];
    }
    auto best = counts.begin();
    for (auto at = counts.begin(); at != counts.end(); ++at) {
      if (at->second > best->second) best = at;
    }
    if (best == counts.end()) break;
    const auto [left, right] = best->first;
    if (!vocabulary.contains(left + right)) vocabulary[left + right] = vocabulary.size();
    pairs.push_back(json::array({left, right}));
    std::vector<std::string> merged;
    for (std::size_t p = 0; p < pieces.size(); ++p) {
      if (p + 1 < pieces.size() && pieces[p] == left && pieces[p + 1] == right) {
        merged.push_back(left + right);
        ++p;
      } else {
        merged.push_back(pieces[p]);
      }
    }
    pieces = std::move(merged);
  }
  json all = {{"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}}},
              {"decoder", {{"type", "ByteLevel"}}},
              {"model", {{"vocab", vocabulary}, {"merges", pairs}}}};
  if (!parts.is_null()) all.update(parts);
  json document = MadeTokenizerJson({});
  document["model"] = json{{"type", "BPE"}};
  for (const auto& [key, value] : all.items()) document[key] = value;
  return document;
}

}  // namespace actkin
