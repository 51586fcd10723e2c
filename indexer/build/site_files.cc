#include "indexer/build/site_files.h"

#include <span>
#include <vector>

#include "schema/error.h"
#include "storage/formats/code_file.h"
#include "storage/formats/row_order_file.h"
#include "storage/machine/file.h"
#include "storage/machine/sha256.h"

namespace actkin {
namespace {

std::filesystem::path PartialOf(const IndexDirectory& directory, const std::string& name) {
  return directory.Partial() / std::filesystem::path(name).filename();
}

}  // namespace

FileRow PublishFile(const IndexDirectory& directory, const std::filesystem::path& partial, const std::string& name,
                    std::uint64_t header_checksum) {
  const std::uint64_t bytes = std::filesystem::file_size(partial);
  RenameDurably(partial, directory.path() / name);
  return {name, bytes, ChecksumText(header_checksum)};
}

FileRow MakeRowOrder(const IndexDirectory& directory, const PrefixTree& tree, int t_i) {
  const std::string name = IndexDirectory::RowOrder(t_i);
  const std::filesystem::path partial = PartialOf(directory, name);
  const std::uint64_t checksum =
      WriteRowOrderFile(partial, static_cast<std::uint64_t>(t_i) + 1, tree.row_to_ordinal(t_i));
  if (RowOrderFile(partial).header_checksum() != checksum) Fail("{}: did not read back as written", partial.string());
  return PublishFile(directory, partial, name, checksum);
}

FileRow MakeCodes(const IndexDirectory& directory, const PrefixTree& tree, int t_i, const StateDict& model) {
  const Tensor& tokens = model.tensors.at("token_embedding_table.weight");
  const auto embed = static_cast<std::uint64_t>(tokens.shape.at(1));
  const std::uint64_t positions = static_cast<std::uint64_t>(t_i) + 1;
  const std::vector<float>& position_table = model.tensors.at("position_embedding_table.weight").values;
  const std::string name = IndexDirectory::Codes(t_i);
  const std::filesystem::path partial = PartialOf(directory, name);
  const std::uint64_t checksum =
      WriteCodeFile(partial, embed, tokens.values, std::span(position_table).first(positions * embed),
                    tree.RowTokens(t_i), {0, tree.row_count(t_i)});
  if (CodeFile(partial).header_checksum() != checksum) Fail("{}: did not read back as written", partial.string());
  return PublishFile(directory, partial, name, checksum);
}

FileRow MakeModelCopy(const IndexDirectory& directory, const std::string& bytes) {
  const std::filesystem::path partial = PartialOf(directory, IndexDirectory::Model());
  {
    OutputFile file(partial, OutputFile::Mode::kCreate);
    file.WriteAt(0, bytes);
    file.Flush();
  }
  RenameDurably(partial, directory.path() / IndexDirectory::Model());
  return {IndexDirectory::Model(), bytes.size(), Sha256(bytes)};
}

}  // namespace actkin
