// A hostile tokenizer.json, and after a zero byte the text that it is to cut.
#include <memory>
#include <vector>

#include "schema/text.h"
#include "schema/tokenizer/tokenizer_json.h"
#include "tests/fuzz/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace actkin;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t end = std::min(input.find('\0'), size);
  const std::string text = ValidUtf8(end == size ? std::string_view("a b") : input.substr(end + 1));
  AllowError([&] {
    const auto tokenizer = ReadTokenizerJson(input.substr(0, end), "tokenizer.json");
    if (tokenizer->beginning() && *tokenizer->beginning() >= tokenizer->size()) Wrong("a beginning that is no token");
    for (std::size_t token = 0; token < tokenizer->size(); ++token) {
      const std::string_view bytes = tokenizer->Bytes(static_cast<TokenId>(token));
      Touch(std::span(bytes.data(), bytes.size()));
    }
    const std::vector<TokenId> tokens = tokenizer->Encode(text, "text");
    std::string bytes;
    for (const TokenId token : tokens) {
      if (token >= tokenizer->size()) Wrong("a token beyond the tokenizer's size");
      bytes += tokenizer->Bytes(token);
    }
    // Where pieces stand for bytes; a decoder may say anything else.
    if (tokenizer->Encode(text, "text") != tokens) Wrong("a text that is cut otherwise the second time");
  });
  return 0;
}
