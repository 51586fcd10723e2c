#include "storage/exchange/npy_file.h"

#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <vector>

#include "tests/error_matchers.h"
#include "tests/storage/exchange/npy_bytes.h"
#include "tests/temporary_folder.h"

namespace actkin {
namespace {

// A file of any header.
std::string WithHeader(int version, const std::string& header, const std::string& data) {
  std::string bytes = "\x93NUMPY";
  bytes += static_cast<char>(version);
  bytes += '\0';
  const auto size = static_cast<std::uint32_t>(header.size());
  bytes.append(reinterpret_cast<const char*>(&size), version == 1 ? 2 : 4);
  return bytes + header + data;
}

TEST(NpyFileTest, ReadsBackWhatItWrote) {
  const TemporaryFolder folder;
  const std::array<float, 6> values{1, 2, 3, 4, 5, 6};
  const std::string bytes = NpyBytes<float>("<f4", {2, 3}, values);
  EXPECT_EQ((bytes.size() - sizeof(values)) % 64, 0U);
  const NpyFile file(folder.Write("a.npy", bytes));
  EXPECT_EQ(file.type_name(), "float32");
  EXPECT_EQ(file.shape_text(), "(2, 3)");
  EXPECT_EQ(file.count(), 6U);
  EXPECT_EQ(BytesOf(file.bytes()), BytesOf(std::span<const float>(values)));
}

TEST(NpyFileTest, EveryVersionAndSpellingOfTheHeader) {
  const TemporaryFolder folder;
  const std::string data(8, '\0');
  const std::vector<std::pair<int, std::string>> headers{
      {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n"},
      {2, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n"},
      {3, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }   \n"},
      {1, R"({"shape":(2,),"fortran_order":False,"descr":"<f4"})"},
      {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2L,)}"},
      {1, "{'descr': '<f4', 'fortran_order': True, 'shape': (2,)}"},  // of one dimension: no other order
      {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2)}"},
      {1, "{'descr': '<f8', 'fortran_order': False, 'shape': ()}"},
  };
  for (const auto& [version, header] : headers) {
    const auto path = folder.Write("a.npy", WithHeader(version, header, data));
    EXPECT_EQ(ErrorOf([&] { EXPECT_EQ(NpyFile(path).bytes().size(), 8U); }), "no error") << header;
  }
}

TEST(NpyFileTest, WholeNumbersOfEveryType) {
  const TemporaryFolder folder;
  const auto whole = [&](const char* descr, auto number) {
    using Number = decltype(number);
    const std::array<Number, 2> numbers{Number{7}, number};
    return NpyFile(folder.Write("a.npy", NpyBytes<Number>(descr, {2}, numbers))).Whole(1);
  };
  EXPECT_EQ(whole("|i1", std::int8_t{127}), 127U);
  EXPECT_EQ(whole("|u1", std::uint8_t{200}), 200U);
  EXPECT_EQ(whole("<i1", std::int8_t{3}), 3U);
  EXPECT_EQ(whole("<i2", std::int16_t{32767}), 32767U);
  EXPECT_EQ(whole("<u2", std::uint16_t{40000}), 40000U);
  EXPECT_EQ(whole("<i4", std::int32_t{50256}), 50256U);
  EXPECT_EQ(whole("<u4", std::uint32_t{4'000'000'000}), 4'000'000'000U);
  EXPECT_EQ(whole("<i8", std::int64_t{50256}), 50256U);
  EXPECT_EQ(whole("<u8", std::numeric_limits<std::uint64_t>::max()), std::numeric_limits<std::uint64_t>::max());
  EXPECT_THAT(ErrorOf([&] { whole("<i8", std::int64_t{-1}); }), OneLineWith("a.npy", "entry 1 is negative"));
  EXPECT_THAT(ErrorOf([&] { whole("|i1", std::int8_t{-128}); }), OneLineWith("entry 1 is negative"));
}

TEST(NpyFileTest, WhatIsNoArrayOfNumbersIsRefusedByName) {
  const TemporaryFolder folder;
  const auto refused = [&](const std::string& descr, const std::string& order, const std::string& shape) {
    const std::string header = "{'descr': " + descr + ", 'fortran_order': " + order + ", 'shape': " + shape + ", }\n";
    const auto path = folder.Write("a.npy", WithHeader(1, header, std::string(8, '\0')));
    return ErrorOf([&] { NpyFile{path}; });
  };
  EXPECT_EQ(refused("'<f4'", "False", "(2,)"), "no error");
  EXPECT_THAT(refused("'<f4'", "True", "(2, 1)"), OneLineWith("a.npy", "Fortran order", "ascontiguousarray"));
  EXPECT_THAT(refused("'|O'", "False", "(1,)"), OneLineWith("array of objects"));
  EXPECT_THAT(refused("'>f4'", "False", "(2,)"), OneLineWith("big-endian", "astype('<f4')"));
  EXPECT_THAT(refused("[('a', '<f4')]", "False", "(2,)"), OneLineWith("array of records"));
  for (const char* descr : {"'<c8'", "'|b1'", "'<U2'", "'<M8[s]'", "'<V2'", "'|f4'", "'f4'", "''", "'='", "'<f16'"}) {
    EXPECT_THAT(refused(descr, "False", "(1,)"), OneLineWith("an array of", "expected float16, float32")) << descr;
  }
  EXPECT_THAT(refused("'<f4'", "False", "(3,)"), OneLineWith("8 bytes", "(3,) of float32 takes 12"));
  EXPECT_THAT(refused("'<f4'", "False", "(1,)"), OneLineWith("8 bytes", "takes 4"));
  EXPECT_THAT(refused("'<f4'", "False", "(4611686018427387904, 4)"), OneLineWith("too large"));
  EXPECT_THAT(refused("'<f4'", "False", "(3037000500, 3037000500)"), OneLineWith("too large"));
}

TEST(NpyFileTest, HostileHeadersAreRefused) {
  const TemporaryFolder folder;
  const std::string good = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n";
  const std::string data(8, '\0');
  const std::vector<std::string> files{
      "",
      "\x93NUMPY",
      "\x93NUMPX" + WithHeader(1, good, data).substr(6),
      WithHeader(4, good, data),
      WithHeader(1, good, data).replace(7, 1, 1, '\x01'),
      WithHeader(1, "", data),
      WithHeader(1, "{}", data),
      WithHeader(1, "not a literal", data),
      WithHeader(1, good + "x", data),
      WithHeader(1, "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", data),
      WithHeader(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'more': 1, }", data),
      WithHeader(1, "{'descr': '<f4', 'fortran_order': Maybe, 'shape': (2,), }", data),
      WithHeader(1, "{'descr': '<f4', 'fortran_order': False, 'shape': [2], }", data),
      WithHeader(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }", data),
      WithHeader(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", data),
      WithHeader(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, ", data),
      WithHeader(1, "{'descr': '<f4 ", data),
      WithHeader(1, "{'descr': '<f4', 'fortran_order': False}", data),
      WithHeader(1, "{'descr': '<f4' 'fortran_order': False, 'shape': (2,)}", data),
      WithHeader(1, "{'descr': '<f4\n', 'fortran_order': False, 'shape': (2,)}", data),
      WithHeader(1, "{'de\nscr': '<f4', 'fortran_order': False, 'shape': (2,)}", data),
      WithHeader(2, good, data).replace(11, 1, 1, '\x7f'),
      WithHeader(2, good + std::string(1 << 17, ' '), data),
  };
  for (const std::string& bytes : files) {
    const auto path = folder.Write("a.npy", bytes);
    EXPECT_THAT(ErrorOf([&] { NpyFile{path}; }), OneLineWith(path.string())) << bytes.substr(0, 100);
  }
}

TEST(NpyFileTest, EveryTruncationIsRefused) {
  const TemporaryFolder folder;
  const std::array<float, 2> values{1, 2};
  const std::string whole = NpyBytes<float>("<f4", {2, 1}, values);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto path = folder.Write("a.npy", whole.substr(0, size));
    EXPECT_NE(ErrorOf([&] { NpyFile{path}; }), "no error") << size;
  }
  EXPECT_NE(ErrorOf([&] { NpyFile{folder.Write("a.npy", whole + "x")}; }), "no error");
}

}  // namespace
}  // namespace actkin
