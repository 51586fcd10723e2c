#ifndef ACTKIN_QUERY_READER_PROMPT_SET_H_
#define ACTKIN_QUERY_READER_PROMPT_SET_H_

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "query/reader/index_reader.h"
#include "query/reader/prompt_sample.h"
#include "storage/catalog/experiment_catalog.h"

namespace actkin {

// What becomes of the prompts of a batch that cannot be asked: of what is no token, empty, or longer than the
// model's context.
enum class UnknownPrompts : std::uint8_t { kError, kSkip };
// "error" or "skip". Throws Error (usage) naming `unknown`.
UnknownPrompts ParseUnknownPrompts(const std::string& text);

// A prompt of a batch, or why it cannot be asked.
struct BatchPrompt {
  PromptInput input;
  std::optional<Prompt> prompt;
  std::string error;  // where there is no prompt
};
// In the order of the inputs. Throws Error (usage) with kError when one cannot be asked: the first, and how many.
std::vector<BatchPrompt> EncodePrompts(IndexReader& reader, const std::vector<PromptInput>& inputs,
                                       UnknownPrompts unknown);

// Prompts that an experiment asks together: all of the same number of tokens, or positions of the corpus.
struct PromptSet {
  PromptSetRow row;  // its id is 0 while the catalog does not have it
  std::vector<Prompt> prompts;
  std::vector<BatchPrompt> skipped;  // what the user wrote and cannot be asked
};

// A sample of the corpus's strings of L tokens (prompt_sample.h), "sample-20000-seed-1337". Throws Error (usage) when
// there are fewer.
PromptSet SamplePromptSet(IndexReader& reader, std::uint64_t count, std::uint64_t seed = kDefaultSampleSeed);

// Positions of the corpus: `count` of those that a site over positions has rows of, drawn likewise,
// "positions-1000-seed-1337". Throws Error (usage) when there are fewer.
PromptSet SamplePositionSet(IndexReader& reader, const Site& site, std::uint64_t count,
                            std::uint64_t seed = kDefaultSampleSeed);

// Prompts that a user wrote, under a name made from `file` and what is in it. Throws Error (usage) naming `file` and
// the prompt that is not as long as the first or, with kError, cannot be asked.
PromptSet ListedPromptSet(IndexReader& reader, const std::vector<PromptInput>& inputs, const std::string& file,
                          UnknownPrompts unknown = UnknownPrompts::kError);

// One that the catalog has. Throws Error when it is damaged.
PromptSet LoadPromptSet(IndexReader& reader, const PromptSetRow& row);

// Throws Error (usage) naming the sets that are there when there is none of the name.
PromptSetRow RequirePromptSet(IndexReader& reader, const std::string& name);

// A JSON array of strings or of arrays of token ids, or one prompt a line; "-" is standard input
// (storage/machine/given_input.h). Throws Error naming the file, and where JSON that begins as an array is broken.
std::vector<PromptInput> ReadPrompts(const std::filesystem::path& file);

// What the catalog keeps of the prompts.
std::vector<PromptRow> PromptRows(const PromptSet& set);

}  // namespace actkin

#endif  // ACTKIN_QUERY_READER_PROMPT_SET_H_
