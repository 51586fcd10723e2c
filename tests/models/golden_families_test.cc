// The published families as their own libraries compute them.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "indexer/model/checkpoint.h"
#include "schema/error.h"
#include "storage/exchange/safetensors.h"
#include "tests/models/interpreters.h"
#include "tests/shared_data.h"
#include "tests/temporary_folder.h"

namespace actkin {
namespace {

std::vector<TokenId> Ids(const SafetensorsFile& file, const std::string& name) {
  const SafetensorsFile::Bytes raw = file.Raw(name);
  EXPECT_EQ(raw.type, "I32");
  std::vector<TokenId> ids(raw.bytes.size() / sizeof(TokenId));
  std::memcpy(ids.data(), raw.bytes.data(), raw.bytes.size());
  return ids;
}

void ExpectNear(const std::vector<float>& found, const std::vector<float>& expected, const std::string& what) {
  ASSERT_EQ(found.size(), expected.size()) << what;
  for (std::size_t i = 0; i < found.size(); ++i) {
    ASSERT_NEAR(found[i], expected[i], 1e-4 + 1e-4 * std::abs(expected[i])) << what << ", number " << i;
  }
}

class GoldenFamiliesTest : public testing::TestWithParam<const char*> {};

TEST_P(GoldenFamiliesTest, EveryStreamOfEveryBlockAndTheLogitsOfEverySequence) {
  const std::string name = GetParam();
  ACTKIN_NEEDS_SHARED_DATA("golden/families/" + name);
  const std::filesystem::path folder = SharedData("golden/families/" + name);
  const bool is_file = name.starts_with("nanogpt");
  const Checkpoint checkpoint = ReadCheckpoint(is_file ? folder / "ckpt.pt" : folder);
  EXPECT_EQ(checkpoint.vocabulary.has_value(), is_file);
  const TemporaryFolder kept;
  WriteModelFile(kept / "model.safetensors", *checkpoint.model);
  const SafetensorsFile file(folder / "golden.safetensors");
  const StateDict golden = [&] {
    StateDict state;
    for (const auto& [tensor, shape] : file.Shapes()) {
      const SafetensorsFile::Bytes raw = file.Raw(tensor);
      if (raw.type == "I32") continue;
      Tensor& read = state.tensors[tensor];
      read.shape = shape;
      read.values.resize(raw.bytes.size() / sizeof(float));
      ConvertToFloat(raw.type, raw.bytes.data(), read.values.size(), read.values.data(), tensor);
    }
    return state;
  }();
  int sequence = 0;
  for (; file.Has(fmt::format("sequence.{}.ids", sequence)); ++sequence) {
    const auto of = [&](const std::string& rest) {
      return golden.tensors.at(fmt::format("sequence.{}.{}", sequence, rest)).values;
    };
    const std::vector<TokenId> ids = Ids(file, fmt::format("sequence.{}.ids", sequence));
    const SequenceOutputs batched = RunBatched(*checkpoint.model, ids);
    const SequenceOutputs prompt = RunPrompt(kept / "model.safetensors", ids);
    ExpectNear(prompt.rows.at({Stream::kEmbedding, 0}), of("embedding"), "embedding");
    for (int block = 0; block < checkpoint.model->description().shape.blocks; ++block) {
      for (const Stream stream : {Stream::kProj, Stream::kFfwd, Stream::kResidual}) {
        const std::string what = fmt::format("block.{}.{}", block, Name(stream));
        ExpectNear(batched.rows.at({stream, block}), of(what), "batched " + what);
        ExpectNear(prompt.rows.at({stream, block}), of(what), "prompt " + what);
      }
    }
    ExpectNear(prompt.logits, of("logits"), "logits");
  }
  EXPECT_GT(sequence, 0);
}

INSTANTIATE_TEST_SUITE_P(Families, GoldenFamiliesTest,
                         testing::Values("gpt2", "gpt2-untied-prefixless", "gpt_neox", "gpt_neox-sequential", "llama",
                                         "llama-rope-linear", "llama-rope-llama3", "mistral", "nanogpt",
                                         "nanogpt-no-bias", "qwen2", "qwen3"),
                         [](const auto& instance) {
                           std::string name = instance.param;
                           for (char& c : name) c = c == '-' ? '_' : c;
                           return name;
                         });

}  // namespace
}  // namespace actkin
