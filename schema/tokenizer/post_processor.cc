#include "schema/tokenizer/post_processor.h"

#include "schema/text.h"

namespace actkin {
namespace {

TokenId TokenOf(const JsonPart& part, std::size_t vocabulary_size) {
  if (vocabulary_size == 0) part.Refuse("a token, where the vocabulary is empty");
  return part.Number(static_cast<std::uint32_t>(vocabulary_size - 1));
}

// [text, id]
TokenId ClassToken(const JsonPart& part, std::size_t vocabulary_size) {
  if (part.Array().size() != 2) part.Refuse("expected a token's text and its id");
  return TokenOf(part.At(1), vocabulary_size);
}

std::optional<TokenId> BeginningOfTemplate(const JsonPart& part, std::size_t vocabulary_size) {
  std::optional<TokenId> beginning;
  const JsonPart single = part["single"];
  for (std::size_t i = 0; i < single.Array().size(); ++i) {
    const JsonPart piece = single.At(i);
    if (!piece["Sequence"].is_null()) return beginning;
    const std::string& name = piece["SpecialToken"]["id"].Text();
    const JsonPart tokens = part["special_tokens"][name];
    const JsonPart ids = tokens["ids"];
    if (beginning || ids.Array().size() != 1) {
      single.Refuse("more than one token stands before a text: expected one at most");
    }
    beginning = TokenOf(ids.At(0), vocabulary_size);
  }
  single.Refuse("a text has no place in it: expected a Sequence");
}

}  // namespace

std::optional<TokenId> BeginningOfPostProcessor(const JsonPart& part, std::size_t vocabulary_size) {
  std::optional<TokenId> beginning;
  if (part.is_null()) return beginning;
  ForEachInSequence(part, "processors", [&](const JsonPart& step) {
    const std::string& type = step.Type();
    std::optional<TokenId> token;
    if (type == "TemplateProcessing") {
      token = BeginningOfTemplate(step, vocabulary_size);
    } else if (type == "RobertaProcessing" || type == "BertProcessing") {
      token = ClassToken(step["cls"], vocabulary_size);
    } else if (type != "ByteLevel") {
      step.RefuseType("TemplateProcessing, RobertaProcessing, BertProcessing, ByteLevel or Sequence");
    }
    if (token && beginning) step.Refuse("a second token before a text: expected one at most");
    if (token) beginning = token;
  });
  return beginning;
}

}  // namespace actkin
