#include "schema/tokenizer/character_tokenizer.h"

#include <utility>

#include "schema/error.h"

namespace actkin {

CharacterTokenizer::CharacterTokenizer(Vocabulary vocabulary) : vocabulary_(std::move(vocabulary)) {
  texts_.reserve(vocabulary_.size());
  for (std::size_t token = 0; token < vocabulary_.size(); ++token) {
    texts_.push_back(vocabulary_.Text(static_cast<TokenId>(token)));
  }
}

std::vector<TokenId> CharacterTokenizer::Encode(std::string_view utf8, std::string_view what) const {
  try {
    return vocabulary_.Encode(utf8, what);
  } catch (const Error& error) {
    if (error.kind() == Error::Kind::kUsage) throw;
    throw Error(error.what(), error.code(), Error::Kind::kUsage);  // no UTF-8
  }
}

}  // namespace actkin
