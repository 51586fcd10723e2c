#include "schema/tokenizer/tokenizer_json.h"

#include "schema/tokenizer/bpe_tokenizer.h"
#include "schema/tokenizer/json_part.h"

namespace actkin {

std::unique_ptr<const Tokenizer> ReadTokenizerJson(std::string_view json, const std::string& where) {
  const nlohmann::json document = ParseJson(json, where);
  return std::make_unique<BpeTokenizer>(JsonPart(document, where + ": "));
}

}  // namespace actkin
