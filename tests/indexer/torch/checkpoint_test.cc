// Checkpoints under the names that wrappers of a model and training scripts leave.
#include "indexer/model/checkpoint.h"

#include <gmock/gmock.h>

#include <limits>

#include "storage/exchange/safetensors.h"
#include "tests/error_matchers.h"
#include "tests/shared_data.h"
#include "tests/temporary_folder.h"

namespace actkin {
namespace {

using testing::HasSubstr;

void ExpectSameTensors(const ModelTensors& model, const ModelTensors& expected) {
  EXPECT_EQ(model.description(), expected.description());
  ASSERT_EQ(model.types().size(), expected.types().size());
  for (const auto& [name, type] : expected.types()) {
    ASSERT_TRUE(model.Has(name)) << name;
    EXPECT_EQ(model.ReadFloats(name), expected.ReadFloats(name)) << name;
  }
}

StateDict UnderPrefix(const StateDict& state, const std::string& prefix) {
  StateDict wrapped;
  for (const auto& [name, tensor] : state.tensors) wrapped.tensors[prefix + name] = tensor;
  return wrapped;
}

class CheckpointTest : public testing::Test {
 protected:
  void SetUp() override {
    ACTKIN_NEEDS_SHARED_DATA("golden/small/model.safetensors");
    state_ = SafetensorsFile(SharedData("golden/small/model.safetensors")).Read();
    plain_ = ReadCheckpoint(SharedData("golden/small/model.safetensors")).model;
  }

  std::filesystem::path Write(const StateDict& state) const {
    return folder_.Write("m.safetensors", SerializeSafetensors(state));
  }

  const TemporaryFolder folder_;
  StateDict state_;
  std::unique_ptr<const ModelTensors> plain_;
};

TEST_F(CheckpointTest, WrappedFilesOfEveryKindAreTheModelWithin) {
  const std::vector<std::pair<std::string, std::string>> files = {{"compiled.pt", "_orig_mod."},
                                                                  {"data-parallel.pt", "module."},
                                                                  {"lightning.ckpt", "state_dict.model."},
                                                                  {"nested.pt", "model_state_dict."}};
  for (const auto& [file, wrapper] : files) {
    SCOPED_TRACE(file);
    ACTKIN_NEEDS_SHARED_DATA("golden/families/wrapped/" + file);
    const Checkpoint checkpoint = ReadCheckpoint(SharedData("golden/families/wrapped/" + file));
    EXPECT_EQ(checkpoint.wrapper, wrapper);
    ExpectSameTensors(*checkpoint.model, *plain_);
  }
}

TEST_F(CheckpointTest, SafetensorsMayBeWrappedToo) {
  for (const std::string wrapper : {"", "_orig_mod.", "module.", "model.", "module._orig_mod.", "_orig_mod.module.",
                                    "state_dict.model._orig_mod."}) {
    SCOPED_TRACE(wrapper);
    StateDict wrapped = UnderPrefix(state_, wrapper);
    wrapped.tensors[wrapper + "blocks.0.sa.heads.0.tril"] = {{1}, {1}};
    const Checkpoint checkpoint = ReadCheckpoint(Write(wrapped));
    EXPECT_EQ(checkpoint.wrapper, wrapper);
    ExpectSameTensors(*checkpoint.model, *plain_);
  }
}

TEST_F(CheckpointTest, APrefixThatIsNotKnownIsNamed) {
  const auto error = [&](const StateDict& state) { return ErrorOf([&] { ReadCheckpoint(Write(state)); }); };
  EXPECT_THAT(error(UnderPrefix(state_, "net.inner.")),
              OneLineWith("token_embedding_table.weight is missing", "all names begin with net.inner."));
  EXPECT_THAT(error(UnderPrefix(state_, "module.net.")), OneLineWith("all names begin with net."));
  StateDict two = UnderPrefix(state_, "module.");
  two.tensors["other"] = {{1}, {1}};
  EXPECT_THAT(error(two), OneLineWith("token_embedding_table.weight is missing"));
  EXPECT_THAT(error(two), testing::Not(HasSubstr("all names")));
}

TEST_F(CheckpointTest, AMissingASurplusAMisshapenAndAnEndlessTensorAreNamed) {
  const auto error = [&](const auto& change) {
    StateDict state = state_;
    change(state.tensors);
    return ErrorOf([&] { ReadCheckpoint(Write(state)); });
  };
  EXPECT_THAT(error([](auto& t) { t.erase("blocks.1.sa.heads.1.value.weight"); }),
              OneLineWith("blocks.1.sa.heads.1.value.weight is missing"));
  EXPECT_THAT(error([](auto& t) { t["blocks.1.sa.heads.9.value.weight"] = t["blocks.1.sa.heads.1.value.weight"]; }),
              OneLineWith("blocks.1.sa.heads.9.value.weight is not part"));
  EXPECT_THAT(error([](auto& t) {
                t["blocks.0.ln1.bias"] = {{7}, std::vector<float>(7)};
              }),
              OneLineWith("blocks.0.ln1.bias has shape [7], expected [48]"));
  EXPECT_THAT(error([](auto& t) { t["ln_f.bias"].values[3] = std::numeric_limits<float>::infinity(); }),
              OneLineWith("ln_f.bias", "NaN or infinity"));
}

}  // namespace
}  // namespace actkin
