#ifndef ACTKIN_SCHEMA_TOKENIZER_REGEX_H_
#define ACTKIN_SCHEMA_TOKENIZER_REGEX_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

struct re_pattern_buffer;
struct re_registers;
struct OnigMatchParamStruct;

namespace actkin {

// The memory that searches share, and how many steps back they may take. One thread at a time.
class RegexSearch {
 public:
  RegexSearch();
  ~RegexSearch();
  RegexSearch(const RegexSearch&) = delete;
  RegexSearch& operator=(const RegexSearch&) = delete;

  // Grants searches in a text of so many bytes steps back and memory that grow with its length, not its square.
  void Grant(std::size_t text_bytes);

 private:
  friend class Regex;
  re_registers* region_;
  OnigMatchParamStruct* parameters_;
  std::uint64_t steps_left_ = 0;
};

// A regular expression of Oniguruma's default syntax over UTF-8. Immutable; any thread.
class Regex {
 public:
  // Throws Error naming `where` and what is wrong with the expression.
  Regex(const std::string& pattern, std::string where);

  struct Match {
    std::size_t begin = 0;
    std::size_t end = 0;
  };
  // All matches from left to right that do not overlap, found one by one; one that is empty does not follow another at
  // the same place. Next throws Error where the expression takes more steps than were granted.
  class Matches {
   public:
    Matches(const Regex& regex, std::string_view text, RegexSearch& search)
        : regex_(regex), text_(text), search_(search) {}
    bool Next(Match& match);

   private:
    const Regex& regex_;
    std::string_view text_;
    RegexSearch& search_;
    std::size_t from_ = 0;
    std::size_t last_end_ = static_cast<std::size_t>(-1);
  };

 private:
  // REQUIRES: text is UTF-8.
  bool Find(std::string_view text, std::size_t from, RegexSearch& search, Match& match) const;

  struct Free {
    void operator()(re_pattern_buffer* compiled) const;
  };
  std::unique_ptr<re_pattern_buffer, Free> compiled_;
  std::string where_;
};

}  // namespace actkin

#endif  // ACTKIN_SCHEMA_TOKENIZER_REGEX_H_
