#include "indexer/text/document_files.h"

#include <algorithm>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <system_error>
#include <vector>

#include "schema/error.h"
#include "schema/text.h"
#include "storage/machine/given_input.h"

namespace actkin {
namespace {

using Tell = std::function<void(std::string, std::string, std::string_view)>;

std::string FileName(const std::filesystem::path& input) {
  return IsStandardInput(input) ? InputName(input) : input.filename().string();
}

bool IsFolder(const std::filesystem::path& input) {
  std::error_code ignored;
  return !IsStandardInput(input) && std::filesystem::is_directory(input, ignored);
}

bool IsJsonLines(const std::filesystem::path& input) {
  return !IsStandardInput(input) && input.extension() == ".jsonl";
}

void ReadText(const std::filesystem::path& input, const std::optional<std::string>& separator, const Tell& tell) {
  const std::string text = ReadInput(input);
  const std::string name = FileName(input);
  if (!separator) return tell(name, InputName(input), text);
  if (separator->empty()) FailUsage("what separates documents is empty: give the text that stands between them");
  std::size_t number = 0;
  for (std::string_view rest = text;;) {
    const std::size_t end = rest.find(*separator);
    // Behind a separator at the end of a text there is no further document.
    if (end == std::string_view::npos && rest.empty() && number > 0) return;
    ++number;
    tell(fmt::format("{}:{}", name, number), fmt::format("{}: document {}", InputName(input), number),
         rest.substr(0, end));
    if (end == std::string_view::npos) return;
    rest.remove_prefix(end + separator->size());
  }
}

void ReadFolder(const std::filesystem::path& folder, const std::optional<std::string>& separator, const Tell& tell) {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    if (entry->path().extension() == ".txt" && !entry->is_directory()) files.push_back(entry->path());
  }
  if (error) Fail("{}: cannot be read: {}", folder.string(), error.message());
  if (files.empty()) Fail("{}: a folder without texts: expected files NAME.txt in it", folder.string());
  std::ranges::sort(files);
  for (const std::filesystem::path& file : files) ReadText(file, separator, tell);
}

// Its "id", where it has a text or a whole number there.
std::string DocumentName(const nlohmann::json& object, const std::string& file, std::size_t line) {
  const auto id = object.find("id");
  if (id != object.end() && id->is_string()) return id->get<std::string>();
  if (id != object.end() && id->is_number_integer()) return id->dump();
  return fmt::format("{}:{}", file, line);
}

void ReadJsonLines(const std::filesystem::path& input, const std::string& field, const Tell& tell) {
  const std::string lines = ReadInput(input);
  std::size_t number = 0;
  for (std::string_view rest = lines; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const std::string where = fmt::format("{}: line {}", InputName(input), number);
    const nlohmann::json object = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!object.is_object()) Fail("{}: expected a JSON object", where);
    const auto text = object.find(field);
    if (text == object.end() || !text->is_string()) {
      Fail("{}: expected an object with a text as its {}", where, Quote(field));
    }
    tell(DocumentName(object, FileName(input), number), where, text->get_ref<const std::string&>());
  }
}

}  // namespace

bool IsOneText(const std::filesystem::path& input) { return !IsFolder(input) && !IsJsonLines(input); }

void ReadDocuments(const std::filesystem::path& input, const CorpusSource& source, const Tell& tell) {
  if (IsFolder(input)) return ReadFolder(input, source.separator, tell);
  if (IsJsonLines(input)) return ReadJsonLines(input, source.field, tell);
  ReadText(input, source.separator, tell);
}

}  // namespace actkin
