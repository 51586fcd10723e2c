// The ids of the golden texts, by the tokenizers that were published and by those of the small checkpoints.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "schema/tokenizer/tokenizer_json.h"
#include "tests/shared_data.h"

namespace actkin {
namespace {

std::string FileText(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

TEST(TokenizerGoldenTest, IdsOfEveryTextAreThoseOfTheFormatsOwnImplementation) {
  ACTKIN_NEEDS_SHARED_DATA("golden/tokenizers/ids.json");
  const nlohmann::json golden = SharedJson("golden/tokenizers/ids.json");
  const auto texts = golden["texts"].get<std::vector<std::string>>();
  ASSERT_GT(texts.size(), 400U);
  ASSERT_EQ(golden["ids"].size(), 8U);
  for (const auto& [name, lists] : golden["ids"].items()) {
    const bool is_family = name.starts_with("families/");
    const auto path =
        SharedData(is_family ? "golden/" + name + "/tokenizer.json" : "golden/tokenizers/" + name + ".json");
    const auto tokenizer = ReadTokenizerJson(FileText(path), path.string());
    ASSERT_EQ(lists.size(), texts.size());
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const auto expected = lists[i].get<std::vector<TokenId>>();
      const std::vector<TokenId> ids = tokenizer->Encode(texts[i], "text");
      ASSERT_EQ(ids, expected) << name << ", text " << i << ": " << texts[i].substr(0, 200);
      if (!tokenizer->keeps_text()) continue;
      std::string bytes;
      for (const TokenId id : ids) bytes += tokenizer->Bytes(id);
      ASSERT_EQ(bytes, texts[i]) << name << ", text " << i;
    }
  }
}

}  // namespace
}  // namespace actkin
