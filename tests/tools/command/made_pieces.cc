#include "tests/tools/command/made_pieces.h"

#include <nlohmann/json.hpp>
#include <random>
#include <utility>
#include <vector>

#include "schema/text.h"

namespace actkin {
namespace {

// Which character stands for a byte in such a file: itself where it can be seen, else one from U+0100 on (GPT-2's
// bytes_to_unicode).
std::string Letter(unsigned char byte) {
  const auto visible = [](unsigned b) { return (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE; };
  if (visible(byte)) return Utf8(std::u32string(1, byte));
  char32_t letter = 0x100;
  for (unsigned b = 0; b < byte; ++b) letter += visible(b) ? 0 : 1;
  return Utf8(std::u32string(1, letter));
}

std::string Letters(const std::string& bytes) {
  std::string letters;
  for (const char byte : bytes) letters += Letter(static_cast<unsigned char>(byte));
  return letters;
}

}  // namespace

std::string MadePiecesTokenizer() {
  const std::vector<std::pair<std::string, std::string>> merges{
      {"a", "b"},       {"b", "a"},  {"ab", "ba"}, {" ", "c"},    {"t", "h"},    {"th", "e"},
      {"\xE4", "\xB8"}, {"\\", "x"}, {"\\x", "e"}, {"\\xe", "4"}, {"\\xe4", " "}};
  nlohmann::ordered_json vocabulary = nlohmann::ordered_json::object();
  for (unsigned byte = 0; byte < 256; ++byte) vocabulary[Letter(static_cast<unsigned char>(byte))] = byte;
  nlohmann::ordered_json pairs = nlohmann::ordered_json::array();
  for (const auto& [left, right] : merges) {
    vocabulary[Letters(left + right)] = vocabulary.size();
    pairs.push_back(Letters(left) + " " + Letters(right));
  }
  const nlohmann::ordered_json level{
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}};
  const nlohmann::ordered_json file{{"version", "1.0"},
                                    {"truncation", nullptr},
                                    {"padding", nullptr},
                                    {"added_tokens", nlohmann::ordered_json::array()},
                                    {"normalizer", nullptr},
                                    {"pre_tokenizer", level},
                                    {"post_processor", nullptr},
                                    {"decoder", level},
                                    {"model",
                                     {{"type", "BPE"},
                                      {"dropout", nullptr},
                                      {"unk_token", nullptr},
                                      {"continuing_subword_prefix", nullptr},
                                      {"end_of_word_suffix", nullptr},
                                      {"fuse_unk", false},
                                      {"byte_fallback", false},
                                      {"vocab", vocabulary},
                                      {"merges", pairs}}}};
  return file.dump(1);
}

std::string MadePiecesCorpus(std::size_t words) {
  const std::vector<std::string> parts{"abba ", "cab ", "the ", "d\u00e4 ", "\u4e2d\u4e70 ", "ba\n", "\\xe4", "c"};
  std::mt19937 generator(5);
  std::string text;
  for (std::size_t word = 0; word < words; ++word) text += parts[generator() % parts.size()];
  return text;
}

}  // namespace actkin
