#include "tests/tools/command/made_positions.h"

#include <algorithm>
#include <random>

#include "query/reader/index_reader.h"
#include "storage/catalog/build_lock.h"
#include "storage/catalog/catalog_writer.h"
#include "storage/formats/position_rows.h"
#include "storage/formats/vector_file.h"

namespace actkin {
namespace {

NewSite WriteSite(const IndexDirectory& directory, SiteRow row, std::span<const float> values) {
  const std::string file = IndexDirectory::Vectors(row.site);
  const std::filesystem::path path = directory.Resolve(file);
  VectorFileWriter writer(path, Element::kFloat32, row.dimension, {0, row.row_count});
  writer.AddChecksum(writer.WriteRows(0, values));
  const FileRow written{file, 0, ChecksumText(writer.Finish())};
  const FileRow whole{written.file, std::filesystem::file_size(path), written.checksum};
  NewSite site;
  site.site = row;
  site.vector_files = {{{0, row.row_count}, whole}};
  site.indices = {{kExactIndexName, std::nullopt, whole, 0}};
  return site;
}

// The first window of the document that sees its token with window - stride tokens before it, or all there are.
std::uint64_t WindowOf(std::uint64_t token, std::uint64_t window, std::uint64_t stride) {
  std::uint64_t begin = 0;
  while (token >= begin + window || (begin > 0 && token - begin < window - stride)) begin += stride;
  return begin;
}

}  // namespace

void AddPositionSites(const std::filesystem::path& directory, std::uint64_t window, std::uint64_t stride,
                      std::span<const Site> sites) {
  const IndexDirectory index(directory);
  std::vector<std::vector<float>> values(sites.size());
  std::uint64_t positions = 0;
  std::uint64_t embed = 0;
  {
    IndexReader reader(index);
    const PromptForward& forward = reader.Forward();
    embed = static_cast<std::uint64_t>(forward.shape().embed);
    const std::shared_ptr<const CorpusTokensFile> corpus = reader.CorpusTokens();
    positions = corpus->token_count();
    for (std::uint64_t position = 0; position < positions; ++position) {
      const RowRange document = corpus->Positions(corpus->DocumentOf(position));
      std::vector<TokenId> tokens;
      for (std::uint64_t p = document.begin + WindowOf(position - document.begin, window, stride); p <= position; ++p) {
        tokens.push_back(corpus->Token(p));
      }
      const PromptForward::Activations activations = forward.Run(tokens);
      for (std::size_t i = 0; i < sites.size(); ++i) {
        const std::vector<float>& output =
            sites[i].stream == Stream::kEmbedding
                ? activations.embedding
                : activations.Of(sites[i].stream).at(static_cast<std::size_t>(sites[i].block));
        values[i].insert(values[i].end(), output.end() - static_cast<std::ptrdiff_t>(embed), output.end());
      }
    }
  }
  const BuildLock lock(index);
  std::vector<NewSite> added;
  for (std::size_t i = 0; i < sites.size(); ++i) {
    SiteRow row{.site = sites[i], .dimension = embed, .row_count = positions, .window = window, .stride = stride};
    NewSite site = WriteSite(index, row, values[i]);
    site.positions = PositionSetRow{0, "all", positions};
    added.push_back(std::move(site));
  }
  CatalogWriter(index).AddSites(added, {});
}

std::vector<float> AddRecordedSite(const std::filesystem::path& directory, const std::string& stream, int block,
                                   std::uint64_t dimension, std::uint64_t every, unsigned seed) {
  const IndexDirectory index(directory);
  const std::uint64_t position_count = Catalog(OpenCatalog(index)->handle()).Corpus().token_count;
  std::vector<std::uint64_t> positions;
  for (std::uint64_t position = 0; position < position_count; position += every) positions.push_back(position);
  std::mt19937 random(seed);
  std::vector<float> values;
  for (std::size_t i = 0; i < positions.size() * dimension; ++i) values.push_back(static_cast<float>(random() % 3));
  const BuildLock lock(index);
  const SiteRow row{
      .site = {StreamNamed(stream), block, kOverPositions}, .dimension = dimension, .row_count = positions.size()};
  NewSite site = WriteSite(index, row, values);
  PositionSetRow set{0, "every " + std::to_string(every), positions.size()};
  if (every > 1) {
    const std::string file = IndexDirectory::Positions(set.name);
    const std::filesystem::path path = index.Resolve(file);
    const std::uint64_t checksum = WritePositionsFile(path, position_count, positions);
    set.file = FileRow{file, std::filesystem::file_size(path), ChecksumText(checksum)};
  }
  site.positions = set;
  CatalogWriter(index).AddSites({{site}}, {});
  return values;
}

}  // namespace actkin
