// How fast a text is cut into tokens on one core: tokenizer_benchmark TOKENIZER.json TEXT COPIES ROUNDS
//
// The text is repeated COPIES times; each copy is cut as one document, and paragraph by paragraph. Prints JSON: bytes,
// the number of tokens and a checksum of their ids, and the seconds of each round. tokenizer_peers runs it beside
// others.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "schema/error.h"
#include "schema/tokenizer/tokenizer_json.h"
#include "storage/machine/file.h"

namespace actkin {
namespace {

using Clock = std::chrono::steady_clock;

int Count(std::string_view text) {
  int count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc() || end != text.data() + text.size() || count < 1) FailUsage("{}: expected a count", text);
  return count;
}

// Each with the empty line that ends it.
std::vector<std::string_view> Paragraphs(std::string_view text) {
  std::vector<std::string_view> paragraphs;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t empty_line = text.find("\n\n", begin);
    const std::size_t end = empty_line == std::string_view::npos ? text.size() : empty_line + 2;
    paragraphs.push_back(text.substr(begin, end - begin));
    begin = end;
  }
  return paragraphs;
}

nlohmann::json Measure(const Tokenizer& tokenizer, const std::vector<std::string_view>& documents, int copies,
                       int rounds) {
  std::vector<double> seconds;
  std::uint64_t count = 0;
  std::uint64_t checksum = 0;
  for (int round = 0; round < rounds; ++round) {
    count = 0;
    checksum = 0;
    const auto start = Clock::now();
    for (int copy = 0; copy < copies; ++copy) {
      for (const std::string_view document : documents) {
        const std::vector<TokenId> tokens = tokenizer.Encode(document, "document");
        count += tokens.size();
        for (const TokenId token : tokens) checksum = (checksum * 31 + token) % 1'000'000'007;
      }
    }
    seconds.push_back(std::chrono::duration<double>(Clock::now() - start).count());
  }
  return {{"seconds", seconds}, {"tokens", count}, {"checksum", checksum}};
}

void Main(const std::vector<std::string>& arguments) {
  if (arguments.size() != 4) FailUsage("tokenizer_benchmark TOKENIZER.json TEXT COPIES ROUNDS");
  const auto start = Clock::now();
  const auto tokenizer = ReadTokenizerJson(ReadFile(arguments[0]), arguments[0]);
  const double read_seconds = std::chrono::duration<double>(Clock::now() - start).count();
  const std::string text = ReadFile(arguments[1]);
  const int copies = Count(arguments[2]);
  const int rounds = Count(arguments[3]);
  const nlohmann::json answer = {{"bytes", text.size() * static_cast<std::size_t>(copies)},
                                 {"read_seconds", read_seconds},
                                 {"whole", Measure(*tokenizer, {text}, copies, rounds)},
                                 {"paragraphs", Measure(*tokenizer, Paragraphs(text), copies, rounds)}};
  std::puts(answer.dump().c_str());
}

}  // namespace
}  // namespace actkin

int main(int argc, char** argv) {
  try {
    actkin::Main({argv + 1, argv + argc});
    return 0;
  } catch (const actkin::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
