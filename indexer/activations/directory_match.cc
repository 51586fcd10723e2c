#include "indexer/activations/directory_match.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "schema/error.h"
#include "storage/directory/open_site_rows.h"
#include "storage/formats/corpus_tokens_file.h"
#include "storage/formats/position_rows.h"

namespace actkin {
namespace {

void RequireSameVocabulary(const RecordedSource& source, const IndexDirectory& directory,
                           const ExistingDirectory& existing) {
  const ChosenTokenizer& chosen = source.corpus.tokenizer;
  const std::string out = directory.path().string();
  if (chosen.tokenizer->size() != existing.tokens.size()) {
    Fail("{}: has {} tokens, {} has {}: give a new directory's name", out, existing.tokens.size(),
         source.folder.string(), chosen.tokenizer->size());
  }
  const TokenizerRow row = chosen.row();
  const TokenizerRow& kept = *existing.tokenizer;
  if (std::string_view(row.kind()) != kept.kind()) {
    if (chosen.texts_alone) return;
    Fail("{}: its tokenizer is '{}', that of {} is '{}': give a new directory's name", out, kept.kind(),
         source.folder.string(), row.kind());
  }
  for (TokenId token = 0; token < existing.tokens.size(); ++token) {
    if (chosen.tokenizer->Bytes(token) == existing.tokens[token].bytes) continue;
    Fail("{}: its token {} is another than that of {}: give a new directory's name", out, token,
         source.folder.string());
  }
  if (row.file && (row.file->checksum != kept.file->checksum || row.file->bytes != kept.file->bytes)) {
    Fail("{}: made with another {}: give a new directory's name", out, kept.file->file);
  }
}

void RequireSameIds(const RecordedSource& source, const IndexDirectory& directory) {
  const std::string out = directory.path().string();
  const std::filesystem::path ids = source.folder / source.file.tokens;
  const std::vector<TokenId>& tokens = source.corpus.tokens.tokens;
  const CorpusTokensFile kept(directory.path() / IndexDirectory::CorpusTokens());
  if (kept.token_count() != tokens.size()) {
    Fail("{}: {} tokens, {} has {}: give a new directory's name", ids.string(), tokens.size(), out, kept.token_count());
  }
  const std::vector<RowRange> documents = source.corpus.tokens.Positions();
  for (std::uint64_t i = 0; i < std::max<std::uint64_t>(documents.size(), kept.document_count()); ++i) {
    if (i < documents.size() && i < kept.document_count() && kept.Positions(i) == documents[i]) continue;
    Fail("{}: document {} is not the one that {} has: give a new directory's name", source.folder.string(), i, out);
  }
  for (std::uint64_t position = 0; position < tokens.size(); ++position) {
    const TokenId token = kept.Token(position);
    if (token == tokens[position]) continue;
    Fail("{}: entry {} is token {}, {} has {} at this position: give a new directory's name", ids.string(), position,
         tokens[position], out, token);
  }
}

void RequireSameBeginning(const RecordedSource& source, const IndexDirectory& directory,
                          const ExistingDirectory& existing) {
  if (!existing.model || existing.model->bos_token_id == source.file.bos_token_id) return;
  const auto before = [](const std::optional<TokenId>& token) {
    return token ? fmt::format("token {}", *token) : std::string("none");
  };
  Fail("{}: its model's windows have before them: {}; those of {}: {} (bos_token_id): give a new directory's name",
       directory.path().string(), before(existing.model->bos_token_id), source.folder.string(),
       before(source.file.bos_token_id));
}

// Of the directory's site, the positions that its rows stand for.
std::shared_ptr<const RowMap> OpenPositions(const IndexDirectory& directory, Catalog& catalog, const SiteRow& site) {
  const PositionSetRow set = catalog.PositionSet(site.position_set_id.value());
  if (!set.file) return std::make_shared<AllPositions>(set.row_count);
  return std::make_shared<PositionsFile>(directory.Resolve(set.file->file));
}

bool SamePositions(const RecordedMatrix& matrix, const RowMap& map) {
  if (matrix.row_count() != map.row_count()) return false;
  for (std::uint64_t row = 0; row < map.row_count(); ++row) {
    const std::uint64_t position = matrix.positions() ? (*matrix.positions())[row] : row;
    if (map.Number(static_cast<RowNumber>(row)) != position) return false;
  }
  return true;
}

// The first row that differs.
std::optional<std::uint64_t> FirstOtherRow(const RecordedMatrix& matrix, const RowSource& rows,
                                           ProgressListener& progress) {
  const std::uint64_t width = matrix.dimension();
  const std::uint64_t piece = std::max<std::uint64_t>(1, (std::uint64_t{1} << 20) / width);
  std::vector<float> recorded(piece * width);
  std::vector<float> kept(width);
  std::optional<std::uint64_t> other;
  progress.Begin("comparing " + Describe(matrix.site()), matrix.row_count(), "rows");
  for (std::uint64_t begin = 0; begin < matrix.row_count() && !other; begin += piece) {
    const RowRange range{begin, std::min(begin + piece, matrix.row_count())};
    const std::span<const float> values(recorded.data(), range.size() * width);
    matrix.ReadRows(range, std::span(recorded).first(values.size()));
    for (std::uint64_t row = range.begin; row < range.end && !other; ++row) {
      rows.Read(static_cast<RowNumber>(row), kept);
      const float* from = values.data() + (row - range.begin) * width;
      if (std::memcmp(from, kept.data(), width * sizeof(float)) != 0) other = row;
    }
    rows.Forget(range);
    progress.Advance(range.end, 0);
  }
  progress.End();
  return other;
}

// Whether the files of a site's rows are as they were written.
bool IsSound(const IndexDirectory& directory, Catalog& catalog, const SiteRow& site) {
  try {
    OpenSiteRows(directory, catalog, site);
    for (const VectorFileRow& row : catalog.VectorFiles(site.site_id))
      VectorFile(directory.Resolve(row.file.file)).Verify();
    return true;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

void RequireSameTokens(const RecordedSource& source, const IndexDirectory& directory, const ExistingDirectory& existing,
                       bool tokens_are_damaged) {
  RequireSameVocabulary(source, directory, existing);
  RequireSameBeginning(source, directory, existing);
  if (!tokens_are_damaged) return RequireSameIds(source, directory);
  if (existing.corpus->sha256 == source.corpus.corpus.sha256) return;
  FailDamaged("{}: damaged, and not of an import of these tokens: 'actkin build' of its corpus makes it again",
              (directory.path() / IndexDirectory::CorpusTokens()).string());
}

SitePresence FindSite(const RecordedMatrix& matrix, const IndexDirectory& directory, ProgressListener& progress) {
  const auto connection = OpenCatalog(directory);
  Catalog catalog(connection->handle());
  const std::optional<SiteRow> site = catalog.FindSite(matrix.site());
  if (!site) return SitePresence::kAbsent;
  const std::string what = fmt::format("{}: has {} already", directory.path().string(), Describe(matrix.site()));
  constexpr char kAdvice[] = "give a new directory's name, or this stream another";
  if (site->dimension != matrix.dimension() || site->element != matrix.element()) {
    Fail("{}, of dimension {} in {}, these have {} in {}: {}", what, site->dimension, Name(site->element),
         matrix.dimension(), Name(matrix.element()), kAdvice);
  }
  if (!SamePositions(matrix, *OpenPositions(directory, catalog, *site))) {
    Fail("{}, of other positions: {}", what, kAdvice);
  }
  const RecordedSite& recorded = matrix.recorded();
  if (recorded.window && site->window && (recorded.window != site->window || recorded.stride != site->stride)) {
    Fail("{}, seen in windows of {} that advance by {}, these in windows of {} by {}: {}", what, *site->window,
         site->stride.value_or(0), *recorded.window, *recorded.stride, kAdvice);
  }
  std::optional<std::uint64_t> other = 0;
  try {
    other = FirstOtherRow(matrix, OpenSiteRows(directory, catalog, *site), progress);
  } catch (const Error&) {
    if (matrix.met_infinite()) throw;
  }
  if (!other) return SitePresence::kSame;
  const bool one_file_of_ours = catalog.RecordedSite(site->site_id) && catalog.VectorFiles(site->site_id).size() == 1;
  if (one_file_of_ours && !IsSound(directory, catalog, *site)) return SitePresence::kDamaged;
  Fail("{}, of other rows: row {} differs: {}", what, *other, kAdvice);
}

}  // namespace actkin
