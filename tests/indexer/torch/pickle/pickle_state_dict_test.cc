#include "indexer/torch/pickle/pickle_state_dict.h"

#include <gmock/gmock.h>

#include <limits>

#include "tests/error_matchers.h"
#include "tests/indexer/torch/pickle/pickle_bytes.h"

namespace actkin {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::StartsWith;

PickledStateDict Parse(const std::string& bytes) { return ParsePickle(std::as_bytes(std::span(bytes)), "m.pt"); }

std::string ErrorOfParse(const std::string& bytes) {
  return ErrorOf([&] { Parse(bytes); });
}

// Two tensors, the second of another type, as a matrix that was transposed and sliced; and the modules' versions.
std::string TwoTensors(int protocol) {
  PickleBytes pickle(protocol);
  pickle.OrderedDict().Put(0).Raw("(");
  pickle.String("a.weight").Tensor("0", {2, 3});
  pickle.String("b").Tensor("HalfStorage", "17", 1000, 4, {3, 5}, {1, 10});
  return pickle.Raw("u").Metadata().Stop();
}

class ProtocolTest : public testing::TestWithParam<int> {};

TEST_P(ProtocolTest, NamesLeadToWhereTheTensorsLie) {
  const std::string bytes = TwoTensors(GetParam());
  const PickledStateDict state = Parse(bytes);
  EXPECT_EQ(state.bytes, bytes.size());
  ASSERT_EQ(state.tensors.size(), 2);
  EXPECT_EQ(state.tensors.at("a.weight"), (PickledTensor{.storage_key = "0",
                                                         .storage_type = "FloatStorage",
                                                         .storage_count = 6,
                                                         .offset = 0,
                                                         .shape = {2, 3},
                                                         .strides = {3, 1}}));
  EXPECT_EQ(state.tensors.at("b"), (PickledTensor{.storage_key = "17",
                                                  .storage_type = "HalfStorage",
                                                  .storage_count = 1000,
                                                  .offset = 4,
                                                  .shape = {3, 5},
                                                  .strides = {1, 10}}));
  EXPECT_EQ(state.tensors.at("b").Count(), 15);
}

TEST_P(ProtocolTest, WhatFollowsThePickleIsNotLookedAt) {
  const std::string bytes = TwoTensors(GetParam());
  EXPECT_EQ(Parse(bytes + "\xff\xffrest").bytes, bytes.size());
}

TEST_P(ProtocolTest, APickleCutShortAnywhereIsAnError) {
  const std::string bytes = TwoTensors(GetParam());
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_THAT(ErrorOfParse(bytes.substr(0, length)), OneLineWith("m.pt: ")) << length;
  }
}

TEST_P(ProtocolTest, AnyChangedByteGivesAStateDictOrAnErrorOfOneLine) {
  const std::string bytes = TwoTensors(GetParam());
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    for (int value = 0; value < 256; ++value) {
      std::string changed = bytes;
      changed[i] = static_cast<char>(value);
      EXPECT_THAT(ErrorOfParse(changed), testing::AnyOf("no error", OneLineWith("m.pt: "))) << i << " " << value;
    }
  }
}

TEST_P(ProtocolTest, AnUnknownGlobalIsNamedAndNeverCalled) {
  PickleBytes pickle(GetParam());
  pickle.Global("os", "system").String("touch /tmp/harmed").Byte(0x85).Raw("R");
  EXPECT_THAT(ErrorOfParse(pickle.Stop()), OneLineWith("m.pt", "os.system"));
}

TEST_P(ProtocolTest, AStateDictWithoutTensorsIsEmpty) {
  EXPECT_THAT(Parse(PickleBytes(GetParam()).OrderedDict().Stop()).tensors, IsEmpty());
}

TEST_P(ProtocolTest, AParameterIsItsTensor) {
  PickleBytes pickle(GetParam());
  pickle.OrderedDict().String("p").Global("torch._utils", "_rebuild_parameter").Raw("(");
  pickle.Tensor("3", {4}).Byte(0x88).OrderedDict().Raw("tRs");
  EXPECT_THAT(Parse(pickle.Stop()).tensors.at("p").shape, ElementsAre(4));
}

TEST_P(ProtocolTest, RememberedValuesAreRecalled) {
  PickleBytes pickle(GetParam());
  pickle.Raw("}").Put(0).Raw("0");  // slot 0 holds a dictionary that is not on the stack any more
  pickle.Get(0).String("tied").Tensor("0", {2}).Put(1).Raw("s");
  pickle.String("to").Get(1).Raw("s");
  EXPECT_EQ(Parse(pickle.Stop()).tensors.at("tied"), Parse(pickle.Stop()).tensors.at("to"));
}

INSTANTIATE_TEST_SUITE_P(Protocols, ProtocolTest, testing::Values(2, 4));

TEST(PickleStateDictTest, AnUnknownOpcodeIsNamed) {
  // INST, which makes an instance of any class in protocol 0.
  EXPECT_THAT(ErrorOfParse(PickleBytes(2).Raw("(ios\nsystem\n").Stop()), OneLineWith("m.pt", "opcode 0x69"));
  EXPECT_THAT(ErrorOfParse(PickleBytes(2).Byte(0x82).Stop()), OneLineWith("opcode 0x82"));
}

TEST(PickleStateDictTest, OtherProtocolsAreRefused) {
  EXPECT_THAT(ErrorOfParse(PickleBytes(1).OrderedDict().Stop()), OneLineWith("protocol 1"));
  EXPECT_THAT(ErrorOfParse(PickleBytes(6).OrderedDict().Stop()), OneLineWith("protocol 6"));
}

TEST(PickleStateDictTest, AValueThatIsNoTensorIsNamed) {
  const auto with = [](std::string_view key, std::string_view value) {
    return PickleBytes(2).OrderedDict().String(key).Raw(value).Raw("s").Stop();
  };
  EXPECT_THAT(ErrorOfParse(with("epoch", "K\x05")), OneLineWith("'epoch'", "an integer", "torch.save"));
  EXPECT_THAT(ErrorOfParse(with("loss", "G12345678")), OneLineWith("'loss'", "a float"));
  EXPECT_THAT(ErrorOfParse(with("weights", "}")), OneLineWith("'weights'", "a dictionary"));
  EXPECT_THAT(ErrorOfParse(with("steps", "](K\x01K\x02\x65")), OneLineWith("'steps'", "a list"));
  EXPECT_THAT(ErrorOfParse(with("name", "N")), OneLineWith("'name'", "None"));
}

// What training scripts save beside the weights: numbers of any size, bytes, sets, objects of their own classes.
std::string Others() {
  PickleBytes pickle(4);
  pickle.Raw("}(");
  pickle.String("args").Global("argparse", "Namespace").Raw(")").Byte(0x81).Raw("}").String("lr").Raw("G12345678sb");
  pickle.String("rng").Raw("C").Byte(3).Raw("abc");
  pickle.String("seen").Byte(0x8f).Raw("(K\x01K\x02").Byte(0x90);
  pickle.String("frozen").Raw("(K\x01").Byte(0x91);
  pickle.String("large").Byte(0x8a).Byte(9).Raw("123456789");
  pickle.String("huge").Byte(0x8b).Number(9, 4).Raw("123456789");
  pickle.String("counts").Global("collections", "Counter").Raw("}").Byte(0x85).Raw("R");
  pickle.String("defaults").Global("collections", "defaultdict").Global("builtins", "list").Byte(0x85).Raw("R");
  pickle.String("key").Raw("K\x01s");
  pickle.String("optimizer").Raw("}").String("state").Raw("}K\x07").Tensor("9", {2}).Raw("ss");
  pickle.String("losses").Raw("](G12345678G12345678\x65");
  pickle.String("device").Global("torch", "device").String("cuda").Byte(0x85).Raw("R");
  pickle.String("quantized").Global("torch._utils", "_rebuild_qtensor").Raw(")R");
  return pickle.Stop();
}

TEST(PickleStateDictTest, AStateDictIsFoundBesideAnythingElse) {
  const std::string others = Others();
  for (const std::string key : {"model", "state_dict", "model_state_dict"}) {
    PickleBytes pickle(4);
    pickle.Raw(others.substr(2, others.size() - 3)).String(key).OrderedDict();
    pickle.String("w").Tensor("0", {2}).Raw("s").Metadata().Raw("u");
    EXPECT_THAT(Parse(pickle.Stop()).tensors, ElementsAre(testing::Key(key + ".w"))) << key;
  }
}

TEST(PickleStateDictTest, TwoStateDictsAreNoChoiceOfOurs) {
  PickleBytes pickle(2);
  pickle.Raw("}(").String("model").Raw("}").String("state_dict").Raw("}u");
  EXPECT_THAT(ErrorOfParse(pickle.Stop()), OneLineWith("'model'", "'state_dict'"));
}

TEST(PickleStateDictTest, NestingGoesOneLevelDeep) {
  const std::string deeper = PickleBytes(2).Raw("}").String("model").Raw("}").String("model").Raw("}").Raw("ss").Stop();
  EXPECT_THAT(ErrorOfParse(deeper), OneLineWith("'model.model' is a dictionary"));
}

TEST(PickleStateDictTest, AnObjectIsNamedByItsClass) {
  const auto object = [](PickleBytes& pickle) -> PickleBytes& {
    return pickle.Global("__main__", "GPT").Raw(")").Byte(0x81).Raw("}").String("training").Byte(0x88).Raw("sb");
  };
  PickleBytes whole(4);
  EXPECT_THAT(ErrorOfParse(object(whole).Stop()), OneLineWith("holds an object of __main__.GPT", "state_dict"));
  PickleBytes nested(4);
  nested.Raw("}").String("model");
  EXPECT_THAT(ErrorOfParse(object(nested).Raw("s").Stop()), OneLineWith("'model' is an object of __main__.GPT"));
  PickleBytes typed(4);
  typed.OrderedDict().String("w").Tensor("ComplexFloatStorage", "0", 2, 0, {2}, {1});
  EXPECT_THAT(ErrorOfParse(typed.Raw("s").Stop()), OneLineWith("'w'", "torch.ComplexFloatStorage"));
}

TEST(PickleStateDictTest, SomethingElseThanADictionaryIsAnError) {
  EXPECT_THAT(ErrorOfParse(PickleBytes(2).Tensor("0", {2}).Stop()), OneLineWith("a tensor", "state_dict"));
  EXPECT_THAT(ErrorOfParse(PickleBytes(2).Raw("K\x05").Stop()), OneLineWith("an integer"));
}

TEST(PickleStateDictTest, NamesThatWouldBreakALineAreRefused) {
  EXPECT_THAT(ErrorOfParse(PickleBytes(2).OrderedDict().String("a\nb").Tensor("0", {2}).Raw("s").Stop()),
              OneLineWith("'a?b'"));
  EXPECT_THAT(ErrorOfParse(PickleBytes(2).OrderedDict().String("").Tensor("0", {2}).Raw("s").Stop()),
              OneLineWith("cannot name a tensor"));
  EXPECT_THAT(ErrorOfParse(PickleBytes(2).Global("a\x1b", "b").Stop()), OneLineWith("a?.b"));
}

TEST(PickleStateDictTest, ATensorThatStandsTwiceIsNamed) {
  PickleBytes pickle(2);
  pickle.OrderedDict().Raw("(").String("w").Tensor("0", {2}).String("w").Tensor("1", {2}).Raw("u");
  EXPECT_THAT(ErrorOfParse(pickle.Stop()), OneLineWith("tensor w", "twice"));
}

struct BadTensor {
  std::int64_t storage_count;
  std::int64_t offset;
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> strides;
};

TEST(PickleStateDictTest, ATensorOutsideItsStorageIsAnError) {
  constexpr std::int64_t kLargest = std::numeric_limits<std::int64_t>::max();
  const std::vector<BadTensor> tensors{
      {5, 0, {2, 3}, {3, 1}},                             // one more than there are
      {6, 1, {2, 3}, {3, 1}},                             // moved past the end
      {6, 0, {2, 3}, {4, 1}},                             // strides past the end
      {6, kLargest, {2, 3}, {3, 1}},                      // offset + extent overflows
      {6, 0, {2, 3}, {kLargest, kLargest}},               // strides overflow
      {6, 0, {kLargest, kLargest}, {0, 0}},               // the count overflows
      {kLargest, 0, {kLargest, 2, kLargest}, {1, 1, 1}},  // so does this
      {-1, 0, {1}, {1}},                                  // negative sizes
      {6, -1, {1}, {1}},
      {6, 0, {-1}, {1}},
      {6, 0, {2}, {-1}},
      {6, 0, {2, 3}, {1}},                                               // a stride is missing
      {6, 0, {1, 1, 1, 1, 1, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 1, 1, 1, 1}},  // nine dimensions
      {0, 0, {}, {}},                                                    // a scalar of an empty storage
  };
  for (const BadTensor& bad : tensors) {
    PickleBytes pickle(2);
    pickle.OrderedDict().String("w");
    pickle.Tensor("FloatStorage", "0", bad.storage_count, bad.offset, bad.shape, bad.strides).Raw("s");
    EXPECT_THAT(ErrorOfParse(pickle.Stop()), OneLineWith("m.pt: "))
        << bad.storage_count << " " << bad.offset << " " << testing::PrintToString(bad.shape);
  }
}

TEST(PickleStateDictTest, EmptyAndScalarTensorsAreTensors) {
  PickleBytes pickle(2);
  pickle.OrderedDict().Raw("(");
  pickle.String("none").Tensor("FloatStorage", "0", 0, 0, {0, 7}, {7, 1});
  pickle.String("one").Tensor("LongStorage", "1", 1, 0, {}, {}).Raw("u");
  const PickledStateDict state = Parse(pickle.Stop());
  EXPECT_EQ(state.tensors.at("none").Count(), 0);
  EXPECT_EQ(state.tensors.at("one").Count(), 1);
}

TEST(PickleStateDictTest, LengthsBeyondTheEndAreErrors) {
  EXPECT_THAT(ErrorOfParse(PickleBytes(2).Raw("X").Number(0xffffffff, 4).Stop()), OneLineWith("cut short"));
  EXPECT_THAT(ErrorOfParse(PickleBytes(4).Byte(0x8d).Number(~std::uint64_t{0}, 8).Stop()), OneLineWith("cut short"));
  EXPECT_THAT(ErrorOfParse(PickleBytes(2).Byte(0x8a).Byte(9).Raw("123456789").Stop()),
              OneLineWith("more than 8 bytes"));
  EXPECT_THAT(ErrorOfParse(PickleBytes(2).Raw("c" + std::string(100000, 'x')).Stop()), OneLineWith("global"));
}

TEST(PickleStateDictTest, WhatIsNotThereCannotBeTaken) {
  for (const char* opcodes :
       {"t",           "u",     "s",    "0",     "1",      "R",       "Q",        "b",       "a",   "e",      "h\x07",
        "j\x07\1\1\1", "q\x01", "\x85", "(\x85", "K\x01s", "}K\x01s", "}(K\x01u", "K\x01)R", "}}R", "NN\x93", ")Q"}) {
    EXPECT_THAT(ErrorOfParse(PickleBytes(2).Raw(opcodes).Stop()), OneLineWith("m.pt: ")) << opcodes;
  }
  EXPECT_THAT(ErrorOfParse(PickleBytes(2).Stop()), OneLineWith("0 values"));
  EXPECT_THAT(ErrorOfParse(PickleBytes(2).Raw("}}").Stop()), OneLineWith("2 values"));
}

TEST(PickleStateDictTest, StorageKeysThatLeadElsewhereAreRefused) {
  EXPECT_THAT(ErrorOfParse(PickleBytes(2).Storage("FloatStorage", "", 1).Stop()), OneLineWith("names no storage"));
  EXPECT_THAT(ErrorOfParse(PickleBytes(2).Storage("FloatStorage", "a\nb", 1).Stop()), OneLineWith("names no storage"));
}

TEST(PickleStateDictTest, NestingAndRepetitionTakeNoMoreThanTheirLimits) {
  // A tuple in a tuple in a tuple, two million deep; a stack and a memo that only grow; a dictionary that holds itself.
  EXPECT_THAT(ErrorOfParse(PickleBytes(2).Raw(")" + std::string(2000000, '\x85')).Stop()), OneLineWith("containers"));
  EXPECT_THAT(ErrorOfParse(PickleBytes(2).Raw(std::string(2000000, 'N')).Stop()), OneLineWith("stack"));
  EXPECT_THAT(ErrorOfParse(PickleBytes(2).Raw("N" + std::string(3000000, '\x94')).Stop()), OneLineWith("remembers"));
  EXPECT_THAT(ErrorOfParse(PickleBytes(2).Raw("}q").Byte(0).String("self").Get(0).Raw("s").Stop()),
              OneLineWith("'self' is a dictionary"));
  // Longer than any state dict's.
  std::string popped;
  for (int i = 0; i < (9 << 20); ++i) popped += "N0";
  EXPECT_THAT(ErrorOfParse(PickleBytes(2).Raw(popped).Stop()), OneLineWith("bytes"));
}

TEST(PickleTest, NanoGptsArgumentsAreReadBesideTheModel) {
  PickleBytes pickle(2);
  pickle.Raw("}(").String("model").OrderedDict().Raw("(").String("w").Tensor("0", {2}).Raw("u");
  pickle.String("model_args").Raw("}(").String("n_head").Integer(6).String("bias").Byte(0x88);
  pickle.String("dropout").Raw("G").Number(0, 8).String("block_size").Integer(1024).Raw("u");
  pickle.String("iter_num").Integer(7);
  const PickledStateDict state = Parse(pickle.Raw("u").Stop());
  EXPECT_THAT(state.tensors, ElementsAre(testing::Key("model.w")));
  EXPECT_THAT(state.model_arguments,
              ElementsAre(testing::Pair("bias", 1), testing::Pair("block_size", 1024), testing::Pair("n_head", 6)));
}

std::vector<std::string> ParseMeta(const std::string& bytes) {
  return ParseVocabularyPickle(std::as_bytes(std::span(bytes)), "meta.pkl");
}

TEST(VocabularyPickleTest, TextsComeInTheOrderOfTheirIds) {
  PickleBytes pickle(4);
  pickle.Raw("}(").String("vocab_size").Integer(3).String("itos").Raw("}(");
  pickle.Integer(1).String("b").Integer(0).String("\n").Integer(2).String("\xc3\xa9").Raw("u");
  pickle.String("stoi").Raw("}").Raw("u");
  EXPECT_THAT(ParseMeta(pickle.Stop()), ElementsAre("\n", "b", "\xc3\xa9"));
}

TEST(VocabularyPickleTest, WhatIsNoVocabularyIsOneLine) {
  const auto error = [](PickleBytes pickle) {
    const std::string bytes = pickle.Stop();
    return ErrorOf([&] { ParseMeta(bytes); });
  };
  PickleBytes none(4);
  none.Raw("}");
  EXPECT_THAT(error(none), OneLineWith("meta.pkl", "no dictionary 'itos'"));
  PickleBytes gap(4);
  gap.Raw("}").String("itos").Raw("}").Integer(5).String("a").Raw("ss");
  EXPECT_THAT(error(gap), OneLineWith("meta.pkl", "the id 5"));
  PickleBytes call(4);
  call.Raw("}").String("itos").Global("os", "system").Raw("(").String("true").Raw("tRs");
  EXPECT_THAT(error(call), OneLineWith("meta.pkl", "no dictionary 'itos'"));
  PickleBytes number(4);
  number.Raw("}").String("itos").Raw("}").Integer(0).Integer(1).Raw("ss");
  EXPECT_THAT(error(number), OneLineWith("meta.pkl", "an integer and a string"));
}

}  // namespace
}  // namespace actkin
