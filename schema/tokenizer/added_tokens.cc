#include "schema/tokenizer/added_tokens.h"

#include <utf8.h>

#include <algorithm>

namespace actkin {
namespace {

// Unicode's White_Space.
bool IsSpace(char32_t point) {
  return (point >= 0x09 && point <= 0x0D) || point == 0x20 || point == 0x85 || point == 0xA0 || point == 0x1680 ||
         (point >= 0x2000 && point <= 0x200A) || point == 0x2028 || point == 0x2029 || point == 0x202F ||
         point == 0x205F || point == 0x3000;
}

// Where the character begins that ends at `end`. REQUIRES: end > 0.
std::size_t PreviousCharacter(std::string_view text, std::size_t end) {
  do {
    --end;
  } while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80);
  return end;
}

char32_t CharacterAt(std::string_view text, std::size_t at) { return utf8::unchecked::peek_next(text.begin() + at); }

std::size_t BeginOfSpaces(std::string_view text, std::size_t end, std::size_t least) {
  while (end > least) {
    const std::size_t previous = PreviousCharacter(text, end);
    if (previous < least || !IsSpace(CharacterAt(text, previous))) break;
    end = previous;
  }
  return end;
}

std::size_t EndOfSpaces(std::string_view text, std::size_t begin) {
  auto next = text.begin() + static_cast<std::ptrdiff_t>(begin);
  while (next != text.end()) {
    auto after = next;
    if (!IsSpace(utf8::unchecked::next(after))) break;
    next = after;
  }
  return static_cast<std::size_t>(next - text.begin());
}

}  // namespace

// Words as Unicode Technical Standard 18 counts them, Annex C.
AddedTokens::AddedTokens()
    : nodes_(1), word_(R"(\G[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\x{200C}\x{200D}])", "added_tokens") {}

bool AddedTokens::Add(std::string_view pattern, const AddedToken& token) {
  std::uint32_t node = 0;
  for (const char c : pattern) {
    const auto byte = static_cast<unsigned char>(c);
    auto& children = nodes_[node].children;
    const auto found = std::ranges::find(children, byte, &std::pair<unsigned char, std::uint32_t>::first);
    if (found != children.end()) {
      node = found->second;
      continue;
    }
    const auto child = static_cast<std::uint32_t>(nodes_.size());
    children.emplace_back(byte, child);
    nodes_.emplace_back();
    node = child;
  }
  if (nodes_[node].token != kNone) return false;
  nodes_[node].token = static_cast<std::uint32_t>(tokens_.size());
  begins_[static_cast<unsigned char>(pattern.front())] = true;
  tokens_.push_back(token);
  return true;
}

std::pair<std::uint32_t, std::size_t> AddedTokens::Longest(std::string_view text, std::size_t at) const {
  std::pair<std::uint32_t, std::size_t> longest{kNone, at};
  std::uint32_t node = 0;
  for (std::size_t i = at; i < text.size(); ++i) {
    const auto& children = nodes_[node].children;
    const auto found = std::ranges::find(children, static_cast<unsigned char>(text[i]),
                                         &std::pair<unsigned char, std::uint32_t>::first);
    if (found == children.end()) break;
    node = found->second;
    if (nodes_[node].token != kNone) longest = {nodes_[node].token, i + 1};
  }
  return longest;
}

bool AddedTokens::IsWordAt(std::string_view text, std::size_t at, RegexSearch& search) const {
  const char32_t point = CharacterAt(text, at);
  if (point < 0x80) {
    return (point >= U'0' && point <= U'9') || (point >= U'a' && point <= U'z') || (point >= U'A' && point <= U'Z') ||
           point == U'_';
  }
  auto end = text.begin() + static_cast<std::ptrdiff_t>(at);
  utf8::unchecked::next(end);
  const auto size = static_cast<std::size_t>(end - text.begin()) - at;
  Regex::Match match;
  return Regex::Matches(word_, text.substr(at, size), search).Next(match);
}

std::vector<AddedTokens::Part> AddedTokens::Find(std::string_view text, RegexSearch& search) const {
  std::vector<Part> parts;
  std::size_t covered = 0;
  std::pair<std::size_t, std::size_t> spaces{0, 0};  // known to be white space
  for (std::size_t at = 0; at < text.size() && !tokens_.empty();) {
    if (!begins_[static_cast<unsigned char>(text[at])]) {
      ++at;
      continue;
    }
    const auto [index, match_end] = Longest(text, at);
    if (index == kNone) {
      ++at;
      continue;
    }
    const AddedToken& token = tokens_[index];
    std::size_t begin = at;
    std::size_t end = match_end;
    at = match_end;
    if (token.single_word && ((begin > 0 && IsWordAt(text, PreviousCharacter(text, begin), search)) ||
                              (end < text.size() && IsWordAt(text, end, search)))) {
      continue;
    }
    // A match that begins within the white space that the one before took along is a token all the same.
    if (token.lstrip) begin = std::max(BeginOfSpaces(text, begin, std::min(begin, covered)), covered);
    if (token.rstrip) {
      if (end < spaces.first || end >= spaces.second) spaces = {end, EndOfSpaces(text, end)};
      end = spaces.second;
    }
    if (covered < begin) parts.push_back({covered, begin, std::nullopt});
    parts.push_back({begin, std::max(begin, end), token.id});
    covered = end;
  }
  if (covered < text.size()) parts.push_back({covered, text.size(), std::nullopt});
  return parts;
}

}  // namespace actkin
