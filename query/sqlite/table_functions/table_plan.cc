#include "query/sqlite/table_functions/table_plan.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <optional>
#include <span>

#include "query/sqlite/table_functions/sql_value.h"

namespace actkin {
namespace {

// Columns in idxStr: one character from this one on.
constexpr char kFirstColumn = 'A';
// Before the arguments that are unknown, those that are read, but not fixed, and columns that are read.
constexpr char kUnknownArguments = '!';
constexpr char kUnreadableArguments = '?';
constexpr char kReadColumns = '#';
constexpr std::string_view kLists = "!?#";

std::optional<Comparison> ComparisonOf(unsigned char op) {
  switch (op) {
    case SQLITE_INDEX_CONSTRAINT_EQ:
    case SQLITE_INDEX_CONSTRAINT_IS:
      return Comparison::kEqual;
    case SQLITE_INDEX_CONSTRAINT_LT:
      return Comparison::kLess;
    case SQLITE_INDEX_CONSTRAINT_LE:
      return Comparison::kLessOrEqual;
    case SQLITE_INDEX_CONSTRAINT_GT:
      return Comparison::kGreater;
    case SQLITE_INDEX_CONSTRAINT_GE:
      return Comparison::kGreaterOrEqual;
    default:
      return std::nullopt;
  }
}

bool Fixes(unsigned char op) { return op == SQLITE_INDEX_CONSTRAINT_EQ || op == SQLITE_INDEX_CONSTRAINT_IS; }

char ColumnCode(int column) { return static_cast<char>(kFirstColumn + column); }

}  // namespace

std::string TableSpecification::Declaration() const {
  static constexpr const char* kTypes[] = {" TEXT", " INTEGER", " REAL", "", "", " TEXT"};
  std::string text = std::string("CREATE TABLE ") + name + "(";
  for (const char* column : columns) text += std::string(column) + ", ";
  for (const TableArgument& argument : arguments) {
    // A name may be a word of SQL's.
    text += "\"" + std::string(argument.name) + "\"" + kTypes[static_cast<int>(argument.type)] + " HIDDEN, ";
  }
  text.replace(text.size() - 2, 2, ")");
  return text;
}

PlannedCall ReadPlan(std::string_view idx_str) {
  PlannedCall call;
  const std::size_t end = std::min(idx_str.find_first_of(kLists), idx_str.size());
  for (std::size_t i = 0; i + 1 < end; i += 2) {
    call.values.push_back({idx_str[i] - kFirstColumn, static_cast<Comparison>(idx_str[i + 1])});
  }
  std::vector<int>* list = nullptr;
  for (const char code : idx_str.substr(end)) {
    if (code == kUnknownArguments) {
      list = &call.unknown;
    } else if (code == kUnreadableArguments) {
      list = &call.unreadable;
    } else if (code == kReadColumns) {
      list = &call.read;
    } else {
      list->push_back(code - kFirstColumn);
    }
  }
  return call;
}

TablePlan::TablePlan(const TableSpecification& specification, sqlite3_index_info& info)
    : specification_(specification),
      info_(info),
      fixed_(specification.arguments.size()),
      unknown_(specification.arguments.size()) {
  TakeArguments();
}

bool TablePlan::IsBinary(int constraint) const {
  const char* collation = sqlite3_vtab_collation(&info_, constraint);
  return collation == nullptr || std::strcmp(collation, "BINARY") == 0;
}

void TablePlan::TakeArguments() {
  for (int i = 0; i < info_.nConstraint; ++i) {
    const auto& constraint = info_.aConstraint[i];
    const int argument = constraint.iColumn - specification_.first_argument();
    if (argument < 0 || !IsBinary(i)) continue;
    const auto at = static_cast<std::size_t>(argument);
    // SQLite gives NULL as its value.
    const bool is_null =
        constraint.op == SQLITE_INDEX_CONSTRAINT_ISNULL && specification_.arguments[at].null_is_a_value;
    if (!Fixes(constraint.op) && !is_null) continue;
    if (constraint.usable == 0) {
      unknown_[at] = true;
    } else if (!fixed_[at]) {
      // A second value for the same argument is left to SQLite, to compare with the first.
      fixed_[at] = true;
      Take(i, Comparison::kEqual, /*omit=*/true);
    }
  }
}

void TablePlan::TakeComparisons(int column, bool whole_lists, bool nullable) {
  for (int i = 0; i < info_.nConstraint; ++i) {
    const auto& constraint = info_.aConstraint[i];
    if (constraint.iColumn != column || constraint.usable == 0) continue;
    const std::optional<Comparison> comparison = ComparisonOf(constraint.op);
    if (!comparison || (nullable && constraint.op == SQLITE_INDEX_CONSTRAINT_IS)) continue;
    const bool whole_list = whole_lists && sqlite3_vtab_in(&info_, i, 1) != 0;
    Take(i, whole_list ? Comparison::kIn : *comparison, /*omit=*/false);
  }
}

void TablePlan::TakeTexts(int column) {
  for (int i = 0; i < info_.nConstraint; ++i) {
    const auto& constraint = info_.aConstraint[i];
    if (constraint.iColumn != column || constraint.usable == 0) continue;
    if (constraint.op == SQLITE_INDEX_CONSTRAINT_GLOB) Take(i, Comparison::kGlob, /*omit=*/false);
    if (constraint.op != SQLITE_INDEX_CONSTRAINT_EQ || !IsBinary(i)) continue;
    const bool whole_list = sqlite3_vtab_in(&info_, i, 1) != 0;
    Take(i, whole_list ? Comparison::kInTexts : Comparison::kEqualText, /*omit=*/false);
  }
}

bool TablePlan::Takes(int column, Comparison comparison) const {
  for (std::size_t i = 0; i < values_.size(); i += 2) {
    if (values_[i] == ColumnCode(column) && values_[i + 1] == static_cast<char>(comparison)) return true;
  }
  return false;
}

void TablePlan::Take(int constraint, Comparison comparison, bool omit) {
  values_ += {ColumnCode(info_.aConstraint[constraint].iColumn), static_cast<char>(comparison)};
  info_.aConstraintUsage[constraint].argvIndex = ++taken_;
  info_.aConstraintUsage[constraint].omit = omit ? 1 : 0;
}

std::string TablePlan::KnownText(int argument, std::string_view missing) const {
  if (!Fixed(argument)) return std::string(missing);
  for (int i = 0; i < info_.nConstraint; ++i) {
    if (info_.aConstraintUsage[i].argvIndex == 0) continue;
    if (info_.aConstraint[i].iColumn != specification_.first_argument() + argument) continue;
    sqlite3_value* value = nullptr;
    if (sqlite3_vtab_rhs_value(&info_, i, &value) == SQLITE_OK && sqlite3_value_type(value) == SQLITE_TEXT) {
      return TextValue(value, "");
    }
  }
  return "";
}

std::vector<int> TablePlan::Unknown() const {
  std::vector<int> arguments;
  for (int argument = 0; argument < specification_.argument_count(); ++argument) {
    if (unknown_[static_cast<std::size_t>(argument)] && !Fixed(argument)) arguments.push_back(argument);
  }
  return arguments;
}

std::vector<int> TablePlan::Unreadable() const {
  std::vector<int> arguments;
  for (int argument = 0; argument < specification_.argument_count(); ++argument) {
    const sqlite3_uint64 column = sqlite3_uint64{1} << (specification_.first_argument() + argument);
    const bool unknown = unknown_[static_cast<std::size_t>(argument)];
    if ((info_.colUsed & column) != 0 && !Fixed(argument) && !unknown) arguments.push_back(argument);
  }
  return arguments;
}

TablePlan::Answer TablePlan::Answerable() const {
  if (!Unknown().empty()) return Answer::kUnknown;
  if (specification_.required > 0 && std::ranges::find(fixed_, true) == fixed_.end()) return Answer::kNothingFixed;
  for (int argument = 0; argument < specification_.required; ++argument) {
    if (!Fixed(argument)) return Answer::kBranch;
  }
  if (!Unreadable().empty()) return Answer::kUnreadable;
  return Answer::kYes;
}

void TablePlan::Finish(double cost, sqlite3_int64 rows) {
  info_.estimatedCost = cost;
  info_.estimatedRows = rows;
  // Calls that cannot be answered, or not in all ways that their columns are read; each is there, lest SQLite find "no
  // query solution".
  constexpr double kBranch = 1e9;
  constexpr double kUnreadable = 1e60;
  constexpr double kNothingFixed = 1e100;
  constexpr double kUnknown = 1e200;
  switch (Answerable()) {
    case Answer::kYes:
      break;
    case Answer::kBranch:
      // SQLite plans the branches of an OR by themselves, without what stands beside the OR, which may well fix the
      // rest. Such a call must look cheaper than one without what the branch fixes, dearer than one that can be
      // answered; and seem to have so many rows that what stands beside the OR may come from the tables before it.
      info_.estimatedCost = kBranch;
      info_.estimatedRows = sqlite3_int64{1} << 60;
      break;
    case Answer::kUnreadable:
      info_.estimatedCost = kUnreadable;
      break;
    case Answer::kNothingFixed:
      info_.estimatedCost = kNothingFixed;
      break;
    case Answer::kUnknown:
      info_.estimatedCost = kUnknown;
      break;
  }
  std::string text = values_;
  const auto add_list = [&text](char before, std::span<const int> arguments) {
    if (!arguments.empty()) text += before;
    for (const int argument : arguments) text += ColumnCode(argument);
  };
  add_list(kUnknownArguments, Unknown());
  add_list(kUnreadableArguments, Unreadable());
  add_list(kReadColumns, read_);
  info_.idxStr = sqlite3_mprintf("%s", text.c_str());
  if (info_.idxStr == nullptr) throw std::bad_alloc();
  info_.needToFreeIdxStr = 1;
}

}  // namespace actkin
