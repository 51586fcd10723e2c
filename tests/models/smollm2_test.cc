// A real language model: what transformers computes of SmolLM2-135M, in float32. The folder is made by
// 'tools/smollm2 --float32'; this test is there where the CMake variable ACTKIN_SMOLLM2 names it.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "indexer/model/checkpoint.h"
#include "schema/tokenizer/tokenizer_json.h"
#include "storage/machine/file.h"
#include "tests/models/interpreters.h"
#include "tests/shared_data.h"
#include "tests/temporary_folder.h"

namespace actkin {
namespace {

using nlohmann::json;

constexpr double kRelative = 1e-4;

double Length(std::span<const float> numbers) {
  double sum = 0;
  for (const double number : numbers) sum += number * number;
  return std::sqrt(sum);
}

// The last token's numbers of one stream and block.
void ExpectStream(const SequenceOutputs& found, const json& golden, std::size_t embed) {
  const int block = golden["block"];
  const std::string what = fmt::format("{} block {}", golden["stream"].get<std::string>(), block);
  const std::vector<float>& rows = found.rows.at({ParseStream(golden["stream"].get<std::string>()), block});
  const std::span last = std::span(rows).last(embed);
  const double length = golden["length"];
  EXPECT_NEAR(Length(last), length, kRelative * length) << what;
  for (std::size_t i = 0; i < golden["first"].size(); ++i) {
    const double expected = golden["first"][i];
    EXPECT_NEAR(last[i], expected, kRelative * std::abs(expected) + 1e-5 * length) << what << ", number " << i;
  }
}

TEST(SmolLm2Test, IdsStreamsAndTheMostProbableTokensAreThoseOfItsLibrary) {
  ASSERT_TRUE(std::filesystem::exists(SharedData("golden/smollm2.json"))) << "golden data is absent";
  const std::filesystem::path folder = ACTKIN_SMOLLM2;
  const Checkpoint checkpoint = ReadCheckpoint(folder);
  const auto embed = static_cast<std::size_t>(checkpoint.model->description().shape.embed);
  const TemporaryFolder kept;
  WriteModelFile(kept / "model.safetensors", *checkpoint.model);
  const auto tokenizer = ReadTokenizerJson(ReadFile(folder / "tokenizer.json"), "tokenizer.json");
  for (const json& golden : SharedJson("golden/smollm2.json")) {
    const std::string prompt = golden["prompt"];
    SCOPED_TRACE(prompt);
    const std::vector<TokenId> ids = golden["ids"];
    EXPECT_EQ(tokenizer->Encode(prompt, "prompt"), ids);
    const SequenceOutputs batched = RunBatched(*checkpoint.model, ids);
    const SequenceOutputs single = RunPrompt(kept / "model.safetensors", ids);
    for (const json& stream : golden["last_token"]) {
      ExpectStream(batched, stream, embed);
      ExpectStream(single, stream, embed);
    }
    for (const json& one : golden["top10"]) {
      const double expected = one[2];
      EXPECT_NEAR(single.probabilities.at(one[0]), expected, kRelative * expected) << one[1];
    }
    const double least = golden["top10"].back()[2];
    EXPECT_LE(std::ranges::count_if(single.probabilities, [&](float p) { return p > least * (1 + kRelative); }), 10);
  }
}

}  // namespace
}  // namespace actkin
