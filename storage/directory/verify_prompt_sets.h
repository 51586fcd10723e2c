#ifndef ACTKIN_STORAGE_DIRECTORY_VERIFY_PROMPT_SETS_H_
#define ACTKIN_STORAGE_DIRECTORY_VERIFY_PROMPT_SETS_H_

#include "storage/catalog/catalog.h"
#include "storage/directory/verify.h"

namespace actkin {

// Checks the prompts of every set, and what evaluations of them said.
void VerifyPromptSets(Catalog& catalog, const CheckPart& check);

}  // namespace actkin

#endif  // ACTKIN_STORAGE_DIRECTORY_VERIFY_PROMPT_SETS_H_
