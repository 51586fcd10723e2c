#include "schema/token_ids.h"

#include <gmock/gmock.h>

namespace actkin {
namespace {

TEST(TokenIdsTest, TheWidestIdOfAWidthIsNoToken) {
  EXPECT_EQ(TokenIdWidth(1), 1);
  EXPECT_EQ(TokenIdWidth(255), 1);
  EXPECT_EQ(TokenIdWidth(256), 2);
  EXPECT_EQ(TokenIdWidth(65'535), 2);
  EXPECT_EQ(TokenIdWidth(65'536), 4);
  EXPECT_EQ(TokenIdWidth(std::size_t{1} << 31), 4);
}

TEST(TokenIdsTest, BytesAreInTheOrderOfIds) {
  EXPECT_EQ(EncodeTokenIds(std::vector<TokenId>{1, 254}, 1), "\x01\xfe");
  EXPECT_EQ(EncodeTokenIds(std::vector<TokenId>{0x0102, 0xfffe}, 2), "\x01\x02\xff\xfe");
  EXPECT_EQ(EncodeTokenIds(std::vector<TokenId>{0x01020304}, 4), "\x01\x02\x03\x04");
  for (const int width : {1, 2, 4}) {
    const std::vector<TokenId> tokens{0, 7, 254};
    EXPECT_EQ(DecodeTokenIds(EncodeTokenIds(tokens, width), width), tokens);
  }
  EXPECT_TRUE(DecodeTokenIds("", 2).empty());
}

}  // namespace
}  // namespace actkin
