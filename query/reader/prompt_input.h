#ifndef ACTKIN_QUERY_READER_PROMPT_INPUT_H_
#define ACTKIN_QUERY_READER_PROMPT_INPUT_H_

#include <string_view>
#include <vector>

#include "actkin/index.h"
#include "schema/site.h"

namespace actkin {

// Token ids as users write them: "12,7,9" or "[12, 7, 9]". Whether a directory has them is not looked at. Throws Error
// (usage) naming `what` where there are none, or where it is no list of whole numbers from 0.
std::vector<TokenId> ParseTokenIds(std::string_view text, std::string_view what);

// For messages: the text in quotes, or the ids as "[12,7,9]", the first of them where there are many.
std::string Describe(const PromptInput& prompt);

}  // namespace actkin

#endif  // ACTKIN_QUERY_READER_PROMPT_INPUT_H_
