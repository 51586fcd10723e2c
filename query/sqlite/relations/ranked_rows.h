#ifndef ACTKIN_QUERY_SQLITE_RELATIONS_RANKED_ROWS_H_
#define ACTKIN_QUERY_SQLITE_RELATIONS_RANKED_ROWS_H_

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "query/exact/ranking.h"
#include "query/sqlite/table_functions/table_function.h"
#include "schema/band.h"
#include "schema/error.h"
#include "schema/site.h"

namespace actkin {

// Columns of a table of neighbors.
enum NeighborColumn { kRank, kStringId, kText, kDistance, kSimilarity, kPosition, kDocumentId };
inline constexpr std::array kNeighborColumns{"rank INTEGER",       "string_id INTEGER", "text TEXT",
                                             "distance REAL",      "similarity REAL",   "position INTEGER",
                                             "document_id INTEGER"};

// The rows of a ranking, as far as a call's comparisons with rank and distance hold. Others have chosen the rows by all
// else.
class RankedRows : public TableRows {
 public:
  // call, catalogs: outlive this object.
  RankedRows(AttachedCatalogs& catalogs, CatalogSnapshot snapshot, const TableCall& call, const SearchRequest& request,
             const Site& site, std::shared_ptr<Ranking> ranking);

  bool Next() override;
  void Column(sqlite3_context* context, int column) const override;
  std::uint64_t Identity() const override { return id(); }

 private:
  enum class Verdict { kReturn, kSkip, kNoMore };

  void SkipTo(double rank);
  bool Find() const {
    if (!match_) match_ = ranking_->Find(place_, expected_, [this] { catalogs_.ThrowIfInterrupted(); });
    return match_.has_value();
  }
  const Match& match() const {
    if (!Find()) Fail("a ranking ended at row {}", place_);
    return *match_;
  }
  std::uint64_t rank() const {
    return ranking_->Rank(place_, [this] { catalogs_.ThrowIfInterrupted(); });
  }
  double distance() const { return DistanceOf(metric_, match().distance) + 0.0; }
  // A string_id, or a position.
  std::uint64_t id() const { return first_id_ + match().number; }
  std::string FindText() const;
  Verdict Judge() const;

  AttachedCatalogs& catalogs_;
  CatalogSnapshot snapshot_;
  std::span<const PushedComparison> comparisons_;  // the call's
  Metric metric_;
  Order order_;
  bool over_positions_;
  std::uint64_t first_id_;
  std::shared_ptr<Ranking> ranking_;
  std::uint64_t next_ = 0;      // place of the row that Next looks at
  std::uint64_t expected_ = 0;  // rows that will probably be asked for; 0: not known
  // The row.
  std::uint64_t place_ = 0;
  mutable std::optional<Match> match_;
  mutable std::optional<std::string> text_;
};

// The distances that a call's comparisons leave, by their end that rows come to last.
Band BandOf(const TableCall& call, Metric metric, Order order);

}  // namespace actkin

#endif  // ACTKIN_QUERY_SQLITE_RELATIONS_RANKED_ROWS_H_
