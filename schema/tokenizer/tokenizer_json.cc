#include "schema/tokenizer/tokenizer_json.h"

#include "schema/error.h"

namespace actkin {

std::unique_ptr<const Tokenizer> ReadTokenizerJson(std::string_view, const std::string& where) {
  FailUsage(ErrorCode::kUnsupported, "{}: no tokenizer that is known", where);
}

}  // namespace actkin
