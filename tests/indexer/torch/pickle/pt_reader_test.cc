// .pt files that LibTorch's own writer makes, and files that are none.
#include <caffe2/serialize/inline_container.h>
#include <gmock/gmock.h>

#include <cstring>
#include <numeric>

#include "indexer/model/torch_backend.h"
#include "storage/machine/file.h"
#include "tests/error_matchers.h"
#include "tests/indexer/torch/loaded_floats.h"
#include "tests/indexer/torch/pickle/pickle_bytes.h"
#include "tests/shared_data.h"
#include "tests/temporary_folder.h"

namespace actkin {
namespace {

using testing::ElementsAre;

// The bytes of numbers as they lie in memory.
template <typename Number>
std::string BytesOf(const std::vector<Number>& numbers) {
  return {reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(Number)};
}

std::vector<float> CountingFrom(float first, std::size_t count) {
  std::vector<float> numbers(count);
  std::iota(numbers.begin(), numbers.end(), first);
  return numbers;
}

class PtReaderTest : public testing::Test {
 protected:
  // An archive of these records, as torch.save would name them; `compressed` names one that is deflated.
  std::filesystem::path Archive(const std::map<std::string, std::string>& records,
                                const std::string& compressed = "") const {
    const std::filesystem::path path = folder_ / "model.pt";
    caffe2::serialize::PyTorchStreamWriter writer(path.string());
    for (const auto& [name, bytes] : records) {
      writer.writeRecord(name, bytes.data(), bytes.size(), name == compressed);
    }
    writer.writeEndOfFile();
    return path;
  }

  static std::map<std::string, LoadedTensor> Load(const std::filesystem::path& path) {
    return LoadTorchBackend().ReadPt(path, [](const std::string& name) { return name.ends_with(".tril"); }).tensors;
  }
  static StateDict Read(const std::filesystem::path& path) { return LoadedFloats(Load(path)); }
  static std::string ErrorOfRead(const std::filesystem::path& path) {
    return ErrorOf([&] { Read(path); });
  }

  const TemporaryFolder folder_;
};

TEST_F(PtReaderTest, NumbersOfEveryFloatingPointTypeAreRead) {
  PickleBytes pickle(2);
  pickle.OrderedDict().Raw("(");
  pickle.String("float").Tensor("FloatStorage", "0", 2, 0, {2}, {1});
  pickle.String("double").Tensor("DoubleStorage", "1", 2, 0, {2}, {1});
  pickle.String("half").Tensor("HalfStorage", "2", 2, 0, {2}, {1});
  pickle.String("bfloat16").Tensor("BFloat16Storage", "3", 2, 0, {2}, {1});
  pickle.Raw("u").Metadata();
  const std::filesystem::path path = Archive({{"data.pkl", pickle.Stop()},
                                              {"data/0", BytesOf<float>({1.5F, -2})},
                                              {"data/1", BytesOf<double>({1.5, -2})},
                                              {"data/2", BytesOf<std::uint16_t>({0x3e00, 0xc000})},
                                              {"data/3", BytesOf<std::uint16_t>({0x3fc0, 0xc000})}});
  // Each in its own precision, double aside.
  std::map<std::string, std::string> types;
  for (const auto& [name, loaded] : Load(path)) types[name] = loaded.type;
  EXPECT_EQ(types, (std::map<std::string, std::string>{
                       {"float", "F32"}, {"double", "F32"}, {"half", "F16"}, {"bfloat16", "BF16"}}));
  const StateDict state = Read(path);
  ASSERT_EQ(state.tensors.size(), 4);
  for (const auto& [name, tensor] : state.tensors) EXPECT_THAT(tensor.values, ElementsAre(1.5F, -2)) << name;
}

TEST_F(PtReaderTest, TransposedSlicedAndTiedTensorsAreReadRowByRow) {
  PickleBytes pickle(4);
  pickle.OrderedDict().Raw("(");
  pickle.String("plain").Tensor("FloatStorage", "0", 12, 0, {3, 4}, {4, 1});
  pickle.String("transposed").Tensor("FloatStorage", "0", 12, 0, {4, 3}, {1, 4});
  pickle.String("column").Tensor("FloatStorage", "0", 12, 2, {3}, {4});
  pickle.String("cube").Tensor("FloatStorage", "0", 12, 1, {2, 1, 2}, {6, 99, 3});
  pickle.Raw("u");
  const StateDict state = Read(Archive({{"data.pkl", pickle.Stop()}, {"data/0", BytesOf(CountingFrom(0, 12))}}));
  EXPECT_EQ(state.tensors.at("plain").values, CountingFrom(0, 12));
  EXPECT_THAT(state.tensors.at("transposed").values, ElementsAre(0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11));
  EXPECT_THAT(state.tensors.at("transposed").shape, ElementsAre(4, 3));
  EXPECT_THAT(state.tensors.at("column").values, ElementsAre(2, 6, 10));
  EXPECT_THAT(state.tensors.at("cube").values, ElementsAre(1, 4, 7, 10));
}

TEST_F(PtReaderTest, TransposedTensorsKeepTheirPrecision) {
  PickleBytes pickle(2);
  pickle.OrderedDict().Raw("(").String("w").Tensor("HalfStorage", "0", 4, 0, {2, 2}, {1, 2}).Raw("u");
  const std::map<std::string, LoadedTensor> loaded =
      Load(Archive({{"data.pkl", pickle.Stop()}, {"data/0", BytesOf<std::uint16_t>({1, 2, 3, 4})}}));
  const std::string expected = BytesOf<std::uint16_t>({1, 3, 2, 4});
  const std::vector<std::byte>& bytes = loaded.at("w").bytes;
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()), expected);
  EXPECT_EQ(loaded.at("w").type, "F16");
}

TEST_F(PtReaderTest, NamesOfANestedStateDictComeAfterItsKeyAndIgnoredOnesAreNotRead) {
  PickleBytes pickle(2);
  pickle.Raw("}(").String("epoch").Raw("K\x05").String("state_dict").OrderedDict().Raw("(");
  pickle.String("model._orig_mod.w").Tensor("0", {2});
  pickle.String("model._orig_mod.blocks.0.sa.heads.0.tril").Tensor("BoolStorage", "absent", 4, 0, {2, 2}, {2, 1});
  pickle.Raw("uu");
  const StateDict state = Read(Archive({{"data.pkl", pickle.Stop()}, {"data/0", BytesOf(CountingFrom(0, 2))}}));
  EXPECT_THAT(state.Shapes(), ElementsAre(testing::Key("state_dict.model._orig_mod.w")));
}

TEST_F(PtReaderTest, AnExpandedTensorIsNamed) {
  const auto with = [&](const std::string& name) {
    PickleBytes pickle(2);
    pickle.OrderedDict().String(name).Tensor("FloatStorage", "0", 1, 0, {48}, {0}).Raw("s");
    return ErrorOfRead(Archive({{"data.pkl", pickle.Stop()}, {"data/0", BytesOf(CountingFrom(0, 1))}}));
  };
  EXPECT_THAT(with("ln_f.bias"), OneLineWith("tensor ln_f.bias", "expanded", "contiguous"));
  EXPECT_EQ(with("blocks.0.sa.heads.0.tril"), "no error");
}

TEST_F(PtReaderTest, IgnoredTensorsMayHaveAnyTypeAndNoBytes) {
  PickleBytes pickle(2);
  pickle.OrderedDict().Raw("(").String("w").Tensor("0", {2});
  pickle.String("blocks.0.sa.heads.0.tril").Tensor("BoolStorage", "absent", 4, 0, {2, 2}, {2, 1}).Raw("u");
  const StateDict state = Read(Archive({{"data.pkl", pickle.Stop()}, {"data/0", BytesOf(CountingFrom(0, 2))}}));
  EXPECT_THAT(state.Shapes(), ElementsAre(testing::Key("w")));
}

TEST_F(PtReaderTest, ATensorOfWholeNumbersIsNamed) {
  PickleBytes pickle(2);
  pickle.OrderedDict().String("w").Tensor("LongStorage", "0", 1, 0, {1}, {1}).Raw("s");
  EXPECT_THAT(ErrorOfRead(Archive({{"data.pkl", pickle.Stop()}, {"data/0", std::string(8, '\1')}})),
              OneLineWith("model.pt", "tensor w", "LongStorage"));
}

TEST_F(PtReaderTest, AStorageOfAnotherSizeThanThePickleSaysIsAnError) {
  const auto error = [&](std::int64_t count) {
    PickleBytes pickle(2);
    pickle.OrderedDict().String("w").Tensor("0", {count}).Raw("s");
    return ErrorOfRead(Archive({{"data.pkl", pickle.Stop()}, {"data/0", BytesOf(CountingFrom(0, 100))}}));
  };
  EXPECT_EQ(error(100), "no error");
  for (const std::int64_t count : {1LL, 99LL, 101LL, 1LL << 40, 1LL << 60, (1LL << 62) + 25}) {
    EXPECT_THAT(error(count), OneLineWith("model.pt", "0")) << count;
  }
}

TEST_F(PtReaderTest, ManyTensorsOfOneStorageAskForNoMoreThanItJustifies) {
  PickleBytes pickle(2);
  pickle.OrderedDict().Raw("(");
  for (int i = 0; i < 100; ++i) pickle.String("w" + std::to_string(i)).Tensor("0", {50});
  pickle.Raw("u");
  EXPECT_THAT(ErrorOfRead(Archive({{"data.pkl", pickle.Stop()}, {"data/0", BytesOf(CountingFrom(0, 50))}})),
              OneLineWith("model.pt", "5000", "50"));
}

TEST_F(PtReaderTest, AMissingRecordIsNamed) {
  PickleBytes pickle(2);
  pickle.OrderedDict().String("w").Tensor("7", {1}).Raw("s");
  EXPECT_THAT(ErrorOfRead(Archive({{"data.pkl", pickle.Stop()}})), OneLineWith("model.pt", "data/7"));
  EXPECT_THAT(ErrorOfRead(Archive({{"other", "x"}})), OneLineWith("model.pt", "data.pkl"));
}

TEST_F(PtReaderTest, CompressedRecordsAreRefused) {
  PickleBytes pickle(2);
  pickle.OrderedDict().String("w").Tensor("0", {1000}).Raw("s");
  EXPECT_THAT(ErrorOfRead(Archive({{"data.pkl", pickle.Stop()}, {"data/0", std::string(4000, '\0')}}, "data/0")),
              OneLineWith("model.pt", "data/0", "compressed"));
  EXPECT_THAT(ErrorOfRead(Archive({{"data.pkl", std::string(4000, '\0')}}, "data.pkl")),
              OneLineWith("model.pt", "data.pkl is compressed", "save it again with torch.save"));
}

TEST_F(PtReaderTest, BigEndianFilesAreRefused) {
  PickleBytes pickle(2);
  pickle.OrderedDict();
  const std::string bytes = pickle.Stop();
  EXPECT_EQ(ErrorOfRead(Archive({{"data.pkl", bytes}, {"byteorder", "little"}})), "no error");
  EXPECT_THAT(ErrorOfRead(Archive({{"data.pkl", bytes}, {"byteorder", "big"}})), OneLineWith("model.pt", "little"));
}

TEST_F(PtReaderTest, AChangedBitOfAWeightIsFound) {
  PickleBytes pickle(2);
  pickle.OrderedDict().String("w").Tensor("0", {4}).Raw("s");
  const std::string weights = BytesOf<float>({0.25F, 12345, -3, 7});
  const std::filesystem::path path = Archive({{"data.pkl", pickle.Stop()}, {"data/0", weights}});
  std::string bytes = ReadFile(path);
  const std::size_t at = bytes.find(weights);
  ASSERT_NE(at, std::string::npos);
  bytes[at + 5] = static_cast<char>(bytes[at + 5] ^ 1);
  EXPECT_THAT(ErrorOfRead(folder_.Write("flipped.pt", bytes)), OneLineWith("flipped.pt", "data/0", "checksum"));
}

TEST_F(PtReaderTest, AFileCutShortAnywhereIsAnError) {
  PickleBytes pickle(2);
  pickle.OrderedDict().String("w").Tensor("0", {4}).Raw("s");
  const std::string bytes = ReadFile(Archive({{"data.pkl", pickle.Stop()}, {"data/0", BytesOf<float>({1, 2, 3, 4})}}));
  // Not every length: LibTorch takes milliseconds for an exception.
  for (std::size_t length = 0; length < bytes.size(); length += 7) {
    EXPECT_THAT(ErrorOfRead(folder_.Write("short.pt", bytes.substr(0, length))), OneLineWith("short.pt")) << length;
  }
}

TEST_F(PtReaderTest, AChangedBitAnywhereGivesTheSameTensorsOrAnErrorOfOneLine) {
  PickleBytes pickle(2);
  pickle.OrderedDict().String("w").Tensor("0", {4}).Raw("s");
  const std::string bytes = ReadFile(Archive({{"data.pkl", pickle.Stop()}, {"data/0", BytesOf<float>({1, 2, 3, 4})}}));
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::string changed = bytes;
    changed[i] = static_cast<char>(changed[i] ^ (1 << (i % 8)));
    const std::filesystem::path path = folder_.Write("changed.pt", changed);
    StateDict state;
    const std::string error = ErrorOf([&] { state = Read(path); });
    if (error != "no error") {
      EXPECT_THAT(error, OneLineWith("changed.pt")) << i;
    } else {
      ASSERT_TRUE(state.tensors.contains("w")) << i;
      EXPECT_THAT(state.tensors.at("w").values, ElementsAre(1, 2, 3, 4)) << i;
    }
  }
}

TEST_F(PtReaderTest, TheGoldenCheckpointCutShortIsAnError) {
  ACTKIN_NEEDS_SHARED_DATA("golden/small/model.pt");
  const std::string bytes = ReadFile(SharedData("golden/small/model.pt"));
  for (const std::size_t length : {bytes.size() - 1, bytes.size() - 30, bytes.size() / 2, std::size_t{100}}) {
    EXPECT_THAT(ErrorOfRead(folder_.Write("short.pt", bytes.substr(0, length))), OneLineWith("short.pt")) << length;
  }
}

TEST_F(PtReaderTest, WhatIsNoArchiveIsNamed) {
  // The magic number that files begin with which PyTorch before 1.6 wrote, as a pickle of its own.
  const std::string legacy("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15);
  EXPECT_THAT(ErrorOfRead(folder_.Write("legacy.pt", legacy)),
              OneLineWith("legacy.pt", "before 1.6", "current PyTorch"));
  EXPECT_THAT(ErrorOfRead(folder_.Write("plain.pkl", "\x80\x04}.")), OneLineWith("plain.pkl", "is a pickle"));
  EXPECT_THAT(ErrorOfRead(folder_.Write("a.npy", "\x93NUMPY\x01")), OneLineWith("a.npy", "NumPy array"));
  EXPECT_THAT(ErrorOfRead(folder_.Write("m.gz", "\x1f\x8b\x08")), OneLineWith("m.gz", "gzip"));
  EXPECT_THAT(ErrorOfRead(folder_.Write("empty.pt", "")), OneLineWith("empty.pt", "empty"));
  EXPECT_THAT(ErrorOfRead(folder_.Write("text.pt", "First Citizen:\n")), OneLineWith("text.pt", "no checkpoint"));
  EXPECT_THAT(ErrorOfRead(folder_.Write("tiny.pt", "P")), OneLineWith("tiny.pt", "no checkpoint"));
  EXPECT_THAT(ErrorOfRead(folder_.path()), OneLineWith(folder_.path().string()));
  EXPECT_THAT(ErrorOfRead(folder_ / "absent.pt"), OneLineWith("absent.pt"));
}

TEST_F(PtReaderTest, OtherZipArchivesAreNamed) {
  // A local header (PKWARE's APPNOTE.TXT, section 4.3.7) with this name, of a record without bytes.
  const auto zip = [](const std::string& name) {
    std::string header("PK\x03\x04", 4);
    header += std::string(22, '\0');
    header += static_cast<char>(name.size());
    return header + std::string(3, '\0') + name;
  };
  EXPECT_THAT(ErrorOfRead(folder_.Write("m.npz", zip("w.npy"))), OneLineWith("m.npz", "NumPy archive"));
  EXPECT_THAT(ErrorOfRead(folder_.Write("m.keras", zip("config.json"))), OneLineWith("zip archive", "config.json"));
  EXPECT_THAT(ErrorOfRead(Archive({{"data.pkl", "x"}, {"constants.pkl", "x"}})),
              OneLineWith("TorchScript", "state_dict()"));
}

}  // namespace
}  // namespace actkin
