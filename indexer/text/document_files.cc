#include "indexer/text/document_files.h"

#include <algorithm>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <optional>
#include <system_error>
#include <vector>

#include "schema/error.h"
#include "schema/text.h"
#include "storage/machine/given_input.h"

namespace actkin {
namespace {

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

// Whether a byte stands inside a character.
bool Continues(char byte) { return (byte & 0xC0) == 0x80; }

// How many of the last bytes begin a character that is not all there.
std::size_t UnfinishedBytes(std::string_view text) {
  for (std::size_t count = 1; count <= std::min<std::size_t>(3, text.size()); ++count) {
    const auto byte = static_cast<unsigned char>(text[text.size() - count]);
    if (Continues(text[text.size() - count])) continue;
    const std::size_t length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1;
    return length > count ? count : 0;
  }
  return 0;
}

// Cuts one text into documents.
class TextSplitter {
 public:
  TextSplitter(const std::filesystem::path& input, const std::optional<std::string>& separator, DocumentReader& reader)
      : name_(FileName(input)), input_(InputName(input)), separator_(separator), reader_(reader) {}

  void Add(std::string_view piece) {
    pending_ += piece;
    std::string_view rest = pending_;
    while (separator_ && !rest.empty()) {
      const std::size_t end = rest.find(*separator_);
      if (end == std::string_view::npos) break;
      Tell(rest.substr(0, end));
      Finish();
      rest.remove_prefix(end + separator_->size());
    }
    // What may go on in the next piece: a separator, or a character.
    std::size_t kept = UnfinishedBytes(rest);
    if (separator_) kept = std::max(kept, std::min(rest.size(), separator_->size() - 1));
    for (int more = 0; more < 3 && kept > 0 && kept < rest.size() && Continues(rest[rest.size() - kept]); ++more) {
      ++kept;
    }
    if (rest.size() > kept) Tell(rest.substr(0, rest.size() - kept));
    pending_ = std::string(rest.substr(rest.size() - kept));
  }

  // Behind a separator at the end of a text there is no further document.
  void End() {
    if (!pending_.empty()) Tell(pending_);
    if (begun_ || number_ == 0) Finish();
  }

 private:
  void Begin() {
    if (begun_) return;
    begun_ = true;
    ++number_;
    if (separator_) {
      reader_.Begin(fmt::format("{}:{}", name_, number_), fmt::format("{}: document {}", input_, number_));
    } else {
      reader_.Begin(name_, input_);
    }
  }
  void Tell(std::string_view text) {
    Begin();
    if (!text.empty()) reader_.Add(text);
  }
  void Finish() {
    Begin();
    reader_.End();
    begun_ = false;
  }

  const std::string name_;
  const std::string input_;
  const std::optional<std::string>& separator_;
  DocumentReader& reader_;
  std::string pending_;
  std::size_t number_ = 0;
  bool begun_ = false;
};

void ReadText(const std::filesystem::path& input, const std::optional<std::string>& separator, DocumentReader& reader) {
  if (separator && separator->empty()) {
    FailUsage("what separates documents is empty: give the text that stands between them");
  }
  TextSplitter splitter(input, separator, reader);
  ReadInputInPieces(input, [&](std::string_view piece) { splitter.Add(piece); });
  splitter.End();
}

void ReadFolder(const std::filesystem::path& folder, const std::optional<std::string>& separator,
                DocumentReader& reader) {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    if (entry->path().extension() == ".txt" && !entry->is_directory()) files.push_back(entry->path());
  }
  if (error) Fail("{}: cannot be read: {}", folder.string(), error.message());
  if (files.empty()) Fail("{}: a folder without texts: expected files NAME.txt in it", folder.string());
  std::ranges::sort(files);
  for (const std::filesystem::path& file : files) ReadText(file, separator, reader);
}

// Its "id", where it has a text or a whole number there.
std::string DocumentName(const nlohmann::json& object, const std::string& file, std::size_t line) {
  const auto id = object.find("id");
  if (id != object.end() && id->is_string()) return id->get<std::string>();
  if (id != object.end() && id->is_number_integer()) return id->dump();
  return fmt::format("{}:{}", file, line);
}

// One document, or a blank line, which is none.
void ReadJsonLine(std::string_view line, std::size_t number, const std::filesystem::path& input,
                  const std::string& field, DocumentReader& reader) {
  if (line.find_first_not_of(" \t\r") == std::string_view::npos) return;
  const std::string where = fmt::format("{}: line {}", InputName(input), number);
  const nlohmann::json object = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) Fail("{}: expected a JSON object", where);
  const auto text = object.find(field);
  if (text == object.end() || !text->is_string()) {
    Fail("{}: expected an object with a text as its {}", where, Quote(field));
  }
  reader.Begin(DocumentName(object, FileName(input), number), where);
  reader.Add(text->get_ref<const std::string&>());
  reader.End();
}

void ReadJsonLines(const std::filesystem::path& input, const std::string& field, DocumentReader& reader) {
  std::string unfinished;
  std::size_t number = 0;
  ReadInputInPieces(input, [&](std::string_view piece) {
    for (std::size_t end = piece.find('\n'); end != std::string_view::npos; end = piece.find('\n')) {
      unfinished += piece.substr(0, end);
      piece.remove_prefix(end + 1);
      ReadJsonLine(unfinished, ++number, input, field, reader);
      unfinished.clear();
    }
    unfinished += piece;
  });
  if (!unfinished.empty()) ReadJsonLine(unfinished, ++number, input, field, reader);
}

}  // namespace

bool IsOneText(const std::filesystem::path& input, const CorpusSource& source) {
  return source.all_texts || (!IsFolder(input) && !IsJsonLines(input));
}

void ReadDocuments(const std::filesystem::path& input, const CorpusSource& source, DocumentReader& reader) {
  if (IsOneText(input, source)) return ReadText(input, source.separator, reader);
  if (IsFolder(input)) return ReadFolder(input, source.separator, reader);
  ReadJsonLines(input, source.field, reader);
}

}  // namespace actkin
