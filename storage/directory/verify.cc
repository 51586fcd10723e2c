#include "storage/directory/verify.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "schema/error.h"
#include "schema/text.h"
#include "storage/catalog/catalog.h"
#include "storage/catalog/catalog_objects.h"
#include "storage/catalog/content_checksum.h"
#include "storage/directory/open_site_rows.h"
#include "storage/directory/open_tokenizer.h"
#include "storage/directory/verify_counts.h"
#include "storage/directory/verify_experiments.h"
#include "storage/formats/code_file.h"
#include "storage/formats/corpus_suffixes.h"
#include "storage/formats/corpus_tokens_file.h"
#include "storage/formats/faiss_file.h"
#include "storage/formats/graph_file.h"
#include "storage/formats/model_file.h"
#include "storage/formats/position_rows.h"
#include "storage/formats/row_order_file.h"
#include "storage/formats/sketch_file.h"
#include "storage/formats/suffix_order_file.h"
#include "storage/formats/vector_file.h"
#include "storage/machine/file.h"
#include "storage/machine/sha256.h"

namespace actkin {
namespace {

constexpr int kLongestString = 1000;  // what --length allows

class Verifier {
 public:
  Verifier(const IndexDirectory& directory, VerifyDepth depth, const std::function<void(const Finding&)>& report,
           ProgressListener& progress)
      : directory_(directory), every_byte_(depth == VerifyDepth::kEveryByte), hear_(report), progress_(progress) {
    RequireIndexDirectory(directory);
    SqliteConnection::RequireAccess(directory.Catalog());
  }

  void Run() {
    if (every_byte_) progress_.Begin("verify", TotalBytes(), "bytes");
    const bool readable = CheckAll();
    if (every_byte_) progress_.End();
    ReportLeftovers(readable);
  }

 private:
  // False where the catalog does not say what there is.
  bool CheckAll() {
    if (!Check("catalog.db", [this] { CheckPages(); })) return false;
    catalog_.emplace(connection_->handle());
    CheckContent();
    for (const std::string& added : AddedObjects(connection_->handle())) {
      hear_({Finding::Kind::kAdded, "catalog.db: " + added, "not actkin's: it is left as it is"});
    }
    CorpusFilesRow corpus_files;
    TokenizerRow tokenizer;
    std::optional<ModelRow> model;
    std::map<int, FileRow> row_orders;  // by t_i
    std::vector<PositionSetRow> position_sets;
    std::vector<SiteRow> sites;
    const bool readable = Check("catalog.db: what is built", [&] {
      const int string_length = std::min(catalog_->Corpus().string_length, kLongestString);
      lengths_ = catalog_->Lengths();
      corpus_files = catalog_->CorpusFiles();
      tokenizer = catalog_->Tokenizer();
      model = catalog_->Model();
      for (int t_i = 0; t_i < string_length; ++t_i) {
        if (const std::optional<FileRow> row = catalog_->RowOrder(t_i)) row_orders.emplace(t_i, *row);
      }
      position_sets = catalog_->PositionSets();
      sites = catalog_->Sites();
    });
    if (!readable) return false;
    if (every_byte_) {
      Check("catalog.db: documents", [this] { CheckDocuments(); });
      Check("catalog.db: tokens", [this] { catalog_->Tokens(); });
      Check("catalog.db: strings", [this] { CheckStrings(); });
      Check("catalog.db: next tokens", [this] { CheckNextTokens(); });
    }
    CheckCorpusFiles(corpus_files);
    if (tokenizer.file) {
      named_.insert(tokenizer.file->file);
      Check(tokenizer.file->file, [&] { CheckTokenizer(*tokenizer.file); });
    }
    if (model) {
      named_.insert(model->file);
      Check(model->file, [&] { CheckModel(*model); });
    }
    for (const auto& [t_i, row] : row_orders) {
      named_.insert(row.file);
      Check(row.file, [&, t_i = t_i, &row = row] { CheckRowOrder(row, t_i + 1); });
    }
    for (const PositionSetRow& row : position_sets) CheckPositionSet(row);
    for (const SiteRow& site : sites) CheckSite(site);
    Check("catalog.db: experiments", [this] {
      VerifyExperiments(
          directory_, every_byte_, *catalog_,
          [this](const std::string& what, const std::function<void()>& action) { Check(what, action); }, named_);
    });
    return true;
  }

  std::uint64_t TotalBytes() const {
    std::uint64_t bytes = 0;
    std::error_code error;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory_.path(), error)) {
      const bool unfinished = entry.path().string().starts_with(directory_.Partial().string());
      if (!unfinished && entry.is_regular_file(error)) bytes += entry.file_size(error);
    }
    return bytes;
  }

  // `what`: the file that the action reads, or a part of the catalog.
  template <typename Action>
  bool Check(const std::string& what, const Action& action) {
    Finding finding{Finding::Kind::kSound, what, ""};
    try {
      action();
    } catch (const Error& error) {
      if (error.code() == ErrorCode::kInterrupted) throw;
      finding = {Finding::Kind::kDamaged, what, error.what()};
    }
    std::error_code absent;
    const std::uint64_t bytes = std::filesystem::file_size(directory_.path() / what, absent);
    if (!absent) bytes_read_ += bytes;
    progress_.Advance(bytes_read_, 0);
    hear_(finding);
    return finding.kind == Finding::Kind::kSound;
  }

  void CheckPages() {
    connection_ = OpenCatalog(directory_);
    if (!every_byte_) return;
    const std::string answer = connection_->Value("PRAGMA integrity_check(1)").value_or("no answer");
    if (answer != "ok") Fail("{}: damaged: {}", directory_.Catalog().string(), answer);
  }

  void CheckContent() {
    Check("catalog.db: content_checksum", [&] { VerifyChecksumTable(connection_->handle()); });
    for (const std::string& table : CheckedTables()) {
      Check("catalog.db: " + table, [&] {
        if (every_byte_ || !IsFixedTable(table)) return VerifyContent(connection_->handle(), table);
        SqliteStatement(connection_->handle(), fmt::format("SELECT 1 FROM main.\"{}\" LIMIT 1", table)).Step();
      });
    }
  }

  void CheckDocuments() {
    std::uint64_t end = 0;
    for (const DocumentRow& row : catalog_->Documents()) {
      if (row.first_position != end) Fail("document {} begins at position {}", row.document_id, row.first_position);
      end += row.token_count;
    }
    const std::uint64_t expected = catalog_->Corpus().token_count;
    if (end != expected) Fail("the documents have {} tokens, the corpus {}", end, expected);
  }

  void CheckCorpusFiles(const CorpusFilesRow& rows) {
    named_.insert(rows.tokens.file);
    named_.insert(rows.suffixes.file);
    std::shared_ptr<const CorpusTokensFile> tokens;
    const bool sound_tokens = Check(rows.tokens.file, [&] {
      const std::filesystem::path path = directory_.Resolve(rows.tokens.file);
      tokens = std::make_shared<const CorpusTokensFile>(path);
      RequireAsCatalogued(*tokens, rows.tokens, path);
      if (tokens->token_count() != catalog_->Corpus().token_count ||
          tokens->vocabulary_size() != catalog_->TokenCount()) {
        Fail("{}: its tokens are not those in the catalog", path.string());
      }
      if (!every_byte_) return;
      tokens->Verify();
      RequireDocuments(*tokens);
    });
    std::optional<SuffixOrderFile> suffixes;
    const bool sound_suffixes = Check(rows.suffixes.file, [&] {
      const std::filesystem::path path = directory_.Resolve(rows.suffixes.file);
      RequireAsCatalogued(suffixes.emplace(path), rows.suffixes, path);
      if (every_byte_) suffixes->Verify();
      if (!sound_tokens) return;  // damaged tokens are no fault of their order's
      suffixes->RequireOf(*tokens);
      if (every_byte_) suffixes->VerifyOrder(*tokens);
    });
    if (!every_byte_ || !sound_tokens || !sound_suffixes) return;
    Check("catalog.db: counts", [&] { VerifyCounts(*catalog_, CorpusSuffixes(tokens, std::move(*suffixes))); });
  }

  void RequireDocuments(const CorpusTokensFile& tokens) {
    std::uint64_t number = 0;
    for (const DocumentRow& row : catalog_->Documents()) {
      const RowRange positions{row.first_position, row.first_position + row.token_count};
      if (number >= tokens.document_count() || tokens.Positions(number) != positions ||
          row.document_id != static_cast<std::int64_t>(number)) {
        Fail("{}: its document {} is not the one in the catalog", tokens.path().string(), number);
      }
      ++number;
    }
    if (number != tokens.document_count()) {
      Fail("{}: {} documents, the catalog has {}", tokens.path().string(), tokens.document_count(), number);
    }
  }

  void CheckTokenizer(const FileRow& row) {
    const std::filesystem::path path = directory_.Resolve(row.file);
    RequireTokenizerFile(MappedFile(path).bytes(), row, every_byte_, path.string());
    if (!every_byte_) return;
    const std::unique_ptr<const Tokenizer> tokenizer = OpenTokenizer(directory_, *catalog_);
    for (TokenId token = 0; token < tokenizer->size(); ++token) {
      if (tokenizer->size() == catalog_->TokenCount() && tokenizer->Bytes(token) == catalog_->Token(token).bytes)
        continue;
      Fail("{}: its tokens are not those in the catalog", path.string());
    }
  }

  // How many documents have at least so many tokens, from 0 to L.
  std::vector<std::uint64_t> LongDocuments() {
    std::vector<std::uint64_t> documents(lengths_.size() + 1, 0);
    for (const DocumentRow& row : catalog_->Documents()) {
      ++documents[std::min<std::uint64_t>(row.token_count, lengths_.size())];
    }
    for (std::size_t length = lengths_.size(); length > 0; --length) documents[length - 1] += documents[length];
    return documents;
  }

  void CheckStrings() {
    const CorpusRow corpus = catalog_->Corpus();
    if (lengths_.size() != static_cast<std::size_t>(corpus.string_length)) {
      Fail("the catalog knows {} lengths of strings, its corpus row says {}", lengths_.size(), corpus.string_length);
    }
    SqliteStatement count(
        connection_->handle(),
        "SELECT count(*), sum(occurrences), sum(length) FROM string WHERE string_id BETWEEN ?1 AND ?2");
    if (!catalog_->Tokenizer().file && corpus.characters != corpus.token_count) {
      Fail("the corpus has {} characters, and {} tokens that are characters", corpus.characters, corpus.token_count);
    }
    StringId first = 1;
    const std::vector<std::uint64_t> documents = LongDocuments();
    // A string of no tokens stands before every token, and at each document's end; one longer by one not at the ends.
    std::uint64_t places = corpus.token_count + documents[0];
    for (std::size_t i = 0; i < lengths_.size(); ++i) {
      places -= documents[i];
      const LengthRow& row = lengths_[i];
      const std::uint64_t length = i + 1;
      count.Bind(first, first + row.string_count - 1);
      count.Step();
      const bool right = row.length == static_cast<int>(length) && row.first_string_id == first &&
                         row.row_count <= row.string_count &&
                         static_cast<std::uint64_t>(count.Integer(0)) == row.string_count &&
                         static_cast<std::uint64_t>(count.Integer(1)) == places &&
                         static_cast<std::uint64_t>(count.Integer(2)) == row.string_count * length;
      if (!right) Fail("the strings of length {} are not those of {} tokens", length, corpus.token_count);
      first += row.string_count;
    }
    if (connection_->Value("SELECT count(*) FROM string") != std::to_string(first - 1)) {
      Fail("the catalog holds strings beyond id {}", first - 1);
    }
  }

  // Every occurrence is followed by a token, but the one at the very end of each document that has so many tokens.
  void CheckNextTokens() {
    SqliteStatement statement(
        connection_->handle(),
        "SELECT length, sum(missing), min(missing) FROM (SELECT length, occurrences - "
        "ifnull((SELECT sum(count) FROM next_token AS n WHERE n.string_id = string.string_id), 0) "
        "AS missing FROM string) WHERE missing <> 0 GROUP BY length");
    const std::vector<std::uint64_t> documents = LongDocuments();
    std::size_t lengths = 0;
    while (statement.Step()) {
      ++lengths;
      const auto length = static_cast<std::uint64_t>(statement.Integer(0));
      if (statement.Integer(2) < 0 || length >= documents.size() ||
          static_cast<std::uint64_t>(statement.Integer(1)) != documents[length]) {
        Fail("next-token counts of length {} do not add up to the strings' occurrences", length);
      }
    }
    if (lengths != lengths_.size()) Fail("next-token counts do not leave out the last string of documents");
    if (connection_->Value("SELECT count(*) FROM next_token WHERE token_id NOT IN (SELECT token_id FROM token)") !=
        "0") {
      Fail("a next token is not in the table token");
    }
  }

  void CheckModel(const ModelRow& row) {
    const std::filesystem::path path = directory_.Resolve(row.file);
    const MappedFile bytes(path);
    if (every_byte_ && Sha256(bytes.bytes()) != row.sha256) {
      Fail("{}: damaged: its SHA-256 is not the catalog's", path.string());
    }
    const ModelShape shape = ModelFile(path).description().shape;
    const bool same = shape.vocabulary_size == row.shape.vocabulary_size && shape.blocks == row.shape.blocks &&
                      shape.heads == row.shape.heads && shape.embed == row.shape.embed &&
                      shape.context == row.shape.context &&
                      catalog_->TokenCount() <= static_cast<std::size_t>(shape.vocabulary_size);
    if (!same) Fail("{}: its sizes are not those in the catalog", path.string());
  }

  void CheckRowOrder(const FileRow& row, int string_length) {
    const auto length = std::ranges::find(lengths_, string_length, &LengthRow::length);
    if (length == lengths_.end()) Fail("{}: of strings that the catalog has none of", row.file);
    const std::filesystem::path path = directory_.Resolve(row.file);
    const RowOrderFile file(path);
    RequireAsCatalogued(file, row, path);
    if (file.string_length() != static_cast<std::uint64_t>(string_length) || file.row_count() != length->row_count) {
      Fail("{}: {} rows of length {}, expected {} of {}", path.string(), file.row_count(), file.string_length(),
           length->row_count, string_length);
    }
    if (every_byte_) file.Verify();
  }

  void CheckPositionSet(const PositionSetRow& row) {
    const std::uint64_t positions = catalog_->Corpus().token_count;
    if (!row.file) {
      Check("catalog.db: position_set", [&] {
        if (row.row_count != positions) Fail("{} has {} rows, expected {}", Quote(row.name), row.row_count, positions);
      });
      return;
    }
    named_.insert(row.file->file);
    Check(row.file->file, [&] {
      const std::filesystem::path path = directory_.Resolve(row.file->file);
      const PositionsFile file(path);
      RequireAsCatalogued(file, *row.file, path);
      if (file.row_count() != row.row_count || file.position_count() != positions) {
        Fail("{}: {} rows of {} positions, expected {} of {}", path.string(), file.row_count(), file.position_count(),
             row.row_count, positions);
      }
      if (every_byte_) file.Verify();
    });
  }

  void CheckSite(const SiteRow& site) {
    std::vector<SiteIndexRow> indices;
    std::vector<VectorFileRow> vector_files;
    Check("catalog.db: " + Describe(site.site), [&] {
      indices = catalog_->SiteIndices(site.site_id);
      vector_files = catalog_->VectorFiles(site.site_id);
      if (site.site.over_positions()) {
        const PositionSetRow positions = catalog_->PositionSet(*site.position_set_id);
        if (positions.row_count != site.row_count) Fail("its rows are not the positions {}", Quote(positions.name));
      } else {
        const auto length = std::ranges::find(lengths_, site.site.t_i + 1, &LengthRow::length);
        if (length == lengths_.end() || length->row_count != site.row_count ||
            length->first_string_id != site.first_string_id) {
          Fail("its rows are not the strings of length {}", site.site.t_i + 1);
        }
        if (!catalog_->RowOrder(site.site.t_i)) Fail("its t_i has no row order");
      }
      if (std::ranges::find(indices, kExactIndexName, &SiteIndexRow::name) == indices.end()) Fail("no index 'exact'");
      if (site.site.of_codes()) return;
      std::uint64_t end = 0;
      for (const VectorFileRow& file : vector_files) {
        if (file.rows.begin != end) Fail("its vector files leave out row {}", end);
        end = file.rows.end;
      }
      if (end != site.row_count) Fail("its vector files hold {} rows, expected {}", end, site.row_count);
    });
    for (const VectorFileRow& row : vector_files) {
      named_.insert(row.file.file);
      Check(row.file.file, [&] {
        const std::filesystem::path path = directory_.Resolve(row.file.file);
        const VectorFile file(path);
        RequireAsCatalogued(file, row.file, path);
        if (file.rows() != row.rows || file.dimension() != site.dimension || file.element() != site.element) {
          Fail("{}: its rows are not those in the catalog", path.string());
        }
        if (every_byte_) file.Verify();
      });
    }
    for (const SiteIndexRow& index : indices) {
      const auto rows =
          std::ranges::find(vector_files, index.file.file, [](const VectorFileRow& row) { return row.file.file; });
      if (rows != vector_files.end() &&
          (rows->file.bytes != index.file.bytes || rows->file.checksum != index.file.checksum)) {
        Check("catalog.db: " + Describe(site.site),
              [&] { Fail("its index 'exact' and its vector file do not agree about {}", index.file.file); });
      }
      if (!named_.insert(index.file.file).second) continue;
      Check(index.file.file, [&] {
        if (index.name != kExactIndexName) {
          return VerifyApproximateIndex(directory_, *catalog_, site, index,
                                        every_byte_ ? VerifyDepth::kEveryByte : VerifyDepth::kHeaders);
        }
        const std::filesystem::path path = directory_.Resolve(index.file.file);
        if (!site.site.of_codes()) return CheckSketches(index.file, path, site);
        const CodeFile file(path);
        RequireAsCatalogued(file, index.file, path);
        if (file.rows() != RowRange{0, site.row_count} || file.positions() * file.embed() != site.dimension) {
          Fail("{}: its rows are not those in the catalog", path.string());
        }
        if (every_byte_) file.Verify();
      });
    }
  }

  void CheckSketches(const FileRow& row, const std::filesystem::path& path, const SiteRow& site) const {
    const SketchFile file(path);
    RequireAsCatalogued(file, row, path);
    if (file.row_count() != site.row_count || file.dimension() != site.dimension) {
      Fail("{}: its rows are not those in the catalog", path.string());
    }
    if (every_byte_) file.Verify();
  }

  void ReportLeftovers(bool all_are_named) {
    std::error_code error;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory_.path(), error)) {
      const std::string name = entry.path().lexically_relative(directory_.path()).string();
      if (entry.path().parent_path() == directory_.Partial()) {
        hear_({Finding::Kind::kLeftover, name, "unfinished work: the same build continues it"});
        continue;
      }
      if (!all_are_named || entry.is_directory(error) || name.starts_with("partial/")) continue;
      const bool ours = name.starts_with("catalog.db") || entry.path() == directory_.Lock() || named_.contains(name);
      if (!ours) hear_({Finding::Kind::kLeftover, name, "no row of the catalog names it"});
    }
  }

  const IndexDirectory& directory_;
  const bool every_byte_;
  const std::function<void(const Finding&)>& hear_;
  ProgressListener& progress_;
  std::uint64_t bytes_read_ = 0;
  std::unique_ptr<SqliteConnection> connection_;
  std::optional<Catalog> catalog_;
  std::vector<LengthRow> lengths_;
  std::set<std::string> named_;  // files that the catalog names
};

}  // namespace

void Verify(const IndexDirectory& directory, VerifyDepth depth, const std::function<void(const Finding&)>& report,
            ProgressListener& progress) {
  Verifier(directory, depth, report, progress).Run();
}

namespace {

// None where the rows cannot be opened: that is not the fault of what was built over them.
std::optional<std::uint64_t> ChecksumOfRows(const IndexDirectory& directory, Catalog& catalog, const SiteRow& site) {
  try {
    return OpenSiteRows(directory, catalog, site).checksum();
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace

void VerifyApproximateIndex(const IndexDirectory& directory, Catalog& catalog, const SiteRow& site,
                            const SiteIndexRow& index, VerifyDepth depth) {
  const std::filesystem::path path = directory.Resolve(index.file.file);
  const auto check = [&](const auto& file, const auto& source) {
    RequireAsCatalogued(file, index.file, path);
    const std::uint64_t rows_checksum = ChecksumOfRows(directory, catalog, site).value_or(source.rows_checksum);
    if (source.metric != index.metric || source.row_count != site.row_count || source.dimension != site.dimension ||
        source.rows_checksum != rows_checksum) {
      FailDamaged("{}: was built over other rows than the site has: drop it and add it again", path.string());
    }
    if (depth == VerifyDepth::kEveryByte) file.Verify();
  };
  if (IndexDirectory::IsGraph(index.file.file)) {
    const GraphFile file(path);
    check(file, file.graph());
  } else {
    const FaissFile file(path);
    check(file, file.source());
  }
}

}  // namespace actkin
