#ifndef ACTKIN_STORAGE_CATALOG_SITE_FILTER_H_
#define ACTKIN_STORAGE_CATALOG_SITE_FILTER_H_

#include <string>
#include <vector>

#include "schema/site.h"
#include "storage/catalog/catalog.h"

namespace actkin {

// Which sites of an index directory are meant. What is empty leaves the choice open.
struct SiteFilter {
  std::vector<Stream> streams;
  std::vector<int> blocks;  // negative ones count from the end of the model's; does not concern the embedding stream
  std::vector<int> t_is;    // negative ones count from the end of L
};

// "proj,ffwd", "0-5" and "7,8,9"; each may be empty. Throws Error (usage) naming what is wrong: a stream, block or t_i.
SiteFilter ParseSiteFilter(const std::string& streams, const std::string& blocks, const std::string& t_is);

// The sites that match, by stream, block and t_i. Throws Error (usage) saying what is built when a stream, block or t_i
// that the filter names has no site among them, and which command builds it.
std::vector<SiteRow> ChooseSites(Catalog& catalog, const SiteFilter& filter);

// What is built, for messages: "embedding at t_i 0-9, proj at block 0-5 and t_i 9".
std::string DescribeSites(const std::vector<SiteRow>& sites);

}  // namespace actkin

#endif  // ACTKIN_STORAGE_CATALOG_SITE_FILTER_H_
