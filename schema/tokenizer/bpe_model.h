#ifndef ACTKIN_SCHEMA_TOKENIZER_BPE_MODEL_H_
#define ACTKIN_SCHEMA_TOKENIZER_BPE_MODEL_H_

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "schema/site.h"
#include "schema/tokenizer/json_part.h"
#include "schema/tokenizer/merges.h"
#include "schema/tokenizer/pair_table.h"
#include "schema/tokenizer/word_cache.h"

namespace actkin {

// A vocabulary of pieces and the merges that make them out of single characters. Immutable; any thread.
class BpeModel {
 public:
  // What encoding needs besides: one thread at a time.
  struct Memory {
    WordCache cache;
    std::vector<TokenId> symbols;
    std::vector<TokenId> tokens;
  };

  // From the file's "model". gives_bytes: words come as bytes, each of which the vocabulary writes as a character
  // (byte_alphabet.h). Throws Error naming the key.
  BpeModel(const JsonPart& part, bool gives_bytes);

  BpeModel(const BpeModel&) = delete;
  BpeModel& operator=(const BpeModel&) = delete;

  // 1 + the largest id.
  std::size_t size() const { return pieces_.size(); }
  // Pieces that have an id.
  std::size_t piece_count() const { return ids_.size(); }
  // As the file writes it; empty for an id that is not used. REQUIRES: token < size().
  const std::string& Piece(TokenId token) const { return pieces_[token]; }
  std::optional<TokenId> Id(std::string_view piece) const;
  bool byte_fallback() const { return byte_fallback_; }
  // Whether words over bytes become tokens that stand for all of their bytes.
  bool has_all_bytes() const { return has_all_bytes_; }

  // Appends the tokens of a word. A character that the vocabulary does not have, nor bytes to fall back to, is the
  // token for what is unknown, or left out where the file names none: so the format's own implementation does.
  void Encode(std::string_view word, Memory& memory, std::vector<TokenId>& tokens) const;

 private:
  static constexpr TokenId kNone = 0xFFFFFFFF;

  void ReadVocabulary(const JsonPart& vocabulary);
  void ReadMerges(const JsonPart& merges);
  void PrepareSymbols();
  TokenId CharacterToken(char32_t point) const;

  // The tokens of a word's single characters.
  void Symbols(std::string_view text, std::vector<TokenId>& symbols) const;
  void EncodeBytes(std::string_view word, Memory& memory, std::vector<TokenId>& tokens) const;
  void EncodeSymbols(Memory& memory, std::vector<TokenId>& tokens) const;

  std::vector<std::string> pieces_;                    // by id
  std::unordered_map<std::string_view, TokenId> ids_;  // of pieces_
  std::unordered_map<std::string, TokenId> words_;     // with ignore_merges: whole words, as they come
  Merges merges_;
  // The last character of a piece and the first of another that a merge joins. Between two characters that are none of
  // these, no merge ever reaches across.
  PairTable<char> junctions_;
  std::vector<std::pair<char32_t, char32_t>> ends_;  // first and last character of a piece, by id
  std::vector<TokenId> characters_;                  // by code point below 2^16
  std::unordered_map<char32_t, TokenId> far_characters_;
  std::array<TokenId, 256> bytes_{};      // by byte, as byte-level vocabularies write it
  std::array<TokenId, 256> fallbacks_{};  // by byte, <0xNN>
  bool gives_bytes_ = false;
  bool has_all_bytes_ = false;
  bool byte_fallback_ = false;
  bool fuse_unknown_ = false;
  std::optional<TokenId> unknown_;
};

}  // namespace actkin

#endif  // ACTKIN_SCHEMA_TOKENIZER_BPE_MODEL_H_
