#ifndef ACTKIN_QUERY_READER_INDEX_READER_H_
#define ACTKIN_QUERY_READER_INDEX_READER_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "actkin/index.h"
#include "query/exact/ranking.h"
#include "query/exact/site_index.h"
#include "query/reader/prompt_forward.h"
#include "query/reader/token_table.h"
#include "schema/site.h"
#include "schema/tokenizer/tokenizer.h"
#include "storage/catalog/catalog.h"
#include "storage/catalog/index_directory.h"
#include "storage/formats/corpus_suffixes.h"
#include "storage/formats/corpus_tokens_file.h"
#include "storage/formats/row_order_file.h"

namespace actkin {

// What to look for, of every prompt of one call.
struct NeighborQuery {
  Stream stream = Stream::kFfwd;
  std::optional<int> block;  // negative: counts from the end of the model's; without: the last that has a site of it
  // Of strings, negative: counts from the end of L. Without: for embedding the prompt's last position, else the last
  // position that has a site of this stream and block.
  std::optional<int> t_i;
  // What the rows are of. Without: of strings where t_i is given, and unless only sites over positions are built of the
  // stream and block.
  std::optional<RowKind> rows;
  std::string index_name = kExactIndexName;
  SearchRequest search;
  bool fewer_will_do = false;        // where fewer rows than k are looked at, all of them are found
  std::string where;                 // only rows that this condition of SQL holds for (string_filter.h); empty: all
  bool exclude_self = false;         // whether the prompt's own row does not count (OwnRows)
  std::uint64_t exclude_window = 0;  // of positions: nor do so many before and after it, in its document
  std::optional<double> max_length;  // only rows that are at most so long (SiteIndex::RowsUpTo)
  std::optional<Distinct> distinct;  // the best row of each alone, before k
  bool next_tokens = false;          // whether each neighbor gets its own
};

// Neighbors of one prompt, and what was asked with every default filled in.
struct Neighbors {
  Site site;
  std::vector<Neighbor> rows;
  std::uint64_t filled_up = 0;  // of the rows: SearchRequest::filled_up
};

// The same by rows.
struct NeighborRows {
  Site site;
  std::vector<std::vector<Match>> matches;  // an answer a query
  std::vector<std::uint64_t> filled_up;     // the same
};

// A prompt's tokens, and its own string where the corpus has it; or a position of the corpus with what stands before
// it.
struct Prompt {
  std::string text;  // as it was given; where ids were given, what they stand for, for people
  std::vector<TokenId> tokens;
  std::optional<StringId> string_id;
  std::optional<StringOrdinal> ordinal;
  std::optional<std::uint64_t> position;  // then the tokens are those that a site has seen it with, itself the last
};

// An index directory, open for asking: the library behind the command and the SQL extension. Indices, row orders and
// the model are opened when first needed and kept. One thread at a time; several readers may be open on one directory,
// in one process or in many, also while a build adds to it.
class IndexReader {
 public:
  // Over a connection of its own. Throws Error when there is no index directory, or its catalog cannot be read.
  explicit IndexReader(const IndexDirectory& directory);
  // Over a connection that somebody else owns and that outlives this object.
  IndexReader(const IndexDirectory& directory, sqlite3* connection, const std::string& schema);

  const IndexDirectory& directory() const { return directory_; }
  Catalog& catalog() { return *catalog_; }
  const TokenTable& vocabulary() const { return *vocabulary_; }
  int string_length() const { return corpus_.string_length; }  // L
  const CorpusRow& corpus() const { return corpus_; }

  // Throws Error (usage) when there is no token, or something that is none. The first text of all opens the tokenizer,
  // which may take a while; ids need none.
  Prompt Encode(const PromptInput& prompt);
  // The same of `tokens` as the catalog has them (schema/token_ids.h). Throws Error (usage) where they are no ids.
  Prompt EncodeBytes(std::string_view token_bytes);
  // The tokens of a prefix, which may be of any length, none included. Throws as Encode does for what is no token.
  std::vector<TokenId> EncodePrefix(const PromptInput& prefix);
  std::vector<TokenId> EncodePrefixBytes(std::string_view token_bytes);
  // A prompt that is a string of the corpus. Throws as RequireString does.
  Prompt PromptOf(StringId string_id);
  // A position of the corpus. Throws as RequirePosition does.
  Prompt PromptAt(std::int64_t position);
  // The prompt up to one of its tokens, from 0, or negative from its end: what a model puts out there depends on no
  // later one. Throws Error (usage) where there is no such token.
  Prompt UpTo(Prompt prompt, int at);
  // Throws Error (usage) when there is no such string.
  void RequireString(StringId string_id) const;

  // The neighbors of each prompt, in one search where they ask the same site. Throws Error (usage) naming what is there
  // when the site or the index was not built.
  std::vector<Neighbors> FindNeighbors(const std::vector<Prompt>& prompts, const NeighborQuery& query);

  // The neighbors of one vector, of the site's dimension and unrotated. Throws as FindNeighbors does.
  Neighbors FindNeighborsOf(std::span<const float> vector, const NeighborQuery& query);
  // The rows next to many vectors. vectors: count x the site's dimension. Throws as FindNeighbors does.
  NeighborRows FindRowsNear(std::span<const float> vectors, std::uint64_t count, const NeighborQuery& query);

  // What follows a string, by count, the largest first, then by token id. Empty where the corpus ends there.
  std::vector<NextToken> NextTokens(StringId string_id);

  // The same of a prefix of any length, and how often it occurs: CorpusSuffixes. REQUIRES: as EncodePrefix gives it.
  std::vector<NextToken> NextTokensOfPrefix(std::span<const TokenId> prefix);
  std::uint64_t Occurrences(std::span<const TokenId> prefix);
  // Where its last token stands, ascending. REQUIRES: it has a token.
  std::vector<std::uint64_t> PositionsOf(std::span<const TokenId> prefix);
  // What came next at a position, once; empty where its document ends. REQUIRES: there is such a position.
  std::vector<NextToken> NextTokensAt(std::uint64_t position);
  // For people. Throws Error where the catalog has none.
  const std::string& DocumentName(std::uint64_t document_id);

  // The corpus, opened when first needed; checked as indices are.
  std::shared_ptr<const CorpusTokensFile> CorpusTokens();
  // Throws Error (usage) naming the positions there are.
  void RequirePosition(std::int64_t position);
  // The text of the token at a position, of so many before it and so many after it: inside its document, where there
  // are fewer, those. REQUIRES: there is such a position.
  std::string Context(std::uint64_t position, std::uint64_t before, std::uint64_t after);
  // The same in three parts.
  TokenContext ContextAround(std::uint64_t position, std::uint64_t before, std::uint64_t after);
  // What a condition of SQL holds for (StringsWhere, PositionsWhere), ascending: string_ids of the strings that the
  // site has rows of, whether it is built or not; positions, of which it may have no rows. Throws as those do.
  std::vector<std::int64_t> IdsWhere(const Site& site, const std::string& condition);
  // Of a site, the rows that a condition of SQL holds for (StringsWhere, PositionsWhere); null where it is empty: all
  // rows. Throws as those do.
  std::shared_ptr<const RowSet> RowsWhere(const Site& site, const std::string& condition);
  // The rows among `among`, or of all where it is null, that are at most so long; without a length `among` itself. Kept
  // for the next call. Throws as SiteIndex::RowsUpTo does.
  std::shared_ptr<const RowSet> RowsThatPass(const Site& site, std::shared_ptr<const RowSet> among,
                                             std::optional<double> max_length);
  // The rows that a text chooses, by NumbersAmong, which it throws as.
  RowSet RowsAmong(const Site& site, const std::string& text, const std::function<bool()>& proceed = {});
  // The rows of string_ids, or of positions; what is no row's is passed over.
  RowSet RowsOf(const Site& site, std::span<const std::int64_t> ids);
  // The same of all from `begin` to before `end`.
  RowSet RowsOfRange(const Site& site, std::uint64_t begin, std::uint64_t end);
  // Those whose text, of the string or the token, is one of these, or begins with such a prefix.
  RowSet RowsOfTexts(const Site& site, std::span<const std::string> texts);
  RowSet RowsOfTextPrefix(const Site& site, const std::string& prefix);
  // The rows of a site that are a prompt's own, and of positions those of `window` tokens around each, in its document:
  // of strings the row of its string, where the corpus has it and it is as long; of positions those at its position, or
  // wherever in the corpus its tokens stand. Throws Error (usage) where there is a window around strings.
  std::vector<RowRange> OwnRows(const Prompt& prompt, const Site& site, std::uint64_t window = 0);
  // Of a site over positions, the rows of these and of `window` tokens around each.
  std::vector<RowRange> RowsAround(std::span<const std::uint64_t> positions, const Site& site, std::uint64_t window);
  // What rows of a site are told apart by. The reader outlives it. Throws Error (usage) where they have no such thing.
  Ranking::RowGroup GroupsOf(const Site& site, Distinct distinct);

  // The site that a query means for a prompt of this many tokens, built or not.
  Site ResolveSite(const NeighborQuery& query, std::size_t prompt_tokens);
  // The same for a vector: an embedding's has the positions of a prompt one after the other.
  Site ResolveSite(const NeighborQuery& query, std::span<const float> vector);

  // The stream that is meant where none is named: ffwd; where there is no model, and no site of that, the only one that
  // there are sites of. Throws Error (usage) naming them where those are several.
  Stream DefaultStream();
  // Throws Error (usage) naming those that are known when it is none of the four that a model has, nor recorded here.
  void RequireStream(Stream stream);
  // Throws Error (usage) naming what is there when it is not built.
  SiteRow RequireSite(const Site& site);
  // Throws Error (usage) when one of them is not built: what is there, and the command line that builds all of them, or
  // why none can.
  void RequireSites(std::span<const Site> sites);

  // Of a site at this position, whether it is built or not. REQUIRES: 0 <= t_i < string_length().
  std::uint64_t RowCount(int t_i) const { return Length(t_i + 1).row_count; }

  // The vector that a prompt is compared with the rows of `site` by: its own output at its last token (from its own row
  // where the site at its last position is built, else from the forward pass); for embedding over strings all its
  // positions, and the prompt must be as long as the site's strings. Of a position VectorAt.
  std::vector<float> QueryVector(const Prompt& prompt, const Site& site);
  // What the site's stream puts out at a position of the corpus: its row over positions where there is one, else by the
  // model, seen as that site sees it. Throws Error (usage) where neither is to be had.
  std::vector<float> VectorAt(std::uint64_t position, const Site& site);

  // Copies rows of a site, by the string_ids or positions that they are of, in their order: unrotated, float32. out:
  // ids.size() x the site's dimension. Throws Error (usage) when the site is not built, or has no row of one of them,
  // or out is of another size.
  void CopyRows(const Site& site, std::span<const std::uint64_t> ids, std::span<float> out);
  // The same by the rows' numbers.
  void CopyNumberedRows(const Site& site, std::span<const std::uint64_t> rows, std::span<float> out);
  // What the rows stand for: string_ids, or positions. Throws Error (usage) where there is no such row.
  std::vector<std::uint64_t> IdsOfRows(const Site& site, std::span<const std::uint64_t> rows);
  // The files that hold the site's rows; none for an embedding.
  std::vector<RowFile> RowFiles(const Site& site);

  // Opens a site's index, checking what is cheap: sizes, headers and their checksums against the catalog. (Of an index
  // that FAISS reads: every byte.) Where an approximate index finds fewer than k, exact search fills up. metric: what
  // it is to be asked; 'exact' serves all. Throws as FindNeighbors does.
  std::shared_ptr<const SiteIndex> OpenIndex(const Site& site, const std::string& name = kExactIndexName,
                                             Metric metric = Metric::kL2);

  std::shared_ptr<const RowOrderFile> OpenRowOrder(int t_i);
  // Of a site over strings the row order at its t_i; of one over positions, its positions. Throws as FindNeighbors
  // does.
  std::shared_ptr<const RowMap> OpenRowMap(const Site& site);

  // What the number of a row (RowMap) is added to: over strings the first string_id of their length, over positions 0.
  std::uint64_t FirstId(const Site& site) const {
    return site.over_positions() ? 0 : Length(site.t_i + 1).first_string_id;
  }
  // string_id - ordinal of the strings of that many tokens. Throws Error where there are none.
  StringId FirstStringId(int length) const { return Length(length).first_string_id; }

  // Of a string of L tokens: ids go from 1 to this one.
  StringId LastStringId() const { return lengths_.back().first_string_id + lengths_.back().string_count - 1; }

  // The small forward pass. Throws Error when the directory has no model.
  const PromptForward& Forward();

 private:
  IndexReader(const IndexDirectory& directory, std::unique_ptr<SqliteConnection> own_connection);
  // vectors: a row of the site's dimension for each of own_rows, which are left out.
  NeighborRows Search(const Site& site, std::span<const float> vectors, std::span<const std::vector<RowRange>> own_rows,
                      const NeighborQuery& query);
  // As far down the ranking as it takes to find the best row of each.
  std::vector<Match> BestOfEach(const Site& site, std::shared_ptr<const SiteIndex> index, std::span<const float> vector,
                                const SearchRequest& request, const NeighborQuery& query);
  static void RequireNoOwnRow(const NeighborQuery& query);
  int ResolveBlock(int block);
  // built: the sites of the stream, and of the block where it has any.
  bool AsksPositions(const NeighborQuery& query, std::span<const Site> built) const;
  // The tokens that a position is seen with, itself the last: in windows, or as many as the model takes.
  std::vector<TokenId> TokensUpTo(std::uint64_t position, std::optional<std::uint64_t> window,
                                  std::optional<std::uint64_t> stride);
  // By the model, at the last token.
  std::vector<float> LastOutput(std::span<const TokenId> tokens, const Site& site);
  // Over positions.
  RowSet RowsOfTokens(const Site& site, const std::function<bool(const std::string& text)>& is_wanted);
  // A connection for what filters select by.
  std::unique_ptr<SqliteConnection> OpenForFilter();
  std::vector<Neighbors> Read(const NeighborRows& found, const NeighborQuery& query);
  std::vector<Neighbor> Read(const Site& site, const NeighborQuery& query, std::span<const Match> matches);
  std::shared_ptr<const SiteIndex> FillUpByExact(const Site& site, std::shared_ptr<const SiteIndex> approximate);
  const LengthRow& Length(int length) const;
  // What tells sites apart whose rows stand for others: t_i, and the position set.
  using RowsKey = std::pair<int, std::int64_t>;
  RowsKey KeyOf(const Site& site);
  Prompt PromptOfTokens(std::string text, std::vector<TokenId> tokens);
  const CorpusSuffixes& Suffixes();
  std::string TextBetween(const CorpusTokensFile& corpus, std::uint64_t begin, std::uint64_t end) const;
  // The largest count first, then by token id.
  std::vector<NextToken> ByCount(std::span<const NextTokenCount> counts) const;
  // The width of ids; throws Error (usage) where these bytes are none.
  int RequireTokenIds(std::string_view token_bytes);

  IndexDirectory directory_;
  std::unique_ptr<SqliteConnection> own_connection_;
  std::unique_ptr<Catalog> catalog_;
  CorpusRow corpus_;
  std::vector<LengthRow> lengths_;
  std::unique_ptr<TokenTable> vocabulary_;
  std::unique_ptr<const Tokenizer> tokenizer_;
  std::map<std::tuple<Site, std::string, Metric>, std::shared_ptr<const SiteIndex>> indices_;
  std::map<int, std::shared_ptr<const RowOrderFile>> row_orders_;        // by t_i
  std::map<std::int64_t, std::shared_ptr<const RowMap>> position_sets_;  // by position_set_id
  std::shared_ptr<const CorpusTokensFile> corpus_tokens_;
  std::unique_ptr<const CorpusSuffixes> suffixes_;
  std::unique_ptr<PromptForward> forward_;
  std::map<std::uint64_t, std::string> document_names_;  // those asked for
  // The condition asked last: it is usually asked at several sites.
  struct KeptCondition {
    RowsKey key;
    std::string condition;
    std::int64_t data_version = 0;  // of the catalog
    std::shared_ptr<const RowSet> rows;
  };
  KeptCondition kept_condition_;
  // What a limit of length leaves of a site, and of some of its rows.
  struct KeptLengths {
    std::shared_ptr<const RowSet> rows;
    std::shared_ptr<const RowSet> among;  // asked last
    std::shared_ptr<const RowSet> both;
  };
  std::map<std::pair<Site, double>, KeptLengths> kept_lengths_;
  // The activations of the prompt asked last: the same prompt is usually asked at several sites.
  std::vector<TokenId> activated_tokens_;
  PromptForward::Activations activations_;
};

}  // namespace actkin

#endif  // ACTKIN_QUERY_READER_INDEX_READER_H_
