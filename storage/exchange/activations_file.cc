#include "storage/exchange/activations_file.h"

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

#include "schema/error.h"
#include "schema/text.h"
#include "schema/tokenizer/json_part.h"

namespace actkin {
namespace {

using nlohmann::json;

constexpr std::size_t kLongestFileName = 4096;
constexpr std::size_t kLongestDocumentName = 1U << 16;

void RefuseUnknownKeys(const JsonPart& object, std::initializer_list<std::string_view> known) {
  for (const auto& [key, value] : object.Object()) {
    if (std::ranges::find(known, key) != known.end()) continue;
    object.Refuse("the key {} is not known: expected some of {}", Quote(key.substr(0, 100)), fmt::join(known, ", "));
  }
}

// Relative to the folder, and inside it.
std::string FileName(const JsonPart& part) {
  const std::string& text = part.Text(kLongestFileName);
  const std::filesystem::path name(text);
  const bool leaves = text.empty() || text.find('\0') != std::string::npos || name.is_absolute() ||
                      std::ranges::any_of(name, [](const auto& piece) { return piece == ".."; });
  if (leaves) part.Refuse("{}: expected the name of a file in the same folder, or below it", Quote(text));
  return text;
}

std::optional<std::string> OptionalFileName(const JsonPart& part) {
  return part.is_null() ? std::nullopt : std::optional(FileName(part));
}

std::uint64_t WholeNumber(const JsonPart& part) {
  if (!part.value().is_number_unsigned()) part.Refuse("expected a whole number from 0 on");
  return part.value().get<std::uint64_t>();
}

// What TransformerLens calls a place holds the block: "blocks.5.hook_resid_mid".
StreamName RecordedStream(const JsonPart& part) {
  constexpr std::string_view kBlocks = "blocks.";
  const std::string_view text = part.Text();
  try {
    if (text.starts_with(kBlocks)) {
      const std::string_view rest = text.substr(kBlocks.size());
      int block = 0;
      const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), block);
      const auto digits = static_cast<std::size_t>(end - rest.data());
      if (error == std::errc() && block >= 0 && digits + 1 < rest.size() && rest[digits] == '.') {
        return {StreamNamed(rest.substr(digits + 1)), block};
      }
    }
    return {StreamNamed(text)};
  } catch (const Error& error) {
    part.Refuse("{}", error.what());
  }
}

int BlockOfSite(const JsonPart& site, const StreamName& name) {
  const JsonPart part = site["block"];
  std::optional<int> block = name.block;
  if (!part.is_null()) {
    block = static_cast<int>(part.Number(static_cast<std::uint32_t>(std::numeric_limits<int>::max())));
    if (name.block && *name.block != *block)
      part.Refuse("{}, and the stream's name says block {}", *block, *name.block);
  }
  if (name.stream == Stream::kEmbedding && block.value_or(0) != 0) part.Refuse("{}: embeddings have no block", *block);
  const bool of_a_block =
      name.stream == Stream::kProj || name.stream == Stream::kFfwd || name.stream == Stream::kResidual;
  if (of_a_block && !block) part.Refuse("expected the number of the block that {} is of", Name(name.stream));
  return block.value_or(0);
}

// Both, or neither.
void ReadWindows(const JsonPart& part, RecordedSite& site) {
  const JsonPart window = part["window"];
  const JsonPart stride = part["stride"];
  if (window.is_null() && stride.is_null()) return;
  if (window.is_null()) stride.Refuse("expected \"window\" beside it, the number of tokens seen at once");
  if (stride.is_null()) window.Refuse("expected \"stride\" beside it, by how many tokens windows advance");
  site.window = WholeNumber(window);
  site.stride = WholeNumber(stride);
  if (*site.window == 0 || *site.window > std::numeric_limits<std::uint32_t>::max()) {
    window.Refuse("expected a number of tokens, at least 1");
  }
  if (*site.stride == 0 || *site.stride > *site.window)
    stride.Refuse("expected from 1 to the window, {}", *site.window);
}

RecordedSite ReadSite(const JsonPart& part) {
  RefuseUnknownKeys(part, {"stream", "block", "files", "tensor", "positions", "window", "stride"});
  RecordedSite site;
  site.where = part.where();
  const StreamName name = RecordedStream(part["stream"]);
  site.stream = name.stream;
  site.block = BlockOfSite(part, name);
  const JsonPart files = part["files"];
  for (std::size_t i = 0; i < files.Array().size(); ++i) site.files.push_back(FileName(files.At(i)));
  if (site.files.empty()) files.Refuse("expected at least one file");
  if (!part["tensor"].is_null()) site.tensor = part["tensor"].Text();
  site.positions = OptionalFileName(part["positions"]);
  ReadWindows(part, site);
  return site;
}

void ReadDocuments(const JsonPart& root, ActivationsFile& file) {
  file.documents = OptionalFileName(root["documents"]);
  const JsonPart lengths = root["document_lengths"];
  if (!lengths.is_null()) {
    if (file.documents) lengths.Refuse("\"documents\" says the same: leave one of them out");
    file.document_lengths.emplace();
    for (std::size_t i = 0; i < lengths.Array().size(); ++i) {
      file.document_lengths->push_back(WholeNumber(lengths.At(i)));
    }
  }
  const JsonPart names = root["document_names"];
  if (names.is_null()) return;
  file.document_names.emplace();
  for (std::size_t i = 0; i < names.Array().size(); ++i) {
    file.document_names->push_back(names.At(i).Text(kLongestDocumentName));
  }
}

void ReadTokens(const JsonPart& root, ActivationsFile& file) {
  file.tokens = FileName(root["tokens"]);
  file.tokenizer = OptionalFileName(root["tokenizer"]);
  file.token_texts = OptionalFileName(root["token_texts"]);
  if (file.tokenizer && file.token_texts) {
    root["token_texts"].Refuse("\"tokenizer\" says what the tokens are: leave one of them out");
  }
  if (!file.tokenizer && !file.token_texts) {
    root.Refuse("expected \"tokenizer\", a tokenizer.json, or \"token_texts\", a JSON list of the tokens' texts");
  }
  const JsonPart bos = root["bos_token_id"];
  if (!bos.is_null()) file.bos_token_id = bos.Number(std::numeric_limits<TokenId>::max());
}

void RequireDistinctPlaces(const std::vector<RecordedSite>& sites) {
  std::set<std::pair<Stream, int>> places;
  for (const RecordedSite& site : sites) {
    if (places.emplace(site.stream, site.block).second) continue;
    Fail("{}: {} block {} stands there twice", site.where, QuoteIfEscaped(Name(site.stream)), site.block);
  }
}

}  // namespace

ActivationsFile ParseActivationsFile(std::string_view text, const std::string& where) {
  const json parsed = ParseJsonOfUniqueKeys(text, where);
  const JsonPart root(parsed, where + ": ");
  RefuseUnknownKeys(root, {"tokens", "document_lengths", "documents", "document_names", "tokenizer", "token_texts",
                           "bos_token_id", "sites"});
  ActivationsFile file;
  ReadTokens(root, file);
  ReadDocuments(root, file);
  const JsonPart sites = root["sites"];
  for (std::size_t i = 0; i < sites.Array().size(); ++i) file.sites.push_back(ReadSite(sites.At(i)));
  RequireDistinctPlaces(file.sites);
  return file;
}

std::string SerializeActivationsFile(const ActivationsFile& file) {
  nlohmann::ordered_json root;
  root["tokens"] = file.tokens;
  if (file.document_lengths) root["document_lengths"] = *file.document_lengths;
  if (file.documents) root["documents"] = *file.documents;
  if (file.document_names) root["document_names"] = *file.document_names;
  if (file.tokenizer) root["tokenizer"] = *file.tokenizer;
  if (file.token_texts) root["token_texts"] = *file.token_texts;
  if (file.bos_token_id) root["bos_token_id"] = *file.bos_token_id;
  // A key a line, and a site: people read it, however many documents there are.
  std::string text = "{";
  for (const auto& [key, value] : root.items()) text += json(key).dump() + ": " + value.dump() + ",\n ";
  text += "\"sites\": [";
  std::string_view between = "\n  ";
  for (const RecordedSite& site : file.sites) {
    nlohmann::ordered_json entry;
    entry["stream"] = Name(site.stream);
    entry["block"] = site.block;
    entry["files"] = site.files;
    if (site.tensor) entry["tensor"] = *site.tensor;
    if (site.positions) entry["positions"] = *site.positions;
    if (site.window) entry["window"] = *site.window;
    if (site.stride) entry["stride"] = *site.stride;
    text += between;
    text += entry.dump();
    between = ",\n  ";
  }
  return text + "]}\n";
}

}  // namespace actkin
