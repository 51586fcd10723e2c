#ifndef ACTKIN_QUERY_READER_PROMPT_VECTORS_H_
#define ACTKIN_QUERY_READER_PROMPT_VECTORS_H_

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "query/reader/index_reader.h"
#include "schema/progress.h"
#include "schema/site.h"

namespace actkin {

// The vectors that the prompts of a set are compared by, the same that IndexReader::QueryVector gives for each. Those
// of positions are read one by one, from the site asked. Of prompts of one length: Prompts without a row of their own
// go through the forward pass together, once for all streams and blocks that are built: 4 x embed bytes of each stay in
// memory. One thread (it works in threads of its own).
class PromptVectors {
 public:
  // All outlive this object.
  PromptVectors(IndexReader& reader, std::span<const Prompt> prompts, int threads, ProgressListener& progress)
      : reader_(reader), prompts_(prompts), threads_(threads), progress_(progress) {}

  // prompts.size() x dimension. site: of embedding, at the prompts' last position; else only stream and block matter.
  std::vector<float> Of(const Site& site, RowRange prompts) { return Of(site, prompts, reader_); }
  // other: a directory of the same corpus and model, where the prompts have their own rows if they have none here.
  std::vector<float> Of(const Site& site, RowRange prompts, IndexReader& other);

 private:
  // From the prompts' own rows; false where their site is not built.
  bool CopyRows(IndexReader& reader, const Site& site, RowRange prompts, std::vector<float>& vectors,
                std::vector<bool>& missing);
  void RunForward(const Site& wanted);

  IndexReader& reader_;
  std::span<const Prompt> prompts_;
  const int threads_;
  ProgressListener& progress_;
  std::map<Site, std::size_t> outputs_of_;  // stream and block, to their place; empty: not run yet
  std::vector<float> outputs_;              // prompts x places x embed
};

}  // namespace actkin

#endif  // ACTKIN_QUERY_READER_PROMPT_VECTORS_H_
