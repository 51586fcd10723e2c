#include "query/reader/recomputed_rows.h"

#include <algorithm>
#include <list>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "query/exact/recomputed_row.h"
#include "query/exact/vector_scan.h"
#include "schema/error.h"
#include "storage/directory/directory_files.h"
#include "storage/formats/sketch_file.h"

namespace actkin {
namespace {

constexpr std::uint64_t kRememberedBytes = std::uint64_t{256} << 20;

// The rows that were asked last. Any thread.
class RecentRows {
 public:
  explicit RecentRows(std::uint64_t dimension)
      : most_(std::max<std::uint64_t>(kRememberedBytes / (dimension * sizeof(float)), 1)) {}

  bool Find(RowNumber row, std::span<float> out) {
    const std::lock_guard lock(mutex_);
    const auto found = by_row_.find(row);
    if (found == by_row_.end()) return false;
    rows_.splice(rows_.begin(), rows_, found->second);
    std::ranges::copy(found->second->numbers, out.begin());
    return true;
  }

  void Add(RowNumber row, std::span<const float> numbers) {
    const std::lock_guard lock(mutex_);
    if (by_row_.contains(row)) return;
    if (rows_.size() == most_) {
      by_row_.erase(rows_.back().row);
      rows_.pop_back();
    }
    rows_.push_front({row, {numbers.begin(), numbers.end()}});
    by_row_[row] = rows_.begin();
  }

 private:
  struct Row {
    RowNumber row = 0;
    std::vector<float> numbers;
  };

  const std::uint64_t most_;
  std::mutex mutex_;
  std::list<Row> rows_;  // the last asked first
  std::unordered_map<RowNumber, std::list<Row>::iterator> by_row_;
};

}  // namespace

RowTokens::RowTokens(std::shared_ptr<const CorpusTokensFile> tokens, const SuffixOrderFile& order, int length,
                     int string_length, std::uint64_t row_count)
    : tokens_(std::move(tokens)), length_(length) {
  order.RequireOf(*tokens_);
  entries_.reserve(row_count);
  std::vector<TokenId> string;
  std::vector<TokenId> last;
  for (std::uint64_t place = 0; place < order.size(); ++place) {
    const std::uint64_t begin = order.Begin(place);
    string.clear();
    for (int i = 0; i < string_length && begin + static_cast<std::uint64_t>(i) < tokens_->entry_count(); ++i) {
      const std::optional<TokenId> token = tokens_->Entry(begin + static_cast<std::uint64_t>(i));
      if (!token) break;  // the document ends
      string.push_back(*token);
    }
    if (string.size() < static_cast<std::size_t>(string_length)) continue;
    string.resize(static_cast<std::size_t>(length));
    if (string == last) continue;
    entries_.push_back(static_cast<std::uint32_t>(begin));
    std::swap(string, last);
  }
  if (entries_.size() != row_count) {
    FailDamaged("{}: has {} strings of {} tokens that rows are of, the site has {} rows", tokens_->path().string(),
                entries_.size(), length, row_count);
  }
}

std::vector<TokenId> RowTokens::Of(RowNumber row) const {
  std::vector<TokenId> tokens;
  for (std::uint64_t i = 0; i < static_cast<std::uint64_t>(length_); ++i) {
    tokens.push_back(tokens_->Entry(entries_[row] + i).value());
  }
  return tokens;
}

RowSource RecomputedRows(const SiteRow& site, const std::filesystem::path& name,
                         std::shared_ptr<const PromptForward> forward, std::shared_ptr<const RowTokens> tokens,
                         RowCheck check) {
  const auto recent = std::make_shared<RecentRows>(site.dimension);
  const auto compute = [=, check = std::move(check), of = site.site, dimension = site.dimension](
                           std::span<const RowNumber> rows, std::span<float> out) {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const std::span<float> row = out.subspan(i * dimension, dimension);
      if (recent->Find(rows[i], row)) continue;
      std::ranges::copy(forward->LastOutput(tokens->Of(rows[i]), of.stream, of.block), row.begin());
      check(rows[i], row);
      recent->Add(rows[i], row);
    }
  };
  return RowSource(site.row_count, site.dimension, name, compute);
}

RowSource OpenRecomputedRows(const IndexDirectory& directory, Catalog& catalog, const SiteRow& site,
                             std::shared_ptr<const CorpusTokensFile> tokens, const FileRow& sketches) {
  const std::optional<ModelRow> model = catalog.Model();
  const bool known = model && !site.site.over_positions() && site.site.block >= 0 &&
                     site.site.block < model->shape.blocks && site.site.stream != Stream::kEmbedding &&
                     static_cast<std::uint64_t>(model->shape.embed) == site.dimension && site.site.t_i >= 0 &&
                     site.site.t_i < catalog.Corpus().string_length;
  if (!known) {
    FailDamaged("{}: {} keeps no rows, and no model here makes them again", directory.Catalog().string(),
                Describe(site.site));
  }
  auto forward = std::make_shared<const PromptForward>(directory.Resolve(model->file), model->bos_token_id);
  const ModelShape& shape = forward->shape();
  if (shape.embed != model->shape.embed || shape.blocks != model->shape.blocks) {
    FailDamaged("{}: its sizes are not those in the catalog", directory.Resolve(model->file).string());
  }
  const auto order = OpenListed<SuffixOrderFile>(directory, catalog.CorpusFiles().suffixes);
  auto of_rows = std::make_shared<const RowTokens>(std::move(tokens), order, site.site.t_i + 1,
                                                   catalog.Corpus().string_length, site.row_count);
  const auto file = std::make_shared<const SketchFile>(OpenListed<SketchFile>(directory, sketches));
  if (file->row_count() != site.row_count || file->dimension() != site.dimension) {
    FailDamaged("{}: not the sketches of {}", file->path().string(), Describe(site.site));
  }
  const std::filesystem::path name = directory.path() / Describe(site.site);
  const auto check = [file, name](RowNumber row, std::span<const float> numbers) {
    RequireRowOfSketches(*file, row, numbers, kComputedTolerance, name);
  };
  return RecomputedRows(site, name, std::move(forward), std::move(of_rows), check);
}

}  // namespace actkin
