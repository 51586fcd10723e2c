#include "schema/tokenizer/bpe_model.h"

#include <utf8.h>

#include <algorithm>
#include <utility>

#include "schema/error.h"
#include "schema/text.h"
#include "schema/tokenizer/byte_alphabet.h"

namespace actkin {
namespace {

constexpr char32_t kNear = 0x10000;
// Longest piece; published ones have up to a few hundred bytes.
constexpr std::size_t kLongestPiece = 1U << 16;

// REQUIRES: not empty.
std::pair<char32_t, char32_t> Ends(std::string_view text) {
  auto last = text.end();
  do {
    --last;
  } while (last != text.begin() && (static_cast<unsigned char>(*last) & 0xC0) == 0x80);
  return {utf8::unchecked::peek_next(text.begin()), utf8::unchecked::peek_next(last)};
}

std::string FallbackName(unsigned char byte) { return fmt::format("<0x{:02X}>", byte); }

}  // namespace

BpeModel::BpeModel(const JsonPart& part, bool gives_bytes) : gives_bytes_(gives_bytes) {
  part.OnlyKeys({"type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk",
                 "byte_fallback", "ignore_merges", "vocab", "merges"});
  // Files from before other models existed have no type.
  if (!part["type"].is_null() && part.Type() != "BPE") part.RefuseType("BPE");
  const JsonPart dropout = part["dropout"];
  if (!dropout.is_null() && dropout.value() != 0) dropout.Refuse("tokens by chance are not offered: expected null");
  for (const char* affix : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    const JsonPart value = part[affix];
    if (!value.is_null() && !value.Text().empty()) {
      value.Refuse("{} is not offered: expected null or an empty text", Quote(value.Text()));
    }
  }
  byte_fallback_ = part["byte_fallback"].Flag(/*absent=*/false);
  fuse_unknown_ = part["fuse_unk"].Flag(/*absent=*/false);
  ReadVocabulary(part["vocab"]);
  ReadMerges(part["merges"]);
  PrepareSymbols();
  const JsonPart unknown = part["unk_token"];
  if (!unknown.is_null()) {
    unknown_ = Id(unknown.Text());
    if (!unknown_ && !has_all_bytes_) unknown.Refuse("{} is not in the vocabulary", Quote(unknown.Text()));
  }
  if (!part["ignore_merges"].Flag(/*absent=*/false)) return;
  for (const auto& [piece, id] : ids_) {
    if (!gives_bytes_) {
      words_.emplace(piece, id);
    } else if (auto bytes = BytesOfCharacters(piece)) {
      words_.emplace(std::move(*bytes), id);
    }
  }
}

void BpeModel::ReadVocabulary(const JsonPart& vocabulary) {
  const auto& pieces = vocabulary.Object();
  // Holes stand for rows of the model's embeddings that no text becomes; there are never many.
  const std::uint64_t limit = std::min<std::uint64_t>(4 * std::uint64_t{pieces.size()} + (1U << 16), 1U << 31);
  std::uint32_t largest = 0;
  for (const auto& [piece, id] : pieces) {
    const JsonPart part(id, fmt::format("{}[{}]", vocabulary.where(), Quote(piece.substr(0, 100))));
    largest = std::max(largest, part.Number(static_cast<std::uint32_t>(limit - 1)));
    if (piece.size() > kLongestPiece)
      part.Refuse("a piece of {} bytes, expected at most {}", piece.size(), kLongestPiece);
  }
  if (!pieces.empty()) pieces_.resize(std::size_t{largest} + 1);
  std::vector<bool> used(pieces_.size());
  for (const auto& [piece, value] : pieces) {
    const auto id = value.get<TokenId>();
    if (used[id]) vocabulary.Refuse("{} and {} have the same id {}", Quote(pieces_[id]), Quote(piece), id);
    used[id] = true;
    pieces_[id] = piece;
  }
  ids_.reserve(pieces.size());
  for (std::size_t id = 0; id < pieces_.size(); ++id) {
    if (used[id]) ids_.emplace(pieces_[id], static_cast<TokenId>(id));
  }
  ends_.resize(pieces_.size());
  for (std::size_t id = 0; id < pieces_.size(); ++id) {
    if (!pieces_[id].empty()) ends_[id] = Ends(pieces_[id]);
  }
}

void BpeModel::ReadMerges(const JsonPart& merges) {
  const auto& list = merges.Array();
  std::string joined;
  std::uint32_t rank = 0;
  for (std::size_t i = 0; i < list.size(); ++i) {
    std::string_view left;
    std::string_view right;
    if (list[i].is_string()) {
      const std::string_view text = list[i].get_ref<const std::string&>();
      if (i == 0 && text.starts_with("#version")) continue;
      const std::size_t space = text.find(' ');
      if (space == std::string_view::npos || text.find(' ', space + 1) != std::string_view::npos) {
        merges.At(i).Refuse("{}: expected two pieces with a space between them", Quote(text.substr(0, 100)));
      }
      left = text.substr(0, space);
      right = text.substr(space + 1);
    } else if (list[i].is_array() && list[i].size() == 2 && list[i][0].is_string() && list[i][1].is_string()) {
      left = list[i][0].get_ref<const std::string&>();
      right = list[i][1].get_ref<const std::string&>();
    } else {
      merges.At(i).Refuse("expected \"a b\" or [\"a\", \"b\"]");
    }
    joined = left;
    joined += right;
    for (const std::string_view piece : {left, right, std::string_view(joined)}) {
      if (piece.empty() || !ids_.contains(piece)) {
        merges.At(i).Refuse("{} is not in the vocabulary", Quote(piece.substr(0, 100)));
      }
    }
    merges_.Put(ids_[left], ids_[right], rank++, ids_[joined]);
    junctions_.Put(Ends(left).second, Ends(right).first, 0);
  }
}

void BpeModel::PrepareSymbols() {
  characters_.assign(kNear, kNone);
  for (const auto& [piece, id] : ids_) {
    if (piece.empty() || piece.size() > 4) continue;
    auto end = piece.begin();
    const char32_t point = utf8::unchecked::next(end);
    if (end != piece.end()) continue;
    if (point < kNear) {
      characters_[point] = id;
    } else {
      far_characters_.emplace(point, id);
    }
  }
  for (unsigned byte = 0; byte < 256; ++byte) {
    const auto value = static_cast<unsigned char>(byte);
    bytes_[byte] = Id(CharacterOfByte(value)).value_or(kNone);
    fallbacks_[byte] = Id(FallbackName(value)).value_or(kNone);
  }
  has_all_bytes_ = gives_bytes_ && std::ranges::find(bytes_, kNone) == bytes_.end();
}

std::optional<TokenId> BpeModel::Id(std::string_view piece) const {
  const auto found = ids_.find(piece);
  if (found == ids_.end()) return std::nullopt;
  return found->second;
}

TokenId BpeModel::CharacterToken(char32_t point) const {
  if (point < kNear) return characters_[point];
  const auto found = far_characters_.find(point);
  return found == far_characters_.end() ? kNone : found->second;
}

void BpeModel::Symbols(std::string_view text, std::vector<TokenId>& symbols) const {
  bool has_unknown = false;  // one that is not yet among the symbols
  const auto put_unknown = [&] {
    if (has_unknown) symbols.push_back(*unknown_);
    has_unknown = false;
  };
  for (auto next = text.begin(); next != text.end();) {
    const auto begin = next;
    const char32_t point = utf8::unchecked::next(next);
    const TokenId token = CharacterToken(point);
    if (token != kNone) {
      put_unknown();
      symbols.push_back(token);
      continue;
    }
    const auto byte_token = [&](char byte) { return fallbacks_[static_cast<unsigned char>(byte)]; };
    if (byte_fallback_ && std::all_of(begin, next, [&](char byte) { return byte_token(byte) != kNone; })) {
      // A character that is not known waits behind these: so the format's own implementation has it.
      for (auto byte = begin; byte != next; ++byte) symbols.push_back(byte_token(*byte));
      continue;
    }
    if (!unknown_) continue;
    if (!fuse_unknown_) put_unknown();
    has_unknown = true;
  }
  put_unknown();
}

void BpeModel::Encode(std::string_view word, Memory& memory, std::vector<TokenId>& tokens) const {
  if (gives_bytes_) return EncodeBytes(word, memory, tokens);
  if (!words_.empty()) {
    const auto found = words_.find(std::string(word));
    if (found != words_.end()) return tokens.push_back(found->second);
  }
  memory.symbols.clear();
  Symbols(word, memory.symbols);
  EncodeSymbols(memory, tokens);
}

void BpeModel::EncodeBytes(std::string_view word, Memory& memory, std::vector<TokenId>& tokens) const {
  const bool is_cached = word.size() <= WordCache::kLongestWord;
  if (is_cached) {
    if (const auto found = memory.cache.Find(word)) {
      tokens.insert(tokens.end(), found->begin(), found->end());
      return;
    }
  }
  const std::size_t begin = tokens.size();
  const auto whole = words_.empty() ? words_.end() : words_.find(std::string(word));
  if (whole != words_.end()) {
    tokens.push_back(whole->second);
  } else {
    memory.symbols.clear();
    for (const char byte : word) memory.symbols.push_back(bytes_[static_cast<unsigned char>(byte)]);
    if (!has_all_bytes_ && std::ranges::find(memory.symbols, kNone) != memory.symbols.end()) {
      memory.symbols.clear();
      Symbols(CharactersOfBytes(word), memory.symbols);
    }
    merges_.Apply(memory.symbols, tokens);
  }
  if (is_cached) memory.cache.Put(word, std::span(tokens).subspan(begin));
}

void BpeModel::EncodeSymbols(Memory& memory, std::vector<TokenId>& tokens) const {
  const std::span<TokenId> symbols(memory.symbols);
  for (std::size_t begin = 0; begin < symbols.size();) {
    std::size_t end = begin + 1;
    while (end < symbols.size() &&
           junctions_.Find(ends_[symbols[end - 1]].second, ends_[symbols[end]].first) != nullptr) {
      ++end;
    }
    const std::span<TokenId> part = symbols.subspan(begin, end - begin);
    begin = end;
    if (part.size() == 1) {
      tokens.push_back(part.front());
      continue;
    }
    if (part.size_bytes() > WordCache::kLongestWord) {
      merges_.Apply(part, tokens);
      continue;
    }
    const std::string key(reinterpret_cast<const char*>(part.data()), part.size_bytes());
    if (const auto found = memory.cache.Find(key)) {
      tokens.insert(tokens.end(), found->begin(), found->end());
      continue;
    }
    const std::size_t first = tokens.size();
    merges_.Apply(part, tokens);
    memory.cache.Put(key, std::span(tokens).subspan(first));
  }
}

}  // namespace actkin
