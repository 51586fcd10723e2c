// A real language model: what transformers computes of SmolLM2-135M, in float32. The folder is made by
// 'tools/smollm2 --float32'; this test is there where the CMake variable ACTKIN_SMOLLM2 names it.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "indexer/model/checkpoint.h"
#include "query/reader/prompt_forward.h"
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

// The last token's numbers of one stream and block. rows: positions x embed.
void ExpectStream(std::span<const float> rows, const json& golden, std::size_t embed) {
  const std::string what = fmt::format("{} block {}", golden["stream"].get<std::string>(), golden["block"].get<int>());
  const std::span last = rows.last(embed);
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
  const PromptForward forward(kept / "model.safetensors", std::nullopt);
  const auto tokenizer = ReadTokenizerJson(ReadFile(folder / "tokenizer.json"), "tokenizer.json");
  for (const json& golden : SharedJson("golden/smollm2.json")) {
    const std::string prompt = golden["prompt"];
    SCOPED_TRACE(prompt);
    const std::vector<TokenId> ids = golden["ids"];
    EXPECT_EQ(tokenizer->Encode(prompt, "prompt"), ids);
    const SequenceOutputs batched = RunBatched(*checkpoint.model, ids);
    const PromptForward::Activations single = forward.Run(ids);
    for (const json& of : golden["last_token"]) {
      const Stream stream = ParseStream(of["stream"].get<std::string>());
      const int block = of["block"];
      ExpectStream(batched.rows.at({stream, block}), of, embed);
      ExpectStream(single.Of(stream).at(static_cast<std::size_t>(block)), of, embed);
    }
    const std::vector<float> probabilities = forward.NextTokenProbabilities(ids);
    for (const json& one : golden["top10"]) {
      const double expected = one[2];
      EXPECT_NEAR(probabilities.at(one[0]), expected, kRelative * expected) << one[1];
    }
    const double least = golden["top10"].back()[2];
    EXPECT_LE(std::ranges::count_if(probabilities, [&](float p) { return p > least * (1 + kRelative); }), 10);
  }
}

}  // namespace
}  // namespace actkin
