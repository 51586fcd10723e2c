#include "storage/directory/verify_file.h"

#include <algorithm>
#include <utility>

#include "schema/error.h"
#include "storage/directory/open_site_rows.h"
#include "storage/directory/open_tokenizer.h"
#include "storage/directory/verify_counts.h"
#include "storage/formats/code_file.h"
#include "storage/formats/corpus_suffixes.h"
#include "storage/formats/faiss_file.h"
#include "storage/formats/graph_file.h"
#include "storage/formats/model_file.h"
#include "storage/formats/position_rows.h"
#include "storage/formats/row_order_file.h"
#include "storage/formats/saved_neighbors_file.h"
#include "storage/formats/sketch_file.h"
#include "storage/formats/vector_file.h"
#include "storage/machine/file.h"
#include "storage/machine/sha256.h"

namespace actkin {

FileVerifier::FileVerifier(const IndexDirectory& directory, Catalog& catalog, VerifyDepth depth)
    : directory_(directory), catalog_(catalog), every_byte_(depth == VerifyDepth::kEveryByte) {}

void FileVerifier::Verify(const DirectoryFile& file) {
  using Kind = DirectoryFile::Kind;
  switch (file.kind) {
    case Kind::kModel:
      return VerifyModel(file.file);
    case Kind::kTokenizer:
      return VerifyTokenizer(file.file);
    case Kind::kCorpusTokens:
      return VerifyTokens(file.file);
    case Kind::kCorpusSuffixes:
      return VerifySuffixes(file.file);
    case Kind::kRowOrder:
      return VerifyRowOrder(file);
    case Kind::kPositions:
      return VerifyPositions(file);
    case Kind::kVectors:
      return VerifyVectors(file);
    case Kind::kCodes:
      return VerifyCodes(file);
    case Kind::kSketches:
      return VerifySketches(file);
    case Kind::kApproximateIndex:
      return VerifyApproximateIndex(directory_, catalog_, *file.site, *file.index,
                                    every_byte_ ? VerifyDepth::kEveryByte : VerifyDepth::kHeaders);
    case Kind::kSavedNeighbors:
      return VerifySavedNeighbors(file);
    case Kind::kSavedBandTotals:
      return VerifySavedBandTotals(file);
    case Kind::kSavedPredictions:
      return VerifySavedPredictions(file);
  }
}

void FileVerifier::VerifyCounts() {
  const CorpusSuffixes corpus(std::move(tokens_), std::move(*suffixes_));
  suffixes_.reset();
  actkin::VerifyCounts(catalog_, corpus);
}

const LengthRow* FileVerifier::FindLength(int length) {
  if (lengths_.empty()) lengths_ = catalog_.Lengths();
  const auto found = std::ranges::find(lengths_, length, &LengthRow::length);
  return found == lengths_.end() ? nullptr : &*found;
}

const LengthRow& FileVerifier::RequireLength(int length) {
  const LengthRow* found = FindLength(length);
  if (found == nullptr) Fail("neighbors of {} tokens, but there are no such strings", length);
  return *found;
}

void FileVerifier::VerifyTokens(const FileRow& row) {
  auto tokens = std::make_shared<const CorpusTokensFile>(OpenListed<CorpusTokensFile>(directory_, row));
  if (tokens->token_count() != catalog_.Corpus().token_count || tokens->vocabulary_size() != catalog_.TokenCount()) {
    Fail("{}: its tokens are not those in the catalog", tokens->path().string());
  }
  if (every_byte_) {
    tokens->Verify();
    RequireDocuments(*tokens);
  }
  tokens_ = std::move(tokens);
}

void FileVerifier::RequireDocuments(const CorpusTokensFile& tokens) const {
  std::uint64_t number = 0;
  for (const DocumentRow& row : catalog_.Documents()) {
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

void FileVerifier::VerifySuffixes(const FileRow& row) {
  auto suffixes = OpenListed<SuffixOrderFile>(directory_, row);
  if (every_byte_) suffixes.Verify();
  if (tokens_) {  // damaged tokens are no fault of their order's
    suffixes.RequireOf(*tokens_);
    if (every_byte_) suffixes.VerifyOrder(*tokens_);
  }
  suffixes_ = std::move(suffixes);
}

void FileVerifier::VerifyTokenizer(const FileRow& row) const {
  const std::filesystem::path path = directory_.Resolve(row.file);
  RequireTokenizerFile(MappedFile(path).bytes(), row, every_byte_, path.string());
  if (!every_byte_) return;
  const std::unique_ptr<const Tokenizer> tokenizer = OpenTokenizer(directory_, catalog_);
  for (TokenId token = 0; token < tokenizer->size(); ++token) {
    if (tokenizer->size() == catalog_.TokenCount() && tokenizer->Bytes(token) == catalog_.Token(token).bytes) continue;
    Fail("{}: its tokens are not those in the catalog", path.string());
  }
}

void FileVerifier::VerifyModel(const FileRow& row) {
  const std::filesystem::path path = directory_.Resolve(row.file);
  const MappedFile bytes(path);
  if (every_byte_ && Sha256(bytes.bytes()) != row.checksum) {
    Fail("{}: damaged: its SHA-256 is not the catalog's", path.string());
  }
  const ModelShape shape = ModelFile(path).description().shape;
  const ModelShape expected = catalog_.Model().value().shape;
  const bool same = shape.vocabulary_size == expected.vocabulary_size && shape.blocks == expected.blocks &&
                    shape.heads == expected.heads && shape.embed == expected.embed &&
                    shape.context == expected.context &&
                    catalog_.TokenCount() <= static_cast<std::size_t>(shape.vocabulary_size);
  if (!same) Fail("{}: its sizes are not those in the catalog", path.string());
}

void FileVerifier::VerifyRowOrder(const DirectoryFile& listed) {
  const int string_length = listed.t_i + 1;
  const LengthRow* length = FindLength(string_length);
  if (length == nullptr) Fail("{}: of strings that the catalog has none of", listed.file.file);
  const auto file = OpenListed<RowOrderFile>(directory_, listed.file);
  if (file.string_length() != static_cast<std::uint64_t>(string_length) || file.row_count() != length->row_count) {
    Fail("{}: {} rows of length {}, expected {} of {}", directory_.Resolve(listed.file.file).string(), file.row_count(),
         file.string_length(), length->row_count, string_length);
  }
  if (every_byte_) file.Verify();
}

void FileVerifier::VerifyPositions(const DirectoryFile& listed) const {
  const auto file = OpenListed<PositionsFile>(directory_, listed.file);
  const std::uint64_t positions = catalog_.Corpus().token_count;
  if (file.row_count() != listed.positions->row_count || file.position_count() != positions) {
    Fail("{}: {} rows of {} positions, expected {} of {}", directory_.Resolve(listed.file.file).string(),
         file.row_count(), file.position_count(), listed.positions->row_count, positions);
  }
  if (every_byte_) file.Verify();
}

void FileVerifier::VerifyVectors(const DirectoryFile& listed) const {
  const auto file = OpenListed<VectorFile>(directory_, listed.file);
  if (file.rows() != listed.rows || file.dimension() != listed.site->dimension ||
      file.element() != listed.site->element) {
    Fail("{}: its rows are not those in the catalog", file.path().string());
  }
  if (every_byte_) file.Verify();
}

void FileVerifier::VerifyCodes(const DirectoryFile& listed) const {
  const auto file = OpenListed<CodeFile>(directory_, listed.file);
  if (file.rows() != RowRange{0, listed.site->row_count} || file.positions() * file.embed() != listed.site->dimension) {
    Fail("{}: its rows are not those in the catalog", directory_.Resolve(listed.file.file).string());
  }
  if (every_byte_) file.Verify();
}

void FileVerifier::VerifySketches(const DirectoryFile& listed) const {
  const auto file = OpenListed<SketchFile>(directory_, listed.file);
  if (file.row_count() != listed.site->row_count || file.dimension() != listed.site->dimension) {
    Fail("{}: its rows are not those in the catalog", directory_.Resolve(listed.file.file).string());
  }
  if (every_byte_) file.Verify();
}

template <typename File>
File FileVerifier::OpenSaved(const DirectoryFile& listed) const {
  auto file = OpenListed<File>(directory_, listed.file);
  if (file.prompts() != listed.prompts->prompt_count) {
    Fail("{}: has {} prompts, its set has {}", directory_.Resolve(listed.file.file).string(), file.prompts(),
         listed.prompts->prompt_count);
  }
  return file;
}

void FileVerifier::VerifySavedNeighbors(const DirectoryFile& listed) {
  const auto file = OpenSaved<SavedNeighborsFile>(listed);
  const SavedNeighborsRow& row = *listed.neighbors;
  if (file.k() != row.k) Fail("{}: k is {}, expected {}", file.path().string(), file.k(), row.k);
  if (every_byte_) file.Verify(row.metric, RequireLength(row.site.t_i + 1).string_count);
}

void FileVerifier::VerifySavedBandTotals(const DirectoryFile& listed) {
  const auto file = OpenSaved<BandTotalsFile>(listed);
  // A model may know more tokens than the tokenizer.
  std::uint64_t expected = catalog_.TokenCount();
  if (const std::optional<ModelRow> model = catalog_.Model()) {
    expected = std::max(expected, static_cast<std::uint64_t>(model->shape.vocabulary_size));
  }
  if (file.vocabulary_size() != expected) Fail("of {} tokens, expected {}", file.vocabulary_size(), expected);
  if (every_byte_) file.Verify(RequireLength(listed.totals->site.t_i + 1).row_count);
}

void FileVerifier::VerifySavedPredictions(const DirectoryFile& listed) const {
  const auto file = OpenSaved<PredictionsFile>(listed);
  if (every_byte_) file.Verify();
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
  const auto check = [&](const auto& file, const auto& source) {
    const std::uint64_t rows_checksum = ChecksumOfRows(directory, catalog, site).value_or(source.rows_checksum);
    if (source.metric != index.metric || source.row_count != site.row_count || source.dimension != site.dimension ||
        source.rows_checksum != rows_checksum) {
      FailDamaged("{}: was built over other rows than the site has: drop it and add it again",
                  directory.Resolve(index.file.file).string());
    }
    if (depth == VerifyDepth::kEveryByte) file.Verify();
  };
  if (IndexDirectory::IsGraph(index.file.file)) {
    const auto file = OpenListed<GraphFile>(directory, index.file);
    check(file, file.graph());
  } else {
    const auto file = OpenListed<FaissFile>(directory, index.file);
    check(file, file.source());
  }
}

}  // namespace actkin
