#ifndef ACTKIN_INDEX_H_
#define ACTKIN_INDEX_H_

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "actkin/error.h"

// Asking an index directory, NAME.actkin, that 'actkin build' made: which pieces of the corpus look like a prompt from
// inside the transformer, and what came next after them.
//
//   actkin::Index index("shakespeare.actkin");
//   for (const actkin::Neighbor& row : index.Neighbors("my most gr", {.k = 6}).rows) {
//     std::cout << row.rank << ' ' << row.distance << ' ' << row.text << '\n';
//   }
//
// This header and actkin/error.h are the whole of the library that is installed. Words and numbers are those of the
// command and of SQL. Texts are UTF-8. Every call may throw Error, whose code() says what kind of thing went wrong, or
// std::bad_alloc; the Index answers afterwards as before.

namespace actkin {

class IndexReader;

// A prompt, or a string of the corpus: a text, which the directory's tokenizer cuts, or the ids of its tokens.
//
//   index.Neighbors(std::vector<std::uint32_t>{12, 7, 9})
struct PromptInput {
  PromptInput(std::string_view prompt) : text(prompt) {}    // NOLINT(google-explicit-constructor)
  PromptInput(const std::string& prompt) : text(prompt) {}  // NOLINT(google-explicit-constructor)
  PromptInput(const char* prompt) : text(prompt) {}         // NOLINT(google-explicit-constructor)
  PromptInput(std::vector<std::uint32_t> token_ids)         // NOLINT(google-explicit-constructor)
      : ids(std::move(token_ids)) {}

  std::string text;
  std::optional<std::vector<std::uint32_t>> ids;  // where there are any, the text is not read
};

// What is asked of every prompt of one call: {.stream = "proj", .k = 100}, what is not named keeps its default.
struct Query {
  std::string stream = {};        // embedding, proj (output of the attention projection), ffwd (of the feed-forward),
                                  // residual, or as it was recorded. Empty: ffwd, or without a model the only one
  std::optional<int> block = {};  // from 0; -1 is the model's last. Without: the last that is built. Not for embedding
  std::optional<int> t_i = {};    // compare with strings of t_i + 1 tokens; -1 is the longest. Without: the longest
                                  // that is built of the block; for embedding the prompt's own length
  std::string rows = {};      // strings, or positions: of the corpus, seen with the tokens before them. Empty: strings
                              // where t_i is given, or any are built of the stream and block, else positions
  int at = -1;                // which of the prompt's tokens is asked, from 0 or negative from its end
  std::string metric = "l2";  // or cosine, or dot (the inner product)
  bool center = false;        // with cosine: of vectors less the mean of the site's rows
  std::string order = "nearest";        // or farthest
  std::optional<std::uint64_t> k = {};  // at least 1, at most as many rows as count. Without: 10, or all where there
                                        // are fewer; all rows between low and high where one of them is given
  std::optional<double> low = {};       // only rows at such a distance (l2) or of such a similarity (the others), both
  std::optional<double> high = {};      // ends included
  // Only rows that a condition of SQL holds for. Of strings, of the columns string_id, length, text, occurrences and
  // last_token_id: "occurrences > 5 AND text GLOB 'my *'"; of positions, of those of actkin_tokens: position,
  // document_id, token_id, text and next_token_id. Ranks, k and low to high are then those of these rows.
  std::string where = {};
  // Whether the prompt's own row is left out: of strings its own, where the corpus has it; of positions its position,
  // or every place of the corpus where its tokens stand.
  bool exclude_self = false;
  std::uint64_t exclude_window = 0;  // of positions: leaves those out, and so many tokens on either side of each
  // Only rows whose own Euclidean length is at most so much, whatever the metric: a few are many times longer than the
  // others (SiteStatistics). Ranks, k and low to high are then those of these rows.
  std::optional<double> max_length = {};
  std::string distinct = {};    // text, token or document (of positions alone): the best row of each. Empty: all rows
  std::string index = "exact";  // or an approximate one by its name (SiteInfo), which needs k where low or high is
  std::string parameters = {};  // of an approximate index: "efSearch=64"
  int threads = 0;              // 1 to 1024; 0: as many as the processor has
  bool next_tokens = false;     // whether each neighbor gets its own
  // Where it becomes true, whoever sets it, the call ends soon with Error kInterrupted. Outlives the call.
  const std::atomic<bool>* stop = nullptr;
};

// A site by its words, as Query has them; but that for embedding, too, t_i is the longest built where it is not given.
struct SiteName {
  std::string stream = {};
  std::optional<int> block = {};
  std::optional<int> t_i = {};
  std::string rows = {};
};

// What followed a string somewhere in the corpus.
struct NextToken {
  std::string token;           // for people: bytes that are not UTF-8 are \xNN; two tokens may have the same text
  std::uint32_t token_id = 0;  // from 0
  std::uint64_t count = 0;     // how often; at least 1
};

// A row of a site, with its distance to what was asked.
struct Neighbor {
  std::uint64_t rank = 0;              // from 1; equal distances by string_id or position
  std::uint64_t string_id = 0;         // from 1, as in SQL; 0 over positions
  std::string text;                    // for people, of the string or the token; two may have the same
  double distance = 0;                 // smaller where closer. l2: Euclidean, not squared; cosine: 1 - similarity;
                                       // dot: the inner product negated
  std::optional<double> similarity;    // larger where closer: cosine, -1 to 1, or the inner product. None for l2
  std::vector<NextToken> next_tokens;  // where asked for: as NextTokens gives them; over positions what came next there
  // Over positions; else none.
  std::optional<std::uint64_t> position = {};     // in the corpus, from 0
  std::optional<std::uint64_t> document_id = {};  // that it is in
  std::string document = {};                      // its name
};

// The neighbors of one prompt by rank, and the site that was asked, every default filled in.
struct NeighborList {
  std::string stream;
  int block = 0;  // 0 for embedding
  int t_i = 0;    // -1 over positions
  std::vector<Neighbor> rows;
  std::uint64_t filled_up = 0;  // of them: rows that an approximate index did not find, so that exact search did
  bool over_positions = false;
};

// The best rows of many vectors, by their numbers.
struct RowMatches {
  std::string stream;
  int block = 0;  // 0 for embedding
  int t_i = 0;
  std::uint64_t k = 0;              // rows a vector: as many as were asked for, or all that count
  std::vector<double> distances;    // vectors x k, row-major: best first, as Neighbor::distance
  std::vector<std::uint64_t> rows;  // the same shape: numbers of the site's rows, from 0
};

// Rows of a site that stand in a file one after the other, as numbers of SiteInfo::element, little-endian. Rows of int8
// are codes, and of none there are none: they have no such files.
struct RowFile {
  std::filesystem::path path;
  std::uint64_t offset = 0;     // of the first of them in the file, in bytes
  std::uint64_t first_row = 0;  // its number
  std::uint64_t rows = 0;
};

// A document of the corpus: the tokens at the positions first_position to first_position + tokens - 1.
struct DocumentInfo {
  std::uint64_t document_id = 0;
  std::string name;
  std::uint64_t first_position = 0;
  std::uint64_t tokens = 0;
};

// A token of the corpus among those around it in its document. Texts are for people.
struct TokenContext {
  std::uint64_t position = 0;  // in the corpus, from 0
  std::uint64_t document_id = 0;
  std::string before;
  std::string token;
  std::string after;
};

// How the next token is predicted from a prompt's neighbors.
struct PredictionQuery {
  std::string scheme = "progressive_ffwd_weight";  // built in, or saved in the directory
  std::vector<int> t_is = {};  // of proj and ffwd, merged; negative: from the longest. Empty: the longest built
  std::optional<std::uint64_t> k = {};  // at each t_i, and of all merged. Without: the scheme's, else 10
  std::string metric = {};              // l2, cosine or dot. Empty: the scheme's, else l2
  bool center = false;                  // as in Query
  std::string merge = "nearest";        // which of the merged ones are kept; or farthest
  std::string where = {};               // as in Query
  // As in Query; without: over positions the prompt's own row is left out, over strings not.
  std::optional<bool> exclude_self = {};
  std::uint64_t exclude_window = 0;         // as in Query
  std::optional<double> max_length = {};    // as in Query, in every site
  std::string rows = {};                    // as in Query
  int at = -1;                              // as in Query
  int threads = 0;                          // as in Query
  const std::atomic<bool>* stop = nullptr;  // as in Query
};

struct TokenProbability {
  std::string token;  // for people: bytes that are not UTF-8 are \xNN
  std::uint32_t token_id = 0;
  double probability = 0;  // adds up to 1 over a distribution; below 0 where a scheme has negative weights
};

// Tokens whose probability is not 0: the most probable first, equal ones by token id.
struct Distribution {
  std::vector<TokenProbability> tokens;
  std::vector<std::string> notes;  // what the user should know, a line each; at least one where there are no tokens
};

struct ModelInfo {
  std::uint64_t vocabulary_size = 0;
  std::uint64_t blocks = 0;
  std::uint64_t heads = 0;    // a block
  std::uint64_t embed = 0;    // dimensions of the residual stream
  std::uint64_t context = 0;  // tokens that a prompt may have
};

// A quantile of Euclidean distances between rows of a site.
struct DistanceQuantile {
  // "random": of random pairs. "nearest", "tenth": from a row to its nearest, and its tenth nearest, other row.
  std::string pairs;
  double quantile = 0;  // 0 to 1
  double distance = 0;
};

// What the rows of a site are like. Cosines are means over all pairs of a sample of rows; none where there is one row.
struct SiteStatistics {
  double mean_length = 0;  // Euclidean, as are the others, of all rows
  double median_length = 0;
  double longest = 0;
  double long_share = 0;  // 0 to 1: of the rows that are longer than ten times the median
  std::optional<double> cosine = {};
  std::optional<double> centered_cosine = {};    // of rows less the mean of all
  std::vector<DistanceQuantile> distances = {};  // by pairs, then quantile; of embeddings random pairs alone
  // Whether `center` is worth asking with cosine: any two rows are alike before it, and far less after it.
  bool worth_centering = false;
};

// A matrix of rows x dimension numbers. Its rows are of the strings first_string_id to first_string_id + rows - 1, or
// of positions.
struct SiteInfo {
  std::string stream;
  int block = 0;  // 0 for embedding
  int t_i = 0;    // -1 over positions
  std::uint64_t rows = 0;
  std::uint64_t dimension = 0;
  std::uint64_t first_string_id = 0;  // 0 over positions
  std::string element;  // that numbers are stored as: float32, float16, int8 or none: the model makes them again
  std::vector<std::string> indices;  // by name, each once: "exact", and approximate ones
  bool over_positions = false;
  // Over positions: how many tokens the model saw at once, and by how many that advanced; none where it is not known.
  std::optional<std::uint64_t> window = {};
  std::optional<std::uint64_t> stride = {};
  std::optional<SiteStatistics> statistics = {};  // none until a build has made them
  // Of its sketches, by which exact search leaves rows out: codes of a byte a row at each level, and the bytes that
  // they take a row with all that belongs to them. Empty and 0: it has none, and every row is read.
  std::vector<std::uint32_t> sketch_levels = {};
  double sketch_bytes = 0;
};

struct IndexInfo {
  std::string corpus;                 // name of its file
  std::uint64_t tokens = 0;           // in the corpus
  std::uint64_t strings = 0;          // unique ones of 1 to string_length tokens
  int string_length = 0;              // L
  std::uint64_t vocabulary_size = 0;  // token ids, those that the model alone knows included
  std::optional<ModelInfo> model;     // none: strings and next-token counts only
  std::vector<SiteInfo> sites;        // by stream, block, t_i
};

// What Verify found of a file, or of a part of the catalog.
struct IndexFinding {
  enum class State : std::uint8_t {
    kSound,     // checked, and as written
    kDamaged,   // not as written, missing, or contradicting something else
    kLeftover,  // a file that is no part of the index: unfinished work, or somebody else's. Harmless
    kAdded,     // what a user added to the catalog: a table, an index, a column. Harmless
  };
  std::string path;  // in the directory; of a part of the catalog "catalog.db: " and which
  State state = State::kSound;
  std::string message;  // why, in one line; empty where sound
};

// An index directory, open for reading. Files are mapped and opened when first needed, and kept open.
//
// Threads: one at a time. As many Index objects as one likes, in one process or in many, may be open on one directory,
// also while 'actkin build' adds to it. A search itself runs on Query::threads.
//
// Approximate indices other than HNSW need libactkin_faiss.so beside the program, or in its ../lib or ../lib/actkin.
class Index {
 public:
  // Throws Error: kNotFound where there is none, kUnsupported where a newer actkin made it, kDamaged.
  explicit Index(const std::filesystem::path& directory);
  ~Index();
  // Of what was moved from, every call throws Error kInvalidArgument.
  Index(Index&&) noexcept;
  Index& operator=(Index&&) noexcept;

  // As the directory is now.
  IndexInfo Info();

  // The neighbors of a prompt: of its own output at its last token, whatever its length; for embedding of all its
  // positions, compared with strings as long as itself. Throws Error: kInvalidArgument where the prompt is empty,
  // longer than the model's context, or of what is no token, or the query makes no sense; kNotFound
  // where the site or the index is not built.
  NeighborList Neighbors(const PromptInput& prompt, const Query& query = {});
  // The same for many, those of one site in one search: an answer each, in their order.
  std::vector<NeighborList> NeighborsOfPrompts(std::span<const std::string> prompts, const Query& query = {});
  std::vector<NeighborList> NeighborsOfPrompts(std::span<const PromptInput> prompts, const Query& query = {});
  // Of a string of the corpus: as of the prompt that it is. Throws Error kNotFound where there is no such string.
  NeighborList NeighborsOfString(std::uint64_t string_id, const Query& query = {});
  // Of a position of the corpus, as it is seen there: of its own row where there is one, else by the model. Throws
  // Error kNotFound where there is no such position, or neither.
  NeighborList NeighborsOfPosition(std::uint64_t position, const Query& query = {});
  // Of a vector of the site's dimension, finite numbers, as the model would put it out.
  NeighborList NeighborsOfVector(std::span<const float> vector, const Query& query = {});
  // The best rows of many such vectors in one search. vectors: count x the site's dimension, row-major. low and high
  // may not be given, next_tokens is not read.
  RowMatches Search(std::span<const float> vectors, std::uint64_t count, const Query& query = {});

  // What follows a prefix of any length in the corpus, inside documents: by count, the largest first, equal ones by
  // token id. Empty where the corpus does not have it, or nothing but the end of documents follows. An empty prefix
  // stands everywhere: how often each token occurs.
  std::vector<NextToken> NextTokens(const PromptInput& prefix);
  // How often a prefix of any length occurs in the corpus, inside documents: as often as something follows it, and once
  // for each document that ends with it.
  std::uint64_t Occurrences(const PromptInput& prefix);
  // Throws Error kNotFound where there is no such string.
  std::vector<NextToken> NextTokensOfString(std::uint64_t string_id);

  // By what follows the neighbors of a prompt, over positions by what came next there. Throws Error kNotFound where
  // there is no such scheme, or a site that it needs is not built.
  Distribution Predict(const PromptInput& prompt, const PredictionQuery& query = {});
  // The same of a position of the corpus.
  Distribution PredictAtPosition(std::uint64_t position, const PredictionQuery& query = {});
  // By the model itself. Throws Error kNotFound where the directory has no model.
  Distribution Model(const PromptInput& prompt);

  // Here and below: throws Error kNotFound where the site is not built.
  SiteInfo FindSite(const SiteName& site);
  // Copies rows of a site, unrotated and as float32: out gets ids.size() x SiteInfo::dimension numbers, row-major, in
  // the order of ids, which are string_ids, or positions, and must have exactly that size. Throws Error kNotFound where
  // the site has no row of one of them.
  void Rows(const SiteName& site, std::span<const std::uint64_t> ids, std::span<float> out);
  // The same by the rows' numbers, from 0.
  void RowsByNumber(const SiteName& site, std::span<const std::uint64_t> rows, std::span<float> out);
  // What the rows stand for: string_ids, or positions. Throws Error kNotFound where there is no such row.
  std::vector<std::uint64_t> IdsOfRows(const SiteName& site, std::span<const std::uint64_t> rows);
  // The files that hold the site's rows, by first row; empty where they are kept otherwise, as an embedding's are.
  std::vector<RowFile> RowFiles(const SiteName& site);

  // By document_id.
  std::vector<DocumentInfo> Documents();
  // The token at a position, so many tokens before it and so many after it, or as many as its document has. Throws
  // Error kNotFound where there is no such position.
  TokenContext Context(std::uint64_t position, std::uint64_t before, std::uint64_t after);

  // The ids of a text's tokens, none of no text; and the text that ids stand for, for people. Throws Error
  // kInvalidArgument for what is no token.
  std::vector<std::uint32_t> Encode(std::string_view text);
  std::string Decode(std::span<const std::uint32_t> token_ids);

  // Reads every byte of the directory and checks all checksums and invariants. `proceed` is told now and then how many
  // bytes have been read of how many; where it returns false, Error kInterrupted is thrown.
  std::vector<IndexFinding> Verify(const std::function<bool(std::uint64_t read, std::uint64_t bytes)>& proceed = {});

 private:
  // Throws Error where this was moved from.
  IndexReader& reader();

  std::unique_ptr<IndexReader> reader_;
};

}  // namespace actkin

#endif  // ACTKIN_INDEX_H_
