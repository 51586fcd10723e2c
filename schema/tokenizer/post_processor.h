#ifndef ACTKIN_SCHEMA_TOKENIZER_POST_PROCESSOR_H_
#define ACTKIN_SCHEMA_TOKENIZER_POST_PROCESSOR_H_

#include <optional>

#include "schema/site.h"
#include "schema/tokenizer/json_part.h"

namespace actkin {

// The token that the file's "post_processor" puts before a text that stands alone, if any: TemplateProcessing, Bert-
// and RobertaProcessing, ByteLevel (which puts none), or a Sequence of them. What it puts behind is not asked. Throws
// Error naming the key; so where more than one token would stand there.
std::optional<TokenId> BeginningOfPostProcessor(const JsonPart& part, std::size_t vocabulary_size);

}  // namespace actkin

#endif  // ACTKIN_SCHEMA_TOKENIZER_POST_PROCESSOR_H_
