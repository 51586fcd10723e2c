#ifndef ACTKIN_SCHEMA_TOKENIZER_JSON_PART_H_
#define ACTKIN_SCHEMA_TOKENIZER_JSON_PART_H_

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "schema/error.h"

namespace actkin {

// A value of a JSON document and where it stands, so that every complaint names file and key. It refers to the
// document. What is absent reads as null. Each accessor throws Error naming the place and what was expected.
class JsonPart {
 public:
  // `where` of a whole document ends in ": ".
  JsonPart(const nlohmann::json& value, std::string where) : value_(&value), where_(std::move(where)) {}

  const nlohmann::json& value() const { return *value_; }
  // "tokenizer.json: model.merges[3]"
  const std::string& where() const { return where_; }
  bool is_null() const { return value_->is_null(); }

  // REQUIRES: an object (Object()), an array (Array()).
  JsonPart operator[](std::string_view key) const;
  JsonPart At(std::size_t index) const;

  const nlohmann::json::object_t& Object() const;
  const nlohmann::json::array_t& Array() const;
  // At most `limit` bytes.
  const std::string& Text(std::size_t limit = kLongestText) const;
  bool Flag() const;
  bool Flag(bool absent) const { return is_null() ? absent : Flag(); }
  std::uint32_t Number(std::uint32_t limit) const;  // 0 .. limit
  // The component's "type".
  const std::string& Type() const { return (*this)["type"].Text(); }
  // Refuses a key that is not among `known`, which might change the result.
  void OnlyKeys(std::initializer_list<std::string_view> known) const;
  [[noreturn]] void RefuseType(std::string_view known) const;

  template <typename... Arguments>
  [[noreturn]] void Refuse(fmt::format_string<Arguments...> format, Arguments&&... arguments) const {
    Fail(ErrorCode::kUnsupported, "{}{}{}", where_, where_.ends_with(": ") ? "" : ": ",
         fmt::format(format, std::forward<Arguments>(arguments)...));
  }

  // Longer texts are no part of a tokenizer that anybody published, and would let a small file make texts grow.
  static constexpr std::size_t kLongestText = 1024;

 private:
  const nlohmann::json* value_;
  std::string where_;
};

// Parses a document whose values are nested at most 64 deep. Throws Error naming `where`.
nlohmann::json ParseJson(std::string_view text, const std::string& where);
// The same of a document that people write: no key of an object may stand twice in it.
nlohmann::json ParseJsonOfUniqueKeys(std::string_view text, const std::string& where);

// Calls `visit` with `part`, or, where its type is Sequence, with each of the parts below `key`, in order, however
// deep. At most 64 in all.
void ForEachInSequence(const JsonPart& part, const char* key, const std::function<void(const JsonPart&)>& visit);

}  // namespace actkin

#endif  // ACTKIN_SCHEMA_TOKENIZER_JSON_PART_H_
