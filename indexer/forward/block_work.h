#ifndef ACTKIN_INDEXER_FORWARD_BLOCK_WORK_H_
#define ACTKIN_INDEXER_FORWARD_BLOCK_WORK_H_

namespace actkin {

// What one block does to some rows. Keys and values are made in any case: later rows, or these, attend to them.
struct BlockWork {
  bool proj = false;       // queries, attention and its projection
  bool ffwd = false;       // the feed-forward network; implies proj
  bool keep_proj = false;  // the projection is asked for
  bool keep_ffwd = false;  // the network's output is asked for; the residual is kept anyhow

  friend bool operator==(const BlockWork&, const BlockWork&) = default;
};

}  // namespace actkin

#endif  // ACTKIN_INDEXER_FORWARD_BLOCK_WORK_H_
