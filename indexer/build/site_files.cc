#include "indexer/build/site_files.h"

#include <algorithm>
#include <span>
#include <vector>

#include "schema/error.h"
#include "storage/directory/publish.h"
#include "storage/formats/code_file.h"
#include "storage/formats/model_file.h"
#include "storage/formats/row_order_file.h"
#include "storage/machine/file.h"
#include "storage/machine/sha256.h"

namespace actkin {
namespace {

std::filesystem::path PartialOf(const IndexDirectory& directory, const std::string& name) {
  return directory.Partial() / std::filesystem::path(name).filename();
}

}  // namespace

FileRow MakeRowOrder(const IndexDirectory& directory, const PrefixTree& tree, int t_i) {
  const std::string name = IndexDirectory::RowOrder(t_i);
  const std::filesystem::path partial = PartialOf(directory, name);
  const std::uint64_t checksum =
      WriteRowOrderFile(partial, static_cast<std::uint64_t>(t_i) + 1, tree.row_to_ordinal(t_i));
  return Publish<RowOrderFile>(directory, partial, name, checksum);
}

FileRow MakeCodes(const IndexDirectory& directory, const PrefixTree& tree, int t_i, const ModelTensors& model,
                  std::optional<TokenId> beginning) {
  const auto embed = static_cast<std::uint64_t>(model.description().shape.embed);
  const std::uint64_t positions = static_cast<std::uint64_t>(t_i) + 1;
  const std::vector<float> tokens = model.ReadFloats("token_embedding.weight");
  // Where positions turn heads instead, they add nothing here.
  std::vector<float> places;
  if (model.description().has_position_table()) {
    const std::vector<float> table = model.ReadFloats("position_embedding.weight");
    const auto first = table.begin() + (beginning ? static_cast<std::ptrdiff_t>(embed) : 0);
    places.assign(first, first + static_cast<std::ptrdiff_t>(positions * embed));
  }
  const std::string name = IndexDirectory::Codes(t_i);
  const std::filesystem::path partial = PartialOf(directory, name);
  const std::vector<TokenId> row_tokens = tree.RowTokens(t_i);
  const std::uint64_t checksum = WriteCodeFile(
      partial, {.rows = {0, tree.row_count(t_i)},
                .positions = positions,
                .embed = embed,
                .tokens = row_tokens,
                .embedding_of = [&](TokenId token) { return std::span(tokens).subspan(token * embed, embed); },
                .position_embeddings = places});
  return Publish<CodeFile>(directory, partial, name, checksum);
}

FileRow MakeModelCopy(const IndexDirectory& directory, const ModelTensors& model,
                      const std::map<std::string, std::string>& metadata) {
  const std::filesystem::path partial = PartialOf(directory, IndexDirectory::Model());
  std::uint64_t bytes = 0;
  Sha256Stream sha256;
  {
    OutputFile file(partial, OutputFile::Mode::kCreate);
    SerializeModel(model, metadata, [&](std::span<const std::byte> piece) {
      file.WriteAt(bytes, piece.data(), piece.size());
      sha256.Add(piece);
      bytes += piece.size();
    });
    file.Flush();
  }
  if (ModelFile(partial).description() != model.description()) {
    Fail("{}: did not read back as written", partial.string());
  }
  RenameDurably(partial, directory.path() / IndexDirectory::Model());
  return {IndexDirectory::Model(), bytes, sha256.Finish()};
}

}  // namespace actkin
