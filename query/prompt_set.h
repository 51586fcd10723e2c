#ifndef ACTKIN_QUERY_PROMPT_SET_H_
#define ACTKIN_QUERY_PROMPT_SET_H_

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "query/index_reader.h"
#include "query/prompt_sample.h"
#include "storage/experiment_catalog.h"

namespace actkin {

// Prompts that an experiment asks together, all of the same number of tokens.
struct PromptSet {
  PromptSetRow row;  // its id is 0 while the catalog does not have it
  std::vector<Prompt> prompts;
};

// A sample of the corpus's strings of L tokens (prompt_sample.h), "sample-20000-seed-1337". Throws Error (usage) when
// there are fewer.
PromptSet SamplePromptSet(IndexReader& reader, std::uint64_t count, std::uint64_t seed = kDefaultSampleSeed);

// Prompts that a user wrote, under a name made from `file` and what is in it. Throws Error (usage) naming `file` and
// the prompt that is empty, is not as long as the first, or holds a character outside the vocabulary, or when they are
// longer than the model's context.
PromptSet ListedPromptSet(IndexReader& reader, const std::vector<std::string>& texts, const std::string& file);

// One that the catalog has. Throws Error when it is damaged.
PromptSet LoadPromptSet(IndexReader& reader, const PromptSetRow& row);

// Throws Error (usage) naming the sets that are there when there is none of the name.
PromptSetRow RequirePromptSet(IndexReader& reader, const std::string& name);

// A JSON array of strings, or one prompt a line. Throws Error naming the file.
std::vector<std::string> ReadPrompts(const std::filesystem::path& file);

// What the catalog keeps of the prompts.
std::vector<PromptRow> PromptRows(const PromptSet& set);

}  // namespace actkin

#endif  // ACTKIN_QUERY_PROMPT_SET_H_
