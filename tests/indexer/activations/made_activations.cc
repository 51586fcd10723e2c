#include "tests/indexer/activations/made_activations.h"

#include <array>
#include <fstream>
#include <random>

#include "storage/exchange/activations_file.h"
#include "storage/exchange/npy_file.h"
#include "storage/machine/file.h"

namespace actkin {
namespace {

constexpr int kLetters = 6;

template <typename Number>
std::string_view BytesOf(std::span<const Number> numbers) {
  return {reinterpret_cast<const char*>(numbers.data()), numbers.size_bytes()};
}

}  // namespace

MadeActivations::MadeActivations(std::filesystem::path folder, std::vector<std::uint64_t> document_lengths,
                                 unsigned seed)
    : folder_(std::move(folder)) {
  std::filesystem::create_directories(folder_);
  std::uint64_t count = 0;
  for (const std::uint64_t length : document_lengths) count += length;
  std::mt19937 generator(seed);
  nlohmann::json texts = nlohmann::json::array();
  for (int letter = 0; letter < kLetters; ++letter) texts.push_back(std::string(1, static_cast<char>('a' + letter)));
  for (std::uint64_t i = 0; i < count; ++i) {
    // Every letter is there.
    const auto token = static_cast<TokenId>(i < kLetters ? i : generator() % kLetters);
    tokens_.push_back(token);
    text_ += static_cast<char>('a' + token);
  }
  const std::vector<std::int64_t> ids(tokens_.begin(), tokens_.end());
  WriteNumbers("ids.npy", ids);
  Write("texts.json", texts.dump());
  description = {{"tokens", "ids.npy"},
                 {"document_lengths", document_lengths},
                 {"token_texts", "texts.json"},
                 {"sites", nlohmann::json::array()}};
}

void MadeActivations::WriteDescription() const { Write(kActivationsFileName, description.dump()); }

std::vector<float> MadeActivations::Random(std::uint64_t rows, std::uint64_t dimension, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(rows * dimension);
  for (float& value : values) value = normal(generator);
  return values;
}

void MadeActivations::WriteMatrix(const std::string& name, std::span<const float> values,
                                  std::uint64_t dimension) const {
  Write(name, NpyHeader("<f4", std::array{values.size() / dimension, dimension}) + std::string(BytesOf(values)));
}

void MadeActivations::WriteHalves(const std::string& name, std::span<const std::uint16_t> values,
                                  std::uint64_t dimension) const {
  Write(name, NpyHeader("<f2", std::array{values.size() / dimension, dimension}) + std::string(BytesOf(values)));
}

void MadeActivations::WriteNumbers(const std::string& name, std::span<const std::int64_t> numbers) const {
  Write(name, NpyHeader("<i8", std::array{std::uint64_t{numbers.size()}}) + std::string(BytesOf(numbers)));
}

void MadeActivations::Write(const std::string& name, std::string_view bytes) const {
  std::ofstream(folder_ / name, std::ios::binary) << bytes;
}

std::string MadeActivations::Read(const std::string& name) const { return ReadFile(folder_ / name); }

void MadeActivations::AddSite(const std::string& stream, int block, const std::string& file,
                              std::span<const float> values, std::uint64_t dimension) {
  WriteMatrix(file, values, dimension);
  description["sites"].push_back({{"stream", stream}, {"block", block}, {"files", {file}}});
}

}  // namespace actkin
