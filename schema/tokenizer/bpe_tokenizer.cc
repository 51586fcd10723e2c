#include "schema/tokenizer/bpe_tokenizer.h"

#include <utf8.h>

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "schema/error.h"
#include "schema/text.h"
#include "schema/tokenizer/piece_decoder.h"
#include "schema/tokenizer/post_processor.h"

namespace actkin {

// A workspace that nobody else has meanwhile.
class BpeTokenizer::Lent {
 public:
  explicit Lent(const BpeTokenizer& tokenizer) : tokenizer_(tokenizer) {
    {
      const std::lock_guard guard(tokenizer.lock_);
      if (!tokenizer.idle_.empty()) {
        workspace_ = std::move(tokenizer.idle_.back());
        tokenizer.idle_.pop_back();
      }
    }
    if (!workspace_) workspace_ = std::make_unique<Workspace>();
  }
  ~Lent() {
    const std::lock_guard guard(tokenizer_.lock_);
    tokenizer_.idle_.push_back(std::move(workspace_));
  }
  Lent(const Lent&) = delete;
  Lent& operator=(const Lent&) = delete;

  Workspace& operator*() { return *workspace_; }

 private:
  const BpeTokenizer& tokenizer_;
  std::unique_ptr<Workspace> workspace_;
};

class BpeTokenizer::WordEncoder final : public PreTokenizer::Words {
 public:
  WordEncoder(const BpeModel& model, BpeModel::Memory& memory, std::vector<TokenId>& tokens)
      : model_(model), memory_(memory), tokens_(tokens) {}

  void Word(std::string_view word) override { model_.Encode(word, memory_, tokens_); }

 private:
  const BpeModel& model_;
  BpeModel::Memory& memory_;
  std::vector<TokenId>& tokens_;
};

BpeTokenizer::BpeTokenizer(const JsonPart& document)
    : normalizer_(document["normalizer"]),
      pre_tokenizer_(document["pre_tokenizer"]),
      model_(document["model"], pre_tokenizer_.gives_bytes()) {
  const JsonPart version = document["version"];
  if (!version.is_null() && version.Text() != "1.0") version.Refuse("{}, expected \"1.0\"", Quote(version.Text()));
  // truncation and padding are for batches of questions to a model, not for what tokens a text has.
  ReadAddedTokens(document["added_tokens"]);
  FillBytes(document["decoder"]);
  beginning_ = BeginningOfPostProcessor(document["post_processor"], size());
  keeps_text_ = normalizer_.empty() && pre_tokenizer_.keeps_text() && model_.has_all_bytes() &&
                std::ranges::none_of(added_, [](const AddedToken& token) { return token.lstrip || token.rstrip; });
}

void BpeTokenizer::ReadAddedTokens(const JsonPart& list) {
  if (list.is_null()) return;
  RegexSearch search;
  std::unordered_map<std::string, std::size_t> by_content;
  // Those that the model's vocabulary does not have are numbered after it, whatever number the file gives them.
  auto next = static_cast<TokenId>(model_.piece_count());
  for (std::size_t i = 0; i < list.Array().size(); ++i) {
    const JsonPart part = list.At(i);
    part.OnlyKeys({"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"});
    AddedToken token{.id = part["id"].Number(0x7FFFFFFF),
                     .content = part["content"].Text(),
                     .single_word = part["single_word"].Flag(),
                     .lstrip = part["lstrip"].Flag(),
                     .rstrip = part["rstrip"].Flag(),
                     .normalized = part["normalized"].Flag(),
                     .special = part["special"].Flag()};
    if (token.content.empty()) continue;
    if (!by_content.emplace(token.content, i).second) part.Refuse("{} stands twice in the list", Quote(token.content));
    const std::optional<TokenId> piece = model_.Id(token.content);
    const TokenId id = piece ? *piece : next++;
    if (token.id != id) {
      part["id"].Refuse("{} of {}, which has the id {} by its place in the vocabulary", token.id, Quote(token.content),
                        id);
    }
    search.Grant(token.content.size());
    const std::string pattern = token.normalized ? normalizer_.Apply(token.content, search) : token.content;
    AddedTokens& where = token.normalized ? added_normalized_ : added_as_given_;
    if (pattern.empty() || !where.Add(pattern, token)) {
      part.Refuse("{} is {} once it is normalized, which is {}", Quote(token.content), Quote(pattern),
                  pattern.empty() ? "nothing" : "another token, too");
    }
    added_.push_back(std::move(token));
  }
}

void BpeTokenizer::FillBytes(const JsonPart& decoder) {
  const PieceDecoder piece_decoder(decoder, pre_tokenizer_.gives_bytes(), model_.byte_fallback());
  RegexSearch search;
  bytes_.resize(model_.size());
  for (std::size_t id = 0; id < bytes_.size(); ++id) {
    const std::string& piece = model_.Piece(static_cast<TokenId>(id));
    search.Grant(piece.size());
    if (!piece.empty()) bytes_[id] = piece_decoder.Of(piece, search);
  }
  for (const AddedToken& token : added_) {
    if (bytes_.size() <= token.id) bytes_.resize(std::size_t{token.id} + 1);
    // One that merges make, too, means what they mean by it.
    if (token.special || !model_.Id(token.content)) bytes_[token.id] = token.content;
  }
}

std::vector<TokenId> BpeTokenizer::Encode(std::string_view utf8, std::string_view what) const {
  const auto* const invalid = utf8::find_invalid(utf8.begin(), utf8.end());
  if (invalid != utf8.end()) {
    FailUsage("{} is not UTF-8: byte {} is 0x{:02X}", what, invalid - utf8.begin(),
              static_cast<unsigned char>(*invalid));
  }
  Lent lent(*this);
  Workspace& workspace = *lent;
  workspace.search.Grant(utf8.size());
  std::vector<TokenId> tokens;
  tokens.reserve(utf8.size() / 3);
  WordEncoder encoder(model_, workspace.memory, tokens);
  const auto encode_normalized = [&](std::string_view text, bool is_start) {
    for (const AddedTokens::Part& part : added_normalized_.Find(text, workspace.search)) {
      if (part.token) {
        tokens.push_back(*part.token);
      } else {
        pre_tokenizer_.Cut(text.substr(part.begin, part.end - part.begin), is_start && part.begin == 0,
                           workspace.search, encoder);
      }
    }
  };
  for (const AddedTokens::Part& part : added_as_given_.Find(utf8, workspace.search)) {
    const std::string_view text = utf8.substr(part.begin, part.end - part.begin);
    if (part.token) {
      tokens.push_back(*part.token);
    } else if (normalizer_.empty()) {
      encode_normalized(text, part.begin == 0);
    } else {
      encode_normalized(normalizer_.Apply(text, workspace.search), part.begin == 0);
    }
  }
  return tokens;
}

}  // namespace actkin
