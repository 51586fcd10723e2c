#ifndef ACTKIN_QUERY_SQLITE_CONNECTION_RECENT_RANKINGS_H_
#define ACTKIN_QUERY_SQLITE_CONNECTION_RECENT_RANKINGS_H_

#include <list>
#include <memory>
#include <string>
#include <utility>

#include "query/exact/ranking.h"

namespace actkin {

// The rankings asked for last: a statement may make the same call again and again, such as the inner side of a join.
// Holds 32 at most, and 64 MB beside the one that was asked for last; who holds one keeps it. One thread at a time.
class RecentRankings {
 public:
  // key: of the call. Null where it is not among them.
  std::shared_ptr<Ranking> Find(const std::string& key);
  void Add(std::string key, std::shared_ptr<Ranking> ranking);

 private:
  void Trim();

  std::list<std::pair<std::string, std::shared_ptr<Ranking>>> rankings_;  // the last one asked for first
};

}  // namespace actkin

#endif  // ACTKIN_QUERY_SQLITE_CONNECTION_RECENT_RANKINGS_H_
