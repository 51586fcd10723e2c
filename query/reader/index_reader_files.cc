// What an index reader opens, when it is first asked for.
#include <algorithm>
#include <exception>
#include <utility>

#include "query/approximate/filled_up_index.h"
#include "query/approximate/open_approximate_index.h"
#include "query/exact/embedding_index.h"
#include "query/exact/exact_index.h"
#include "query/reader/index_reader.h"
#include "query/reader/recomputed_rows.h"
#include "schema/error.h"
#include "schema/text.h"
#include "storage/directory/directory_files.h"
#include "storage/directory/open_site_rows.h"
#include "storage/formats/code_file.h"
#include "storage/formats/position_rows.h"
#include "storage/formats/sketch_file.h"
#include "storage/formats/vector_file.h"

namespace actkin {

const PromptForward& IndexReader::Forward() {
  if (!forward_) {
    const std::optional<ModelRow> model = catalog_->Model();
    if (!model) {
      FailUsage(ErrorCode::kNotFound, "{}: made without a model: add one with 'actkin build CORPUS --model M --out {}'",
                directory_.path().string(), ShellQuote(directory_.path().string()));
    }
    auto forward = std::make_unique<PromptForward>(directory_.Resolve(model->file), model->bos_token_id);
    const ModelShape& shape = forward->shape();
    if (shape.vocabulary_size != model->shape.vocabulary_size ||
        shape.vocabulary_size < static_cast<std::int64_t>(vocabulary_->tokenizer_size()) ||
        shape.embed != model->shape.embed || shape.blocks != model->shape.blocks) {
      FailDamaged("{}: not the model that the catalog knows", directory_.Resolve(model->file).string());
    }
    forward_ = std::move(forward);
  }
  return *forward_;
}

std::shared_ptr<const RowOrderFile> IndexReader::OpenRowOrder(int t_i) {
  std::shared_ptr<const RowOrderFile>& order = row_orders_[t_i];
  if (!order) {
    const std::optional<FileRow> row = catalog_->RowOrder(t_i);
    if (!row) FailDamaged("{}: damaged: no row order at t_i {}", directory_.Catalog().string(), t_i);
    auto file = std::make_shared<const RowOrderFile>(OpenListed<RowOrderFile>(directory_, *row));
    if (file->row_count() != Length(t_i + 1).row_count) {
      FailDamaged("{}: not the rows of t_i {}", directory_.Resolve(row->file).string(), t_i);
    }
    order = std::move(file);
  }
  return order;
}

std::shared_ptr<const RowMap> IndexReader::OpenRowMap(const Site& site) {
  if (!site.over_positions()) return OpenRowOrder(site.t_i);
  const SiteRow row = RequireSite(site);
  std::shared_ptr<const RowMap>& map = position_sets_[row.position_set_id.value()];
  if (!map) {
    const PositionSetRow set = catalog_->PositionSet(*row.position_set_id);
    if (!set.file) {
      map = std::make_shared<const AllPositions>(corpus_.token_count);
    } else {
      auto file = std::make_shared<const PositionsFile>(OpenListed<PositionsFile>(directory_, *set.file));
      if (file->position_count() != corpus_.token_count) {
        FailDamaged("{}: of another corpus", directory_.Resolve(set.file->file).string());
      }
      map = std::move(file);
    }
  }
  if (map->row_count() != row.row_count) {
    FailDamaged("{}: damaged: {} has {} rows, its positions are {}", directory_.Catalog().string(), Describe(site),
                row.row_count, map->row_count());
  }
  return map;
}

std::shared_ptr<const SiteIndex> IndexReader::OpenIndex(const Site& site, const std::string& name, Metric metric) {
  const auto key = std::make_tuple(site, name, name == kExactIndexName ? Metric::kL2 : metric);
  const auto found = indices_.find(key);
  if (found != indices_.end()) return found->second;

  const SiteRow row = RequireSite(site);
  const std::vector<SiteIndexRow> built = catalog_->SiteIndices(row.site_id);
  const auto index_row = std::ranges::find_if(built, [&](const SiteIndexRow& other) {
    return other.name == name && (!other.metric || *other.metric == metric);
  });
  if (index_row == built.end()) {
    if (name != kExactIndexName && metric != Metric::kL2 && metric != Metric::kCosine) {
      FailUsage(ErrorCode::kUnsupported, "index {}: approximate indices answer l2 and cosine; ask the index {} for {}",
                Quote(name), Quote(kExactIndexName), Name(metric));
    }
    std::string names;
    for (const SiteIndexRow& other : built) names += (names.empty() ? "" : ", ") + Describe(other);
    const bool other_metric = std::ranges::find(built, name, &SiteIndexRow::name) != built.end();
    FailUsage(ErrorCode::kNotFound, "no index {} of {}{}: it has {}", Quote(name), Describe(site),
              other_metric ? fmt::format(" for {}", Name(metric)) : "", names);
  }
  if (name != kExactIndexName) {
    return indices_[key] =
               FillUpByExact(site, OpenApproximateIndex(directory_, *index_row,
                                                        OpenSiteRows(directory_, *catalog_, row), OpenRowMap(site)));
  }

  std::shared_ptr<const SiteIndex> index;
  if (site.of_codes()) {
    index = std::make_shared<EmbeddingIndex>(OpenListed<CodeFile>(directory_, index_row->file), OpenRowMap(site));
  } else {
    RowSource source = row.element == Element::kNone
                           ? OpenRecomputedRows(directory_, *catalog_, row, CorpusTokens(), index_row->file)
                           : OpenSiteRows(directory_, *catalog_, row);
    // A small site has no sketches, nor has one whose build was stopped before it made them.
    const std::vector<VectorFileRow> rows = catalog_->VectorFiles(row.site_id);
    std::optional<SketchFile> sketches;
    if (std::ranges::none_of(rows, [&](const VectorFileRow& file) { return file.file.file == index_row->file.file; })) {
      sketches = OpenListed<SketchFile>(directory_, index_row->file);
    }
    index = std::make_shared<ExactIndex>(std::move(source), std::move(sketches), OpenRowMap(site));
  }
  if (index->dimension() != row.dimension || index->row_count() != row.row_count) {
    FailDamaged("{}: its rows are not those of {} in the catalog", directory_.Resolve(index_row->file.file).string(),
                Describe(site));
  }
  indices_[key] = index;
  return index;
}

// An approximate index answers although 'exact' is damaged, as long as it finds enough.
std::shared_ptr<const SiteIndex> IndexReader::FillUpByExact(const Site& site,
                                                            std::shared_ptr<const SiteIndex> approximate) {
  std::shared_ptr<const SiteIndex> exact;
  std::exception_ptr damage;
  try {
    exact = OpenIndex(site);
  } catch (const Error&) {
    damage = std::current_exception();
  }
  return std::make_shared<FilledUpIndex>(std::move(approximate), [exact, damage]() -> const SiteIndex& {
    if (damage) std::rethrow_exception(damage);
    return *exact;
  });
}

std::shared_ptr<const CorpusTokensFile> IndexReader::CorpusTokens() {
  if (!corpus_tokens_) {
    const FileRow row = catalog_->CorpusFiles().tokens;
    auto file = std::make_shared<const CorpusTokensFile>(OpenListed<CorpusTokensFile>(directory_, row));
    if (file->token_count() != corpus_.token_count || file->vocabulary_size() != catalog_->TokenCount()) {
      FailDamaged("{}: its tokens are not those in the catalog", file->path().string());
    }
    corpus_tokens_ = std::move(file);
  }
  return corpus_tokens_;
}

const CorpusSuffixes& IndexReader::Suffixes() {
  if (!suffixes_) {
    auto order = OpenListed<SuffixOrderFile>(directory_, catalog_->CorpusFiles().suffixes);
    suffixes_ = std::make_unique<const CorpusSuffixes>(CorpusTokens(), std::move(order));
  }
  return *suffixes_;
}

}  // namespace actkin
