#ifndef ACTKIN_QUERY_ROW_WORKERS_H_
#define ACTKIN_QUERY_ROW_WORKERS_H_

#include <cstdint>
#include <functional>

#include "schema/site.h"

namespace actkin {

// How many of `threads` have work when `rows` are handed out in pieces of `piece` rows; at least 1.
int UsefulThreads(RowRange rows, std::uint64_t piece, int threads);

// Calls work(worker, rows) for pieces that together are `rows`, from `workers` threads, the caller's among them; a
// worker (0..workers-1) gets its pieces one after the other, in ascending order. Returns when all are done; an
// exception of the work is thrown here, after the other workers have stopped. REQUIRES: piece > 0, workers > 0.
void ForEachPiece(RowRange rows, std::uint64_t piece, int workers, const std::function<void(int, RowRange)>& work);

}  // namespace actkin

#endif  // ACTKIN_QUERY_ROW_WORKERS_H_
