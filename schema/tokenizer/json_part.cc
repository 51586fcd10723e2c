#include "schema/tokenizer/json_part.h"

#include <algorithm>
#include <optional>
#include <set>
#include <vector>

#include "schema/text.h"

namespace actkin {
namespace {

constexpr int kDeepest = 64;
constexpr int kMostInSequence = 64;

const nlohmann::json& Null() {
  static const nlohmann::json null;
  return null;
}

// How deep brackets are nested outside strings.
bool IsDeeperThan(std::string_view text, int limit) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        in_string = false;
      }
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > limit) return true;
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return false;
}

void Visit(const JsonPart& part, const char* key, const std::function<void(const JsonPart&)>& visit, int& count) {
  if (part.Type() != "Sequence") {
    if (++count > kMostInSequence) part.Refuse("more than {} components", kMostInSequence);
    return visit(part);
  }
  part.OnlyKeys({"type", key});
  const JsonPart parts = part[key];
  for (std::size_t i = 0; i < parts.Array().size(); ++i) Visit(parts.At(i), key, visit, count);
}

}  // namespace

JsonPart JsonPart::operator[](std::string_view key) const {
  const auto found = Object().find(key);
  const std::string where = fmt::format("{}{}{}", where_, where_.ends_with(": ") ? "" : ".", key);
  return JsonPart(found == Object().end() ? Null() : found->second, where);
}

JsonPart JsonPart::At(std::size_t index) const { return {Array()[index], fmt::format("{}[{}]", where_, index)}; }

const nlohmann::json::object_t& JsonPart::Object() const {
  if (!value_->is_object()) Refuse("expected an object, not {}", value_->type_name());
  return value_->get_ref<const nlohmann::json::object_t&>();
}

const nlohmann::json::array_t& JsonPart::Array() const {
  if (!value_->is_array()) Refuse("expected an array, not {}", value_->type_name());
  return value_->get_ref<const nlohmann::json::array_t&>();
}

const std::string& JsonPart::Text(std::size_t limit) const {
  if (!value_->is_string()) Refuse("expected a text, not {}", value_->type_name());
  const auto& text = value_->get_ref<const std::string&>();
  if (text.size() > limit) Refuse("a text of {} bytes, expected at most {}", text.size(), limit);
  return text;
}

bool JsonPart::Flag() const {
  if (!value_->is_boolean()) Refuse("expected true or false, not {}", value_->type_name());
  return value_->get<bool>();
}

std::uint32_t JsonPart::Number(std::uint32_t limit) const {
  if (!value_->is_number_unsigned() || value_->get<std::uint64_t>() > limit) {
    Refuse("expected a number from 0 to {}, not {}", limit,
           value_->is_number() ? value_->dump() : std::string(value_->type_name()));
  }
  return value_->get<std::uint32_t>();
}

void JsonPart::OnlyKeys(std::initializer_list<std::string_view> known) const {
  for (const auto& [key, value] : Object()) {
    if (std::ranges::find(known, key) == known.end()) {
      Refuse("the key {} is not known, and might change the tokens", Quote(key.substr(0, 100)));
    }
  }
}

void JsonPart::RefuseType(std::string_view known) const {
  Refuse("the type {} is not known: expected {}", Quote(Type()), known);
}

nlohmann::json ParseJson(std::string_view text, const std::string& where) {
  if (IsDeeperThan(text, kDeepest)) Fail("{}: nested deeper than {}: no tokenizer is", where, kDeepest);
  auto parsed = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (parsed.is_discarded()) Fail("{}: is not JSON", where);
  return parsed;
}

nlohmann::json ParseJsonOfUniqueKeys(std::string_view text, const std::string& where) {
  std::vector<std::set<std::string>> keys;  // of the objects that are open
  std::optional<std::string> twice;
  const auto look = [&](int, nlohmann::json::parse_event_t event, nlohmann::json& parsed) {
    if (event == nlohmann::json::parse_event_t::object_start) keys.emplace_back();
    if (event == nlohmann::json::parse_event_t::object_end) keys.pop_back();
    if (event == nlohmann::json::parse_event_t::key && !keys.back().insert(parsed.get<std::string>()).second) {
      twice = parsed.get<std::string>();
    }
    return true;
  };
  // The parser takes a zero byte for the end.
  const bool is_text = text.find('\0') == std::string_view::npos && !IsDeeperThan(text, kDeepest);
  auto parsed = is_text ? nlohmann::json::parse(text, look, /*allow_exceptions=*/false) : nlohmann::json();
  if (!is_text || parsed.is_discarded()) Fail("{}: is not JSON", where);
  if (twice) Fail("{}: the key {} stands there twice", where, Quote(twice->substr(0, 100)));
  return parsed;
}

void ForEachInSequence(const JsonPart& part, const char* key, const std::function<void(const JsonPart&)>& visit) {
  int count = 0;
  Visit(part, key, visit, count);
}

}  // namespace actkin
