#include "schema/token_bytes.h"

#include <gmock/gmock.h>

namespace actkin {
namespace {

TEST(TokenBytesTest, TheWidestIdOfAWidthIsNoToken) {
  EXPECT_EQ(TokenWidth(1), 1);
  EXPECT_EQ(TokenWidth(255), 1);
  EXPECT_EQ(TokenWidth(256), 2);
  EXPECT_EQ(TokenWidth(65'535), 2);
  EXPECT_EQ(TokenWidth(65'536), 4);
  EXPECT_EQ(TokenWidth(std::size_t{1} << 31), 4);
}

TEST(TokenBytesTest, BytesAreInTheOrderOfIds) {
  EXPECT_EQ(TokenBytes(std::vector<TokenId>{1, 254}, 1), "\x01\xfe");
  EXPECT_EQ(TokenBytes(std::vector<TokenId>{0x0102, 0xfffe}, 2), "\x01\x02\xff\xfe");
  EXPECT_EQ(TokenBytes(std::vector<TokenId>{0x01020304}, 4), "\x01\x02\x03\x04");
  for (const int width : {1, 2, 4}) {
    const std::vector<TokenId> tokens{0, 7, 254};
    EXPECT_EQ(TokensOfBytes(TokenBytes(tokens, width), width), tokens);
  }
  EXPECT_TRUE(TokensOfBytes("", 2).empty());
}

}  // namespace
}  // namespace actkin
