#include <algorithm>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "schema/error.h"
#include "schema/text.h"
#include "schema/tokenizer/tokenizer_json.h"
#include "storage/catalog/catalog.h"
#include "storage/directory/open_tokenizer.h"
#include "storage/machine/file.h"
#include "storage/machine/given_input.h"
#include "tools/command/commands.h"
#include "tools/output/json_output.h"
#include "tools/output/table.h"
#include "tools/output/terminal.h"
#include "tools/output/visible_text.h"

namespace actkin {
namespace {

using OrderedJson = nlohmann::ordered_json;

struct TokensFlags {
  std::vector<std::string> given;  // TEXT, D: either may be missing
  std::string tokenizer;
  bool escapes = false;
  bool json = false;
};

struct Request {
  std::optional<std::string> text;  // none: lines of standard input
  std::string source;               // of the tokenizer: a file, or an index directory
  bool is_directory = false;
};

Request ReadFlags(const TokensFlags& flags) {
  Request request;
  std::vector<std::string> given = flags.given;
  if (!flags.tokenizer.empty()) {
    request.source = flags.tokenizer;
    if (given.size() > 1) {
      FailUsage("{} was not expected: --tokenizer stands in the place of an index directory", Quote(given[1]));
    }
  } else {
    if (given.empty()) FailUsage("no tokenizer given: expected --tokenizer FILE, or an index directory after the text");
    // The text comes first; one who names the directory first is understood.
    const bool is_first =
        given.size() > 1 && !std::filesystem::is_directory(given[1]) && std::filesystem::is_directory(given[0]);
    if (is_first) std::swap(given[0], given[1]);
    request.source = given.back();
    request.is_directory = true;
    given.pop_back();
  }
  if (!given.empty()) {
    const std::string text = IsStandardInput(given[0]) ? ReadInput(given[0]) : given[0];
    request.text = flags.escapes ? Unescape(text) : text;
  } else if (!flags.json) {
    FailUsage("no text given: expected one, - for standard input, or --json for a JSON string a line of it");
  }
  return request;
}

std::unique_ptr<const Tokenizer> OpenGivenTokenizer(const Request& request) {
  if (!request.is_directory) return ReadTokenizerJson(ReadFile(request.source), request.source);
  const IndexDirectory directory = GivenDirectory(request.source);
  const auto connection = OpenCatalog(directory);
  Catalog catalog(connection->handle());
  return OpenTokenizer(directory, catalog);
}

std::string HexBytes(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) {
    text += fmt::format("{}{:02x}", text.empty() ? "" : " ", static_cast<unsigned char>(byte));
  }
  return text;
}

std::string AllBytes(const Tokenizer& tokenizer, const std::vector<TokenId>& tokens) {
  std::string bytes;
  for (const TokenId token : tokens) bytes += tokenizer.Bytes(token);
  return bytes;
}

std::string HumanAnswer(const Tokenizer& tokenizer, const std::string& text, const std::vector<TokenId>& tokens) {
  std::string answer =
      fmt::format("{}  {} of {} tokens\n", QuotedText(text), Grouped(tokens.size()), Grouped(tokenizer.size()));
  if (AllBytes(tokenizer, tokens) != text) answer += "the tokenizer changes the text: its tokens stand for another\n";
  if (tokens.empty()) return answer;
  Table table({{"#", Table::Align::kRight}, {"id", Table::Align::kRight}, {"text"}, {"bytes"}});
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const std::string_view bytes = tokenizer.Bytes(tokens[i]);
    table.Add({Grouped(i), std::to_string(tokens[i]), VisibleText(bytes), HexBytes(bytes)});
  }
  return answer + "\n" + table.Text(StdoutColor());
}

OrderedJson JsonAnswer(const Tokenizer& tokenizer, const std::string& text, const std::vector<TokenId>& tokens) {
  OrderedJson list = OrderedJson::array();
  for (const TokenId token : tokens) {
    const std::string_view bytes = tokenizer.Bytes(token);
    list.push_back({{"id", token}, {"text", TokenText(bytes)}, {"bytes", HexBytes(bytes)}});
  }
  OrderedJson answer;
  answer["text"] = text;
  answer["keeps_text"] = AllBytes(tokenizer, tokens) == text;
  answer["vocabulary_size"] = tokenizer.size();
  answer["ids"] = tokens;
  answer["tokens"] = std::move(list);
  return answer;
}

void AnswerLines(const Tokenizer& tokenizer) {
  const std::string input = ReadInput("-");
  constexpr std::size_t kPiece = 1U << 20;
  std::string answers;
  std::size_t number = 0;
  for (std::size_t begin = 0; begin < input.size();) {
    const std::size_t end = std::min(input.find('\n', begin), input.size());
    const std::string_view line = std::string_view(input).substr(begin, end - begin);
    begin = end + 1;
    const std::string where = fmt::format("standard input, line {}", ++number);
    const auto text = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!text.is_string()) FailUsage("{}: expected a JSON string, such as \"a \\\"text\\\"\"", where);
    answers += nlohmann::json(tokenizer.Encode(text.get_ref<const std::string&>(), where)).dump();
    answers += '\n';
    if (answers.size() < kPiece) continue;
    Print(answers);
    answers.clear();
  }
  Print(answers);
}

void RunTokens(const TokensFlags& flags) {
  const Request request = ReadFlags(flags);
  const auto tokenizer = OpenGivenTokenizer(request);
  if (!request.text) return AnswerLines(*tokenizer);
  const std::vector<TokenId> tokens = tokenizer->Encode(*request.text, "the text");
  if (flags.json) return PrintJson(JsonAnswer(*tokenizer, *request.text, tokens));
  Print(HumanAnswer(*tokenizer, *request.text, tokens));
}

}  // namespace

void AddTokensCommand(CLI::App& app) {
  auto flags = std::make_shared<TokensFlags>();
  CLI::App* command = app.add_subcommand("tokens", "Show how a text is cut into tokens");
  command
      ->add_option("text", flags->given,
                   "The text; - is standard input. After it the index directory whose tokenizer cuts it, unless "
                   "--tokenizer names one")
      ->option_text("[TEXT] [DIRECTORY]")
      ->expected(0, 2);
  command->add_option("--tokenizer", flags->tokenizer, "A tokenizer.json")->option_text("FILE");
  command->add_flag("--escapes", flags->escapes, "Read \\n, \\t, \\\" and \\\\ in the text");
  command->add_flag(
      "--json", flags->json,
      "Print JSON; without a text, read a JSON string a line of standard input, and print a JSON array of "
      "ids a line");
  command->footer(
      "A space is shown as \u2423, bytes that are no whole character as \\xNN. The tokenizer.json of a published "
      "model\n"
      "is tried with --tokenizer before anything is built; what a post-processor adds is left out.\n"
      "Examples:\n"
      "  actkin tokens 'the licens' gpl.actkin\n"
      "  actkin tokens 'the\\nlicens' gpl.actkin --escapes --json\n"
      "  echo '\"the licens\"' | actkin tokens gpl.actkin --json");
  command->callback([flags] { RunTokens(*flags); });
}

}  // namespace actkin
