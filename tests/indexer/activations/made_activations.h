#ifndef ACTKIN_TESTS_INDEXER_ACTIVATIONS_MADE_ACTIVATIONS_H_
#define ACTKIN_TESTS_INDEXER_ACTIVATIONS_MADE_ACTIVATIONS_H_

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "schema/site.h"

namespace actkin {

// A folder of recorded activations over a made text, whose tokens are its characters: ids.npy, texts.json, and an
// activations.json that tests change before they write it.
class MadeActivations {
 public:
  // Makes the folder, of a text of random letters that is cut into documents of these lengths.
  MadeActivations(std::filesystem::path folder, std::vector<std::uint64_t> document_lengths, unsigned seed = 1);

  const std::filesystem::path& folder() const { return folder_; }
  const std::string& text() const { return text_; }
  const std::vector<TokenId>& tokens() const { return tokens_; }

  // activations.json: tokens, document_lengths and token_texts are set.
  nlohmann::json description;
  // Writes it as it is now.
  void WriteDescription() const;

  // Random numbers, rows x dimension.
  static std::vector<float> Random(std::uint64_t rows, std::uint64_t dimension, unsigned seed);
  void WriteMatrix(const std::string& name, std::span<const float> values, std::uint64_t dimension) const;
  void WriteHalves(const std::string& name, std::span<const std::uint16_t> values, std::uint64_t dimension) const;
  // descr: of whole numbers of 8 bytes, "<i8".
  void WriteNumbers(const std::string& name, std::span<const std::int64_t> numbers) const;
  void Write(const std::string& name, std::string_view bytes) const;
  std::string Read(const std::string& name) const;

  // Writes values to `file` and adds a site of them to the description.
  void AddSite(const std::string& stream, int block, const std::string& file, std::span<const float> values,
               std::uint64_t dimension);

 private:
  std::filesystem::path folder_;
  std::string text_;
  std::vector<TokenId> tokens_;
};

}  // namespace actkin

#endif  // ACTKIN_TESTS_INDEXER_ACTIVATIONS_MADE_ACTIVATIONS_H_
