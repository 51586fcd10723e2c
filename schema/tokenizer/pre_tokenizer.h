#ifndef ACTKIN_SCHEMA_TOKENIZER_PRE_TOKENIZER_H_
#define ACTKIN_SCHEMA_TOKENIZER_PRE_TOKENIZER_H_

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "schema/tokenizer/json_part.h"
#include "schema/tokenizer/regex.h"

namespace actkin {

// Cuts a text into the words within which pieces are merged: ByteLevel, Digits, Split and Metaspace, in a Sequence of
// any of them. Immutable; any thread.
class PreTokenizer {
 public:
  // Hears words that are not empty, in order. They live until the call returns.
  class Words {
   public:
    virtual void Word(std::string_view word) = 0;

   protected:
    ~Words() = default;
  };

  // One word of everything.
  PreTokenizer() = default;
  // From the file's "pre_tokenizer"; null is none.
  explicit PreTokenizer(const JsonPart& part);

  // Whether words come as bytes of the text, each of which the vocabulary writes as a character of its own
  // (byte_alphabet.h). Else they come as text.
  bool gives_bytes() const { return gives_bytes_; }
  // Whether the words together are the text.
  bool keeps_text() const { return keeps_text_; }
  // is_start: whether the whole text begins here. REQUIRES: text is UTF-8.
  void Cut(std::string_view text, bool is_start, RegexSearch& search, Words& words) const;

 private:
  enum class Kind { kSplit, kDigits, kMetaspace, kAddSpace, kBytesAsCharacters };
  enum class Behavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };
  enum class Prepend { kNever, kFirst, kAlways };
  struct Step {
    Kind kind;
    Behavior behavior = Behavior::kIsolated;
    bool invert = false;
    std::string text = {};          // of Split by a text; Metaspace's replacement
    std::vector<Regex> regex = {};  // of Split by an expression, one
    Prepend prepend = Prepend::kNever;
    bool split = true;  // of Metaspace
  };
  // Part of a text, found by what a step looks for or between two of those.
  struct Span {
    std::size_t begin;
    std::size_t end;
    bool is_match;
  };

  void AddStep(const JsonPart& part);
  void AddByteLevel(const JsonPart& part);
  void AddMetaspace(const JsonPart& part);
  void AddSplit(const JsonPart& part);

  void Run(std::size_t step, std::string_view text, bool is_start, RegexSearch& search, Words& words) const;
  void RunMetaspace(std::size_t step, std::string_view text, bool is_start, RegexSearch& search, Words& words) const;
  // Calls `visit` with each span of a text, in order.
  template <typename Visit>
  void ForEachSpan(const Step& step, std::string_view text, RegexSearch& search, const Visit& visit) const;
  static std::vector<Span> Merged(const std::vector<Span>& spans, Behavior behavior);

  std::vector<Step> steps_;
  bool gives_bytes_ = false;
  bool keeps_text_ = true;
};

}  // namespace actkin

#endif  // ACTKIN_SCHEMA_TOKENIZER_PRE_TOKENIZER_H_
