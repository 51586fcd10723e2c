#ifndef ACTKIN_STORAGE_CATALOG_CATALOG_H_
#define ACTKIN_STORAGE_CATALOG_CATALOG_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "schema/error.h"
#include "schema/model_layout.h"
#include "schema/site.h"
#include "storage/catalog/index_directory.h"
#include "storage/catalog/sqlite.h"

namespace actkin {

// Rows of the catalog's tables.
struct CorpusRow {
  std::string name;
  std::string sha256;
  std::uint64_t characters = 0;
  int string_length = 0;  // L
  std::uint64_t token_count = 0;
};

struct DocumentRow {
  std::int64_t document_id = 0;
  std::string name;
  std::uint64_t first_position = 0;
  std::uint64_t token_count = 0;
};

struct ModelRow {
  std::string file;
  std::string sha256;
  ModelShape shape;                          // head_size and hidden are 0: they are read off the file
  std::optional<TokenId> bos_token_id = {};  // of the token that stands before every string and prompt
};

struct TokenRow {
  std::string text;   // for people
  std::string bytes;  // that it stands for
};

struct LengthRow {
  int length = 0;
  std::uint64_t string_count = 0;
  std::uint64_t row_count = 0;
  StringId first_string_id = 0;
};

// A file that the catalog names: its path in the directory, its size, and the xxh3 of its header in hexadecimal.
struct FileRow {
  std::string file;
  std::uint64_t bytes = 0;
  std::string checksum;
};

// The corpus in files.
struct CorpusFilesRow {
  FileRow tokens;    // storage/formats/corpus_tokens_file.h
  FileRow suffixes;  // storage/formats/suffix_order_file.h
};

// How texts are cut into tokens.
struct TokenizerRow {
  std::optional<FileRow> file;  // tokenizer.json; none: the tokens are characters. The checksum is of the whole file
  bool texts_alone = false;     // the file is tokens.json, a list of texts: how one is cut into tokens is not known

  // The column `kind`.
  const char* kind() const;
};

struct VectorFileRow {
  RowRange rows;
  FileRow file;
};

struct SiteRow {
  std::int64_t site_id = 0;
  Site site;
  std::uint64_t dimension = 0;
  std::uint64_t row_count = 0;
  StringId first_string_id = 0;  // over positions 0
  Element element = Element::kFloat32;
  // Over positions: in which windows the corpus was seen; none where that is not known.
  std::optional<std::uint64_t> window = {};
  std::optional<std::uint64_t> stride = {};
  std::optional<std::int64_t> position_set_id = {};  // over positions; else none
  std::optional<std::int64_t> capture_id = {};       // sites with the same were computed in one pass
};

// What is known of a site whose rows were recorded elsewhere.
struct RecordedSiteRow {
  std::string source;                        // the folder's name, for people
  std::optional<TokenId> bos_token_id = {};  // of the token that stood before every window
};

// Which positions of the corpus have rows.
struct PositionSetRow {
  std::int64_t position_set_id = 0;
  std::string name;  // for people: "all", "every 10", "sample 0.02 seed 1", "given"
  std::uint64_t row_count = 0;
  std::optional<FileRow> file = {};  // storage/formats/position_rows.h; none: all positions
};

struct SiteIndexRow {
  std::string name;
  std::optional<Metric> metric;
  FileRow file;
  double build_seconds = 0;
};

// "exact", "HNSW32 (l2)", for people
std::string Describe(const SiteIndexRow& index);

// What was measured of an approximate index against 'exact'.
struct RecallRow {
  std::int64_t site_id = 0;
  std::string name;  // of the index
  Metric metric = Metric::kL2;
  std::string parameters;  // "efSearch=64"; empty: none given
  std::uint64_t prompts = 0;
  std::uint64_t seed = 0;  // of the prompt sample
  std::uint64_t k = 0;     // how many were asked for
  double recall = 0;       // how many of the k nearest were found, 0..1
  double median_ms = 0;    // of one query
  double p99_ms = 0;
  int threads = 1;
};

// What the answers of a site whose rows are rounded have in common with those of its rows as float32: of some rows of a
// sample the k nearest others in it, by l2.
struct RoundingRow {
  std::uint64_t sampled_rows = 0;
  std::uint64_t queries = 0;
  std::uint64_t k = 0;
  double recall = 0;  // the share of float32's nearest that are the rounded rows', too: 0..1
};

struct StringRow {
  StringId string_id = 0;
  int length = 0;
  std::string text;  // for people; two strings may have the same
  std::uint64_t occurrences = 0;
  std::vector<TokenId> tokens;
};

// How often a token follows a string: its next-token count.
struct NextTokenCount {
  TokenId token_id = 0;
  std::uint64_t count = 0;
};

inline constexpr char kExactIndexName[] = "exact";
// Words of the columns tokenizer.kind, corpus_file.kind and site.rows.
inline constexpr char kCharactersKind[] = "characters";
inline constexpr char kBpeKind[] = "bpe";
inline constexpr char kTextsKind[] = "texts";
inline constexpr char kTokensKind[] = "tokens";
inline constexpr char kSuffixesKind[] = "suffixes";
inline constexpr char kRowsOfStrings[] = "strings";
inline constexpr char kRowsOfPositions[] = "positions";

// Reads the catalog over a connection that somebody else owns, in the named schema of it ("main", or an attached one).
// One thread at a time. Statements are kept prepared.
class Catalog {
 public:
  // Throws Error when the database is no catalog, or one of another version: how to build it anew.
  explicit Catalog(sqlite3* connection, std::string schema = "main");

  sqlite3* connection() const { return connection_; }
  const std::string& schema() const { return schema_; }

  CorpusRow Corpus();
  std::vector<DocumentRow> Documents();  // by id
  // Throws Error where there is none.
  std::string DocumentName(std::int64_t document_id);
  CorpusFilesRow CorpusFiles();
  TokenizerRow Tokenizer();
  std::optional<ModelRow> Model();
  std::size_t TokenCount();  // of the tokenizer; a model may know more
  int TokenIdWidth();        // bytes of an id in `tokens` (schema/token_ids.h)
  // REQUIRES: token < TokenCount(). Throws Error where the catalog is damaged.
  TokenRow Token(TokenId token);
  std::vector<TokenRow> Tokens();         // by token id
  std::vector<std::string> TokenTexts();  // by token id
  std::vector<LengthRow> Lengths();       // 1..L
  std::vector<SiteRow> Sites();           // by stream, block, t_i
  std::optional<SiteRow> FindSite(const Site& site);
  std::vector<VectorFileRow> VectorFiles(std::int64_t site_id);  // by first row
  std::vector<SiteIndexRow> SiteIndices(std::int64_t site_id);
  std::optional<FileRow> RowOrder(int t_i);
  // None where this directory's model made its rows.
  std::optional<RecordedSiteRow> RecordedSite(std::int64_t site_id);
  // None where its rows are not rounded, or that was not measured.
  std::optional<RoundingRow> Rounding(std::int64_t site_id);
  std::vector<PositionSetRow> PositionSets();  // by id
  // Throws Error where there is none.
  PositionSetRow PositionSet(std::int64_t position_set_id);

  // Of 1 to L tokens, each below TokenCount().
  std::optional<StringRow> FindString(std::span<const TokenId> tokens);
  // The strings of a text and of so many tokens, in order of their ids.
  std::vector<StringRow> StringsOfText(std::string_view text, int length);
  // Ids of the strings of so many tokens whose text begins so, in any order. REQUIRES: prefix is not empty.
  std::vector<std::int64_t> StringsOfPrefix(std::string_view prefix, int length);
  // Throws Error when there is no such string.
  StringRow String(StringId string_id);
  // The strings [first, end), in order of their ids.
  void ForEachString(StringId first, StringId end, const std::function<void(const StringRow&)>& report);
  std::vector<NextTokenCount> NextTokens(StringId string_id);  // by token id
  // Of the strings [first, end), in order of (string id, token id).
  void ForEachNextToken(StringId first, StringId end,
                        const std::function<void(StringId, const NextTokenCount&)>& report);

 private:
  SqliteStatement& Prepare(std::optional<SqliteStatement>& kept, const char* sql);
  // From the columns that kStringColumns names.
  StringRow ReadString(const SqliteStatement& statement);
  // From the columns token_id and count. Throws Error where there is no such token.
  NextTokenCount ReadNextToken(const SqliteStatement& statement, int column, StringId string_id);

  sqlite3* connection_;
  std::string schema_;
  std::optional<std::size_t> token_count_;
  std::optional<SqliteStatement> token_;
  std::optional<SqliteStatement> find_string_;
  std::optional<SqliteStatement> string_;
  std::optional<SqliteStatement> next_tokens_;
};

// Throws Error saying what to do when there is no index directory, or none with a catalog.
void RequireIndexDirectory(const IndexDirectory& directory);

// Opens the catalog of an index directory for reading. Throws Error saying what to do when there is none.
std::unique_ptr<SqliteConnection> OpenCatalog(const IndexDirectory& directory);

// "0123456789abcdef"
std::string ChecksumText(std::uint64_t checksum);

// The cheap check of an opened file against the row that names it. File has file_bytes() and header_checksum(). Throws
// Error naming `path`.
template <typename File>
void RequireAsCatalogued(const File& file, const FileRow& row, const std::filesystem::path& path) {
  if (file.file_bytes() != row.bytes || ChecksumText(file.header_checksum()) != row.checksum) {
    FailDamaged(
        "{}: damaged, or of another build: its header is not the one that the catalog knows; 'actkin verify' says more",
        path.string());
  }
}

}  // namespace actkin

#endif  // ACTKIN_STORAGE_CATALOG_CATALOG_H_
