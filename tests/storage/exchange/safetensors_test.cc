#include "storage/exchange/safetensors.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstring>

#include "tests/error_matchers.h"
#include "tests/temporary_folder.h"

namespace actkin {
namespace {

std::string WithHeader(const std::string& header, const std::string& data) {
  const std::uint64_t size = header.size();
  return std::string(reinterpret_cast<const char*>(&size), 8) + header + data;
}

StateDict SmallState() {
  StateDict state;
  state.tensors["b"] = {{2, 3}, {1, 2, 3, 4, 5, 6}};
  state.tensors["a"] = {{1}, {-0.5F}};
  state.metadata["vocabulary"] = "[\"x\"]";
  return state;
}

TEST(SafetensorsTest, ReadsBackWhatItWrote) {
  const TemporaryFolder folder;
  const std::string bytes = SerializeSafetensors(SmallState());
  EXPECT_EQ(bytes, SerializeSafetensors(SmallState()));
  const SafetensorsFile file(folder.Write("m.safetensors", bytes));
  EXPECT_EQ(file.metadata().at("vocabulary"), "[\"x\"]");
  EXPECT_EQ(file.Shapes(), SmallState().Shapes());
  EXPECT_THAT(file.Values("b"), testing::ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(file.Read().tensors.at("a").values, testing::ElementsAre(-0.5F));
}

TEST(SafetensorsTest, OtherFloatTypesBecomeFloat32) {
  const TemporaryFolder folder;
  std::string data;
  const double value = 0.25;
  data.append(reinterpret_cast<const char*>(&value), 8);
  data += std::string("\x00\x3c\x00\xc0", 4);  // binary16: 1, -2
  data += std::string("\x40\x40", 2);          // bfloat16: 3
  const SafetensorsFile file(
      folder.Write("m.safetensors", WithHeader(R"({"d":{"dtype":"F64","shape":[1],"data_offsets":[0,8]},)"
                                               R"("h":{"dtype":"F16","shape":[2],"data_offsets":[8,12]},)"
                                               R"("b":{"dtype":"BF16","shape":[1],"data_offsets":[12,14]}})",
                                               data)));
  const StateDict state = file.Read();
  EXPECT_THAT(state.tensors.at("d").values, testing::ElementsAre(0.25F));
  EXPECT_THAT(state.tensors.at("h").values, testing::ElementsAre(1.0F, -2.0F));
  EXPECT_THAT(state.tensors.at("b").values, testing::ElementsAre(3.0F));
  EXPECT_THAT(ErrorOf([&] { file.Values("h"); }), OneLineWith("tensor h"));
}

TEST(SafetensorsTest, HostileHeadersAreRefused) {
  const TemporaryFolder folder;
  const std::string data(8, '\0');
  const std::vector<std::string> files{
      "",
      "short",
      std::string(8, '\xff'),
      WithHeader("not JSON", data),
      WithHeader("[]", data),
      WithHeader(R"({"a":1})", data),
      WithHeader(R"({"a":{"dtype":"F32","shape":[2]}})", data),
      WithHeader(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0]}})", data),
      WithHeader(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,9]}})", data),
      WithHeader(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})", data),
      WithHeader(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", data),
      WithHeader(R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", data),
      WithHeader(R"({"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", data),
      WithHeader(R"({"a":{"dtype":"F32","shape":[4611686018427387904,4611686018427387904],"data_offsets":[0,0]}})",
                 data),
      WithHeader(R"({"a":{"dtype":"F99","shape":[2],"data_offsets":[0,8]}})", data),
      WithHeader(R"({"a":{"dtype":"F32","shape":"x","data_offsets":[0,8]}})", data),
      WithHeader(R"({"__metadata__":{"k":1}})", data),
      WithHeader(std::string(100'000, '['), data),
  };
  for (const std::string& bytes : files) {
    const auto path = folder.Write("m.safetensors", bytes);
    EXPECT_THAT(ErrorOf([&] { SafetensorsFile{path}; }), OneLineWith(path.string())) << bytes.substr(0, 100);
  }
}

TEST(SafetensorsTest, EveryByteBelongsToOneTensor) {
  const TemporaryFolder folder;
  const auto error = [&](const std::string& header, std::size_t bytes) {
    const auto path = folder.Write("m.safetensors", WithHeader(header, std::string(bytes, '\0')));
    return ErrorOf([&] { SafetensorsFile{path}; });
  };
  const auto tensor = [](const char* name, int numbers, int begin, int end) {
    return fmt::format(R"("{}":{{"dtype":"F32","shape":[{}],"data_offsets":[{},{}]}})", name, numbers, begin, end);
  };
  const auto both = [&](const std::string& a, const std::string& b) { return "{" + a + "," + b + "}"; };
  EXPECT_EQ(error(both(tensor("b", 2, 4, 12), tensor("a", 1, 0, 4)), 12), "no error");
  EXPECT_EQ(error(both(tensor("a", 1, 0, 4), tensor("none", 0, 4, 4)), 4), "no error");
  EXPECT_EQ(error(both(tensor("none", 0, 0, 0), tensor("a", 1, 0, 4)), 4), "no error");
  EXPECT_THAT(error(both(tensor("a", 2, 0, 8), tensor("b", 2, 0, 8)), 8), OneLineWith("tensors a and b", "same bytes"));
  EXPECT_THAT(error(both(tensor("a", 2, 0, 8), tensor("b", 1, 4, 8)), 8), OneLineWith("tensors a and b", "same bytes"));
  EXPECT_THAT(error(both(tensor("a", 1, 0, 4), tensor("b", 1, 8, 12)), 12), OneLineWith("4 bytes", "a and b"));
  EXPECT_THAT(error("{" + tensor("a", 1, 4, 8) + "}", 8), OneLineWith("4 bytes", "the header and a"));
  EXPECT_THAT(error("{" + tensor("a", 1, 0, 4) + "}", 5), OneLineWith("1 bytes after a"));
  EXPECT_THAT(error("{}", 1), OneLineWith("1 bytes after the header"));
}

TEST(SafetensorsTest, NoKeyStandsTwice) {
  const TemporaryFolder folder;
  const std::string a = R"("a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]})";
  const auto error = [&](const std::string& header) {
    const auto path = folder.Write("m.safetensors", WithHeader(header, std::string(4, '\0')));
    return ErrorOf([&] { SafetensorsFile{path}; });
  };
  EXPECT_EQ(error("{" + a + "}"), "no error");
  EXPECT_THAT(error("{" + a + "," + a + "}"), OneLineWith("\"a\" twice"));
  EXPECT_THAT(error(R"({"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}})"),
              OneLineWith("\"dtype\" twice"));
  EXPECT_THAT(error(R"({"__metadata__":{"":"x","":"y"},)" + a + "}"), OneLineWith("\"\" twice"));
}

TEST(SafetensorsTest, OnlySpacesFollowTheHeader) {
  const TemporaryFolder folder;
  const std::string header = R"({"__metadata__":null,"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  const auto error = [&](const std::string& before, const std::string& after) {
    const auto path = folder.Write("m.safetensors", WithHeader(before + header + after, std::string(4, '\0')));
    return ErrorOf([&] { SafetensorsFile{path}; });
  };
  EXPECT_EQ(error("", "     "), "no error");
  EXPECT_THAT(error("", std::string(2, '\0')), OneLineWith("not a JSON object"));
  EXPECT_THAT(error("", "x"), OneLineWith("not a JSON object"));
  EXPECT_THAT(error("\xef\xbb\xbf", ""), OneLineWith("not a JSON object"));
}

TEST(SafetensorsTest, EveryTruncationIsRefused) {
  const TemporaryFolder folder;
  const std::string whole = SerializeSafetensors(SmallState());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto path = folder.Write("m.safetensors", whole.substr(0, size));
    EXPECT_NE(ErrorOf([&] { SafetensorsFile{path}; }), "no error") << size;
  }
}

TEST(SafetensorsTest, IntegersAreNoWeights) {
  const TemporaryFolder folder;
  const auto path = folder.Write(
      "m.safetensors", WithHeader(R"({"a":{"dtype":"I32","shape":[2],"data_offsets":[0,8]}})", std::string(8, '\0')));
  EXPECT_THAT(ErrorOf([&] { SafetensorsFile(path).Read(); }), OneLineWith("tensor a", "I32"));
}

}  // namespace
}  // namespace actkin
