// Checkpoints under the names that wrappers of a model and training scripts leave.
#include "indexer/model/checkpoint.h"

#include <gmock/gmock.h>

#include "tests/error_matchers.h"
#include "tests/shared_data.h"
#include "tests/temporary_folder.h"

namespace actkin {
namespace {

using testing::HasSubstr;

void ExpectSameTensors(const StateDict& state, const StateDict& expected) {
  EXPECT_EQ(state.Shapes(), expected.Shapes());
  for (const auto& [name, tensor] : expected.tensors) {
    const auto found = state.tensors.find(name);
    EXPECT_TRUE(found != state.tensors.end() && found->second.values == tensor.values) << name;
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
  }

  std::filesystem::path Write(const StateDict& state) const {
    return folder_.Write("m.safetensors", SerializeSafetensors(state));
  }

  const TemporaryFolder folder_;
  StateDict state_;
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
    ExpectSameTensors(checkpoint.state, state_);
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
    ExpectSameTensors(checkpoint.state, state_);
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

}  // namespace
}  // namespace actkin
