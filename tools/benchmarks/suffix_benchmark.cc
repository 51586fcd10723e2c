// What the order of a corpus's suffixes costs, and how fast prefixes of any length are found in it.
//
//   suffix_benchmark CORPUS [TOKENIZER.json] [--prefixes 20000]
//
// Writes both files of the corpus into a temporary folder, then asks for prefixes of 1 to 128 tokens from anywhere in
// it. Without a tokenizer a token is a character.
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "indexer/text/corpus.h"
#include "indexer/text/suffix_order.h"
#include "schema/error.h"
#include "schema/text.h"
#include "schema/tokenizer/character_tokenizer.h"
#include "schema/tokenizer/tokenizer_json.h"
#include "storage/formats/corpus_suffixes.h"
#include "storage/machine/file.h"

namespace actkin {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

double PeakMegabytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1e3;
}

std::unique_ptr<const Tokenizer> OpenTokenizer(const Corpus& corpus, const std::string& json) {
  if (!json.empty()) return ReadTokenizerJson(ReadFile(json), json);
  return std::make_unique<CharacterTokenizer>(Vocabulary::OfText(corpus.alphabet));
}

void PrintTimes(const char* what, std::vector<double> seconds, const std::string& more) {
  std::ranges::sort(seconds);
  fmt::print("{}: median {:.4f} ms, 99 % within {:.4f} ms, slowest {:.3f} ms{}\n", what,
             1e3 * seconds[seconds.size() / 2], 1e3 * seconds[seconds.size() * 99 / 100], 1e3 * seconds.back(), more);
}

void Measure(const std::string& path, const std::string& tokenizer_json, std::size_t prefixes) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / fmt::format("suffix-benchmark-{}", ::getpid());
  std::filesystem::create_directories(folder);
  std::size_t vocabulary_size = 0;
  std::uint64_t text_bytes = 0;
  {
    Corpus corpus = ReadCorpus(std::filesystem::path(path));
    const std::unique_ptr<const Tokenizer> tokenizer = OpenTokenizer(corpus, tokenizer_json);
    const CorpusTokens tokens = Tokenize(corpus, *tokenizer, 1, path);
    vocabulary_size = tokenizer->size();
    text_bytes = corpus.bytes;
    WriteCorpusTokensFile(folder / "corpus.tokens", tokens.tokens, std::vector<std::uint64_t>{0, tokens.tokens.size()},
                          vocabulary_size);
  }
  const double memory_before = PeakMegabytes();
  const auto tokens = std::make_shared<const CorpusTokensFile>(folder / "corpus.tokens");
  const Clock::time_point start = Clock::now();
  WriteSuffixOrderFile(folder / "corpus.suffixes", *tokens, SuffixOrder(tokens->entries(), tokens->width()));
  const double seconds = SecondsSince(start);
  SuffixOrderFile order(folder / "corpus.suffixes");
  const double bytes = static_cast<double>(tokens->file_bytes() + order.file_bytes());
  fmt::print(
      "{} bytes of text, {} tokens of {}: suffixes in {:.1f} s; at most {:.0f} MB of memory ({:.0f} before), "
      "{:.2f} bytes on disk a token\n",
      text_bytes, tokens->token_count(), vocabulary_size, seconds, PeakMegabytes(), memory_before,
      bytes / static_cast<double>(tokens->token_count()));

  const CorpusSuffixes suffixes(tokens, std::move(order));
  std::mt19937_64 generator(1337);
  std::vector<double> of_occurrences;
  std::vector<double> of_next_tokens;
  std::uint64_t next_tokens = 0;
  for (std::size_t i = 0; i < prefixes; ++i) {
    const std::uint64_t position = generator() % tokens->token_count();
    // Short ones, which much follows, as often as long ones.
    const std::uint64_t length = std::uint64_t{1} << (generator() % 8);
    std::vector<TokenId> prefix;
    for (std::uint64_t p = position; p < std::min(position + length, tokens->token_count()); ++p) {
      prefix.push_back(tokens->Token(p));
    }
    const Clock::time_point asked = Clock::now();
    const RowRange places = suffixes.Find(prefix);
    of_occurrences.push_back(SecondsSince(asked));
    next_tokens += suffixes.NextTokens(places, prefix.size()).size();
    of_next_tokens.push_back(SecondsSince(asked));
  }
  PrintTimes("occurrences", of_occurrences, "");
  PrintTimes(
      "with next tokens", of_next_tokens,
      fmt::format(" ({:.1f} of them a prefix)", static_cast<double>(next_tokens) / static_cast<double>(prefixes)));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace actkin

int main(int count, char** arguments) {
  try {
    std::vector<std::string> names;
    std::size_t prefixes = 20'000;
    for (int i = 1; i < count; ++i) {
      const std::string argument = arguments[i];
      if (argument != "--prefixes") {
        names.push_back(argument);
        continue;
      }
      const std::string value = ++i < count ? arguments[i] : "";
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), prefixes);
      if (error != std::errc() || end != value.data() + value.size() || prefixes == 0) {
        actkin::FailUsage("--prefixes: expected a positive number");
      }
    }
    if (names.empty() || names.size() > 2) actkin::FailUsage("expected CORPUS [TOKENIZER.json] [--prefixes N]");
    actkin::Measure(names[0], names.size() > 1 ? names[1] : "", prefixes);
  } catch (const std::exception& error) {
    fmt::print(stderr, "suffix_benchmark: {}\n", error.what());
    return 1;
  }
  return 0;
}
