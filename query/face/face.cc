#include <algorithm>
#include <exception>
#include <thread>
#include <utility>

#include "actkin/index.h"
#include "query/predict/prediction.h"
#include "query/predict/token_totals.h"
#include "query/reader/index_reader.h"
#include "schema/error.h"
#include "schema/one_error_type.h"
#include "schema/progress.h"
#include "schema/text.h"
#include "storage/catalog/site_statistics.h"
#include "storage/directory/sketch_size.h"
#include "storage/directory/verify.h"
#include "storage/machine/stop_scope.h"

namespace actkin {
namespace {

constexpr int kMostThreads = 1024;
constexpr std::uint64_t kDefaultNeighbors = 10;

// Errors of the standard library become Error, so that there is one type to catch.
template <typename Action>
auto OneErrorType(const Action& action) {
  return WithOneErrorType([](const std::exception& error) { return Error(Printable(error.what())); }, action);
}

int Threads(int threads) {
  if (threads < 0 || threads > kMostThreads) FailUsage("threads {}: expected 0 to {}", threads, kMostThreads);
  return threads > 0 ? threads : static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
}

// Of an empty text the one that is meant then.
StreamName ReadStream(IndexReader& reader, const std::string& stream) {
  return stream.empty() ? StreamName{reader.DefaultStream()} : ParseStreamName(stream);
}

NeighborQuery ReadQuery(IndexReader& reader, const Query& asked) {
  NeighborQuery query;
  const StreamName name = ReadStream(reader, asked.stream);
  query.stream = name.stream;
  query.block = BlockOf(name, asked.block);
  query.t_i = asked.t_i;
  query.index_name = asked.index;
  query.next_tokens = asked.next_tokens;
  query.where = asked.where;
  if (!asked.rows.empty()) query.rows = ParseRowKind(asked.rows);
  query.exclude_self = asked.exclude_self;
  query.exclude_window = asked.exclude_window;
  query.max_length = asked.max_length;
  if (!asked.distinct.empty()) query.distinct = ParseDistinct(asked.distinct);
  query.fewer_will_do = !asked.k;
  query.search.metric = Centered(ParseMetric(asked.metric), asked.center);
  query.search.order = ParseOrder(asked.order);
  query.search.k = asked.k.value_or(kDefaultNeighbors);
  query.search.parameters = asked.parameters;
  query.search.threads = Threads(asked.threads);
  if (asked.low || asked.high) {
    Band band;
    band.low = asked.low.value_or(band.low);
    band.high = asked.high.value_or(band.high);
    query.search.within = band;
    query.search.k = asked.k;
  }
  return query;
}

NeighborList ListOf(Neighbors found) {
  return {
      std::string(Name(found.site.stream)), found.site.block, found.site.t_i, std::move(found.rows), found.filled_up,
      found.site.over_positions()};
}

std::optional<SiteStatistics> StatisticsOf(Catalog& catalog, const SiteRow& row) {
  const std::optional<SiteStatisticsRow> found = ReadSiteStatistics(catalog, row.site_id);
  if (!found) return std::nullopt;
  SiteStatistics statistics{found->mean_length,
                            found->median_length,
                            found->longest,
                            found->long_share,
                            found->cosine,
                            found->centered_cosine,
                            {},
                            IsWorthCentering(*found)};
  for (const SiteDistanceRow& distance : found->distances) {
    statistics.distances.push_back({distance.pairs, distance.quantile, distance.distance});
  }
  return statistics;
}

SiteInfo DescribeSite(const IndexDirectory& directory, Catalog& catalog, const SiteRow& row) {
  SiteInfo site{std::string(Name(row.site.stream)),
                row.site.block,
                row.site.t_i,
                row.row_count,
                row.dimension,
                row.first_string_id,
                std::string(Name(row.element)),
                {},
                row.site.over_positions(),
                row.window,
                row.stride};
  for (const SiteIndexRow& index : catalog.SiteIndices(row.site_id)) {
    if (site.indices.empty() || site.indices.back() != index.name) site.indices.push_back(index.name);
  }
  site.statistics = StatisticsOf(catalog, row);
  const SketchSize sketches = SketchSizeOf(directory, catalog, row);
  site.sketch_levels.assign(sketches.levels.begin(), sketches.levels.end());
  site.sketch_bytes = sketches.bytes_per_row;
  return site;
}

// A site without a prompt.
Site NamedSite(IndexReader& reader, const SiteName& asked) {
  NeighborQuery query;
  const StreamName name = ReadStream(reader, asked.stream);
  query.stream = name.stream;
  query.block = BlockOf(name, asked.block);
  query.t_i = asked.t_i;
  if (!asked.rows.empty()) query.rows = ParseRowKind(asked.rows);
  std::size_t longest = 0;  // for embedding over strings, whose t_i is a prompt's
  for (const SiteRow& row : reader.catalog().Sites()) {
    if (row.site.of_codes()) longest = std::max(longest, static_cast<std::size_t>(row.site.t_i) + 1);
  }
  return reader.ResolveSite(query, longest);
}

Distribution PredictFor(IndexReader& reader, Prompt prompt, const PredictionQuery& query) {
  const StopScope stop(query.stop);
  PoolRequest request;
  request.metric_is_open = query.metric.empty() && !query.center;
  if (!query.metric.empty() || query.center) {
    request.metric = Centered(ParseMetric(query.metric.empty() ? Name(Metric::kL2) : query.metric), query.center);
  }
  request.merge = ParseMerge(query.merge);
  request.t_is = query.t_is;
  request.k = query.k;
  request.where = query.where;
  request.exclude_window = query.exclude_window;
  request.max_length = query.max_length;
  if (request.k && *request.k == 0) FailUsage("k 0: ask for at least 1");
  const std::optional<RowKind> rows = query.rows.empty() ? std::nullopt : std::optional(ParseRowKind(query.rows));
  const Prediction found = PredictByScheme(reader, reader.UpTo(std::move(prompt), query.at), query.scheme, request,
                                           Threads(query.threads), rows, query.exclude_self);
  return {ByProbability(reader.vocabulary(), found.probabilities, found.probabilities.size()), found.notes};
}

IndexFinding::State StateOf(Finding::Kind kind) {
  switch (kind) {
    case Finding::Kind::kSound:
      return IndexFinding::State::kSound;
    case Finding::Kind::kDamaged:
      return IndexFinding::State::kDamaged;
    case Finding::Kind::kLeftover:
      return IndexFinding::State::kLeftover;
    case Finding::Kind::kAdded:
      return IndexFinding::State::kAdded;
  }
  Fail("a finding of kind {}", static_cast<int>(kind));
}

// Asks whether to go on.
class Proceeding : public ProgressListener {
 public:
  explicit Proceeding(const std::function<bool(std::uint64_t, std::uint64_t)>& proceed) : proceed_(proceed) {}

  void Begin(const std::string&, std::uint64_t total, const std::string&) override { total_ = total; }
  void Advance(std::uint64_t done, std::uint64_t) override {
    if (proceed_ && !proceed_(std::min(done, total_), total_)) {
      Fail(ErrorCode::kInterrupted, "interrupted after {} of {} bytes", done, total_);
    }
  }
  void End() override {}
  void Note(const std::string&) override {}

 private:
  const std::function<bool(std::uint64_t, std::uint64_t)>& proceed_;
  std::uint64_t total_ = 0;
};

}  // namespace

Index::Index(const std::filesystem::path& directory)
    : reader_(OneErrorType([&] { return std::make_unique<IndexReader>(IndexDirectory(directory)); })) {}

Index::~Index() = default;
Index::Index(Index&&) noexcept = default;
Index& Index::operator=(Index&&) noexcept = default;

IndexReader& Index::reader() {
  if (!reader_) FailUsage("this actkin::Index holds no directory: it was moved from");
  return *reader_;
}

IndexInfo Index::Info() {
  return OneErrorType([&] {
    Catalog& catalog = reader().catalog();
    IndexInfo info;
    info.corpus = reader().corpus().name;
    info.tokens = reader().corpus().token_count;
    info.strings = reader().LastStringId();
    info.string_length = reader().string_length();
    info.vocabulary_size = reader().vocabulary().size();
    if (const std::optional<ModelRow> model = catalog.Model()) {
      const auto size = [](std::int64_t number) { return static_cast<std::uint64_t>(number); };
      const ModelShape& shape = model->shape;
      info.model = {size(shape.vocabulary_size), size(shape.blocks), size(shape.heads), size(shape.embed),
                    size(shape.context)};
    }
    for (const SiteRow& row : catalog.Sites()) info.sites.push_back(DescribeSite(reader().directory(), catalog, row));
    return info;
  });
}

NeighborList Index::Neighbors(const PromptInput& prompt, const Query& query) {
  return OneErrorType([&] {
    const StopScope stop(query.stop);
    return ListOf(
        reader().FindNeighbors({reader().UpTo(reader().Encode(prompt), query.at)}, ReadQuery(reader(), query)).front());
  });
}

std::vector<NeighborList> Index::NeighborsOfPrompts(std::span<const std::string> prompts, const Query& query) {
  return NeighborsOfPrompts(std::vector<PromptInput>(prompts.begin(), prompts.end()), query);
}

std::vector<NeighborList> Index::NeighborsOfPrompts(std::span<const PromptInput> prompts, const Query& query) {
  return OneErrorType([&] {
    const StopScope stop(query.stop);
    std::vector<Prompt> encoded;
    for (const PromptInput& prompt : prompts) encoded.push_back(reader().UpTo(reader().Encode(prompt), query.at));
    std::vector<NeighborList> answers;
    for (actkin::Neighbors& found : reader().FindNeighbors(encoded, ReadQuery(reader(), query))) {
      answers.push_back(ListOf(std::move(found)));
    }
    return answers;
  });
}

NeighborList Index::NeighborsOfString(std::uint64_t string_id, const Query& query) {
  return OneErrorType([&] {
    const StopScope stop(query.stop);
    const Prompt prompt = reader().UpTo(reader().PromptOf(string_id), query.at);
    return ListOf(reader().FindNeighbors({prompt}, ReadQuery(reader(), query)).front());
  });
}

NeighborList Index::NeighborsOfPosition(std::uint64_t position, const Query& query) {
  return OneErrorType([&] {
    const StopScope stop(query.stop);
    const Prompt prompt = reader().UpTo(reader().PromptAt(static_cast<std::int64_t>(position)), query.at);
    return ListOf(reader().FindNeighbors({prompt}, ReadQuery(reader(), query)).front());
  });
}

NeighborList Index::NeighborsOfVector(std::span<const float> vector, const Query& query) {
  return OneErrorType([&] {
    const StopScope stop(query.stop);
    return ListOf(reader().FindNeighborsOf(vector, ReadQuery(reader(), query)));
  });
}

RowMatches Index::Search(std::span<const float> vectors, std::uint64_t count, const Query& query) {
  return OneErrorType([&] {
    if (query.low || query.high) FailUsage("low and high choose another number of rows for each vector: give k alone");
    const StopScope stop(query.stop);
    const NeighborQuery asked = ReadQuery(reader(), query);
    const NeighborRows found = reader().FindRowsNear(vectors, count, asked);
    RowMatches matches{std::string(Name(found.site.stream)), found.site.block, found.site.t_i, 0, {}, {}};
    matches.k = found.matches.empty() ? *asked.search.k : found.matches.front().size();
    matches.distances.reserve(found.matches.size() * matches.k);
    matches.rows.reserve(found.matches.size() * matches.k);
    for (const std::vector<Match>& answer : found.matches) {
      for (const Match& match : answer) {
        matches.distances.push_back(DistanceOf(asked.search.metric, match.distance));
        matches.rows.push_back(match.row);
      }
    }
    return matches;
  });
}

std::vector<NextToken> Index::NextTokens(const PromptInput& prefix) {
  return OneErrorType([&] { return reader().NextTokensOfPrefix(reader().EncodePrefix(prefix)); });
}

std::uint64_t Index::Occurrences(const PromptInput& prefix) {
  return OneErrorType([&] { return reader().Occurrences(reader().EncodePrefix(prefix)); });
}

std::vector<NextToken> Index::NextTokensOfString(std::uint64_t string_id) {
  return OneErrorType([&] {
    reader().RequireString(string_id);
    return reader().NextTokens(string_id);
  });
}

Distribution Index::Predict(const PromptInput& prompt, const PredictionQuery& query) {
  return OneErrorType([&] { return PredictFor(reader(), reader().Encode(prompt), query); });
}

Distribution Index::PredictAtPosition(std::uint64_t position, const PredictionQuery& query) {
  return OneErrorType(
      [&] { return PredictFor(reader(), reader().PromptAt(static_cast<std::int64_t>(position)), query); });
}

Distribution Index::Model(const PromptInput& prompt) {
  return OneErrorType([&] {
    const std::vector<float> probabilities = reader().Forward().NextTokenProbabilities(reader().Encode(prompt).tokens);
    return Distribution{ByProbability(reader().vocabulary(), probabilities, probabilities.size()), {}};
  });
}

SiteInfo Index::FindSite(const SiteName& site) {
  return OneErrorType([&] {
    return DescribeSite(reader().directory(), reader().catalog(), reader().RequireSite(NamedSite(reader(), site)));
  });
}

void Index::Rows(const SiteName& site, std::span<const std::uint64_t> ids, std::span<float> out) {
  OneErrorType([&] { reader().CopyRows(NamedSite(reader(), site), ids, out); });
}

void Index::RowsByNumber(const SiteName& site, std::span<const std::uint64_t> rows, std::span<float> out) {
  OneErrorType([&] { reader().CopyNumberedRows(NamedSite(reader(), site), rows, out); });
}

std::vector<std::uint64_t> Index::IdsOfRows(const SiteName& site, std::span<const std::uint64_t> rows) {
  return OneErrorType([&] { return reader().IdsOfRows(NamedSite(reader(), site), rows); });
}

std::vector<RowFile> Index::RowFiles(const SiteName& site) {
  return OneErrorType([&] { return reader().RowFiles(NamedSite(reader(), site)); });
}

std::vector<DocumentInfo> Index::Documents() {
  return OneErrorType([&] {
    std::vector<DocumentInfo> documents;
    for (DocumentRow& row : reader().catalog().Documents()) {
      documents.push_back(
          {static_cast<std::uint64_t>(row.document_id), std::move(row.name), row.first_position, row.token_count});
    }
    return documents;
  });
}

TokenContext Index::Context(std::uint64_t position, std::uint64_t before, std::uint64_t after) {
  return OneErrorType([&] {
    reader().RequirePosition(static_cast<std::int64_t>(position));
    return reader().ContextAround(position, before, after);
  });
}

std::vector<std::uint32_t> Index::Encode(std::string_view text) {
  return OneErrorType([&] { return reader().EncodePrefix(text); });
}

std::string Index::Decode(std::span<const std::uint32_t> token_ids) {
  return OneErrorType([&] {
    const std::vector<TokenId> tokens =
        reader().EncodePrefix(std::vector<std::uint32_t>(token_ids.begin(), token_ids.end()));
    return reader().vocabulary().Text(tokens);
  });
}

std::vector<IndexFinding> Index::Verify(const std::function<bool(std::uint64_t, std::uint64_t)>& proceed) {
  return OneErrorType([&] {
    std::vector<IndexFinding> findings;
    Proceeding progress(proceed);
    actkin::Verify(
        reader().directory(), VerifyDepth::kEveryByte,
        [&](const Finding& finding) {
          findings.push_back({finding.what, StateOf(finding.kind), finding.line});
        },
        progress);
    return findings;
  });
}

}  // namespace actkin
