#include "query/approximate/index_parameters.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "schema/error.h"
#include "schema/text.h"

namespace actkin {
namespace {

// A parameter and the values that it is to take.
struct Swept {
  std::string name;
  std::vector<double> values;
};

[[noreturn]] void FailOnText(std::string_view text) {
  FailUsage("parameters {}: expected NAME=NUMBER, such as efSearch=64", Quote(text));
}

double ParseNumber(std::string_view number, std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  if (error != std::errc() || end != number.data() + number.size() || !std::isfinite(value)) FailOnText(text);
  return value;
}

void ParseInto(std::string_view text, std::vector<Swept>& swept) {
  if (text.empty()) return;
  bool named = false;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string_view item = text.substr(begin, end - begin);
    const std::size_t equals = item.find('=');
    if (equals == 0 || item.empty() || (equals == std::string_view::npos && !named)) FailOnText(text);
    if (equals != std::string_view::npos) {
      const std::string name(item.substr(0, equals));
      if (std::ranges::find(swept, name, &Swept::name) != swept.end()) {
        FailUsage("parameters {}: {} is there twice", Quote(text), Quote(name));
      }
      swept.push_back({name, {}});
      named = true;
    }
    swept.back().values.push_back(ParseNumber(equals == std::string_view::npos ? item : item.substr(equals + 1), text));
    begin = end + 1;
  }
}

}  // namespace

IndexParameters ParseIndexParameters(std::string_view text) {
  std::vector<Swept> swept;
  ParseInto(text, swept);
  IndexParameters parameters;
  for (const Swept& one : swept) {
    if (one.values.size() > 1) FailOnText(text);
    parameters.emplace_back(one.name, one.values.front());
  }
  return parameters;
}

std::string FormatIndexParameters(const IndexParameters& parameters) {
  std::string text;
  for (const auto& [name, value] : parameters) text += fmt::format("{}{}={}", text.empty() ? "" : ",", name, value);
  return text;
}

std::vector<IndexParameters> ParseParameterSweep(const std::vector<std::string>& texts) {
  std::vector<Swept> swept;
  for (const std::string& text : texts) ParseInto(text, swept);
  std::vector<IndexParameters> combinations = {{}};
  for (const Swept& one : swept) {
    std::vector<IndexParameters> longer;
    for (const IndexParameters& combination : combinations) {
      for (const double value : one.values) {
        longer.push_back(combination);
        longer.back().emplace_back(one.name, value);
      }
    }
    combinations = std::move(longer);
  }
  return combinations;
}

}  // namespace actkin
