#ifndef ACTKIN_STORAGE_CATALOG_BUILD_COMMAND_LINE_H_
#define ACTKIN_STORAGE_CATALOG_BUILD_COMMAND_LINE_H_

#include <span>
#include <string>

#include "schema/site.h"
#include "storage/catalog/catalog.h"

namespace actkin {

// How many blocks an index directory has, which numbers from the end are counted by: those of its model, else up to the
// last that a site is of.
int BlockCount(Catalog& catalog);

// The shell's command line that adds these sites to the index directory of a catalog, and whatever else their streams,
// blocks and positions span: "actkin build /texts/corpus.txt --out /mine.actkin --streams ffwd --blocks 5 --t-i 4". The
// text is named where a file of the corpus's name and bytes lies in the current folder or beside the directory, else
// the word CORPUS stands for it.
std::string BuildCommandLine(Catalog& catalog, std::span<const Site> sites);

}  // namespace actkin

#endif  // ACTKIN_STORAGE_CATALOG_BUILD_COMMAND_LINE_H_
