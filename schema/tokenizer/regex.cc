#include "schema/tokenizer/regex.h"

#include <oniguruma.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <new>
#include <utility>

#include "schema/error.h"
#include "schema/text.h"

namespace actkin {
namespace {

// A search that stays below this is not counted.
constexpr std::uint64_t kFreeSteps = 4096;
constexpr std::uint64_t kGrantedSteps = 10'000'000;
constexpr std::uint64_t kGrantedStepsPerByte = 100;
// What an expression may remember on its way, in places of about 40 bytes.
constexpr std::uint64_t kRemembered = 1U << 16;
constexpr std::uint64_t kRememberedPerByte = 32;
constexpr std::uint64_t kMostRemembered = 1U << 30;

std::mutex& CompilerLock() {
  static std::mutex lock;
  return lock;
}

// What the library keeps for itself it gives back when the extension is unloaded; whoever else uses it starts it again.
struct Oniguruma {
  Oniguruma() {
    OnigEncoding encodings[] = {ONIG_ENCODING_UTF8};
    onig_set_warn_func(onig_null_warn);
    onig_set_verb_warn_func(onig_null_warn);
    initialized = onig_initialize(encodings, 1) == ONIG_NORMAL;
  }
  ~Oniguruma() { onig_end(); }
  Oniguruma(const Oniguruma&) = delete;
  Oniguruma& operator=(const Oniguruma&) = delete;

  bool initialized = false;
};

const OnigUChar* Bytes(const char* text) { return reinterpret_cast<const OnigUChar*>(text); }

std::size_t CharacterBytes(char lead) {
  const auto byte = static_cast<unsigned char>(lead);
  return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

}  // namespace

RegexSearch::RegexSearch() : region_(onig_region_new()), parameters_(onig_new_match_param()) {
  if (region_ == nullptr || parameters_ == nullptr) throw std::bad_alloc();
  onig_initialize_match_param(parameters_);
  Grant(0);
}

RegexSearch::~RegexSearch() {
  onig_region_free(region_, /*free_self=*/1);
  onig_free_match_param(parameters_);
}

void RegexSearch::Grant(std::size_t text_bytes) {
  steps_left_ = kGrantedSteps + kGrantedStepsPerByte * text_bytes;
  const std::uint64_t remembered = std::min(kRemembered + kRememberedPerByte * text_bytes, kMostRemembered);
  onig_set_match_stack_limit_size_of_match_param(parameters_, static_cast<unsigned>(remembered));
}

void Regex::Free::operator()(re_pattern_buffer* compiled) const { onig_free(compiled); }

Regex::Regex(const std::string& pattern, std::string where) : where_(std::move(where)) {
  // Oniguruma's compiler is not said to be safe in several threads at once.
  const std::lock_guard guard(CompilerLock());
  static const Oniguruma library;
  if (!library.initialized) Fail("Oniguruma cannot be initialized");
  OnigRegex compiled = nullptr;
  OnigErrorInfo information{};
  const int status = onig_new(&compiled, Bytes(pattern.data()), Bytes(pattern.data() + pattern.size()),
                              ONIG_OPTION_NONE, ONIG_ENCODING_UTF8, ONIG_SYNTAX_DEFAULT, &information);
  if (status != ONIG_NORMAL) {
    std::array<OnigUChar, ONIG_MAX_ERROR_MESSAGE_LEN> message{};
    const int length = onig_error_code_to_str(message.data(), status, &information);
    Fail("{}: {} is no regular expression: {}", where_, Quote(pattern.substr(0, 200)),
         Printable({reinterpret_cast<const char*>(message.data()), static_cast<std::size_t>(length)}));
  }
  compiled_.reset(compiled);
}

bool Regex::Find(std::string_view text, std::size_t from, RegexSearch& search, Match& match) const {
  const OnigUChar* begin = Bytes(text.data());
  const OnigUChar* end = begin + text.size();
  // Nearly every search takes few steps. The others are repeated with eight times as many until the grant is used up.
  for (std::uint64_t steps = kFreeSteps;; steps *= 8) {
    onig_set_retry_limit_in_match_of_match_param(search.parameters_, steps);
    onig_set_retry_limit_in_search_of_match_param(search.parameters_, steps);
    const int place = onig_search_with_param(compiled_.get(), begin, end, begin + from, end, search.region_,
                                             ONIG_OPTION_NONE, search.parameters_);
    if (place >= 0) {
      match = {static_cast<std::size_t>(search.region_->beg[0]), static_cast<std::size_t>(search.region_->end[0])};
      return true;
    }
    if (place == ONIG_MISMATCH) return false;
    const bool took_too_long =
        place == ONIGERR_RETRY_LIMIT_IN_MATCH_OVER || place == ONIGERR_RETRY_LIMIT_IN_SEARCH_OVER;
    if (took_too_long && steps <= search.steps_left_) {
      search.steps_left_ -= steps;
      continue;
    }
    if (took_too_long) Fail("{}: the regular expression takes too long on this text", where_);
    if (place == ONIGERR_MEMORY) throw std::bad_alloc();
    std::array<OnigUChar, ONIG_MAX_ERROR_MESSAGE_LEN> message{};
    const int length = onig_error_code_to_str(message.data(), place);
    Fail("{}: the regular expression fails on this text: {}", where_,
         std::string_view(reinterpret_cast<const char*>(message.data()), static_cast<std::size_t>(length)));
  }
}

bool Regex::Matches::Next(Match& match) {
  while (from_ <= text_.size()) {
    if (!regex_.Find(text_, from_, search_, match)) {
      from_ = text_.size() + 1;
      return false;
    }
    if (match.begin != match.end || match.end != last_end_) {
      from_ = match.end;
      last_end_ = match.end;
      return true;
    }
    from_ += from_ < text_.size() ? CharacterBytes(text_[from_]) : 1;
  }
  return false;
}

}  // namespace actkin
