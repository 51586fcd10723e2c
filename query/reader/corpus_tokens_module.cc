#include "query/reader/corpus_tokens_module.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <new>
#include <optional>
#include <string>
#include <utility>

#include "schema/error.h"

namespace actkin {
namespace {

enum Column { kPosition, kDocumentId, kTokenId, kText, kNextTokenId };

struct Source {
  OpenCorpusTokens open;
  const TokenTable& tokens;
};

// SQLite knows the base classes alone.
struct Table : sqlite3_vtab {
  const Source* source = nullptr;
};

struct Cursor : sqlite3_vtab_cursor {
  std::shared_ptr<const CorpusTokensFile> corpus;
  std::uint64_t position = 0;
  std::uint64_t end = 0;
  std::uint64_t document = 0;
  RowRange positions;  // of the document
};

template <typename Action>
int Guard(sqlite3_vtab* table, const Action& action) {
  try {
    action();
    return SQLITE_OK;
  } catch (const std::bad_alloc&) {
    return SQLITE_NOMEM;
  } catch (const std::exception& error) {
    sqlite3_free(table->zErrMsg);
    table->zErrMsg = sqlite3_mprintf("%s", error.what());
    return SQLITE_ERROR;
  }
}

int Connect(sqlite3* connection, void* data, int, const char* const*, sqlite3_vtab** table, char**) {
  const int status = sqlite3_declare_vtab(connection,
                                          "CREATE TABLE actkin_tokens(position INTEGER, document_id INTEGER, "
                                          "token_id INTEGER, text TEXT, next_token_id INTEGER)");
  if (status != SQLITE_OK) return status;
  auto* connected = new (std::nothrow) Table();
  if (connected == nullptr) return SQLITE_NOMEM;
  connected->source = static_cast<const Source*>(data);
  *table = connected;
  return SQLITE_OK;
}

int Disconnect(sqlite3_vtab* table) {
  delete static_cast<Table*>(table);
  return SQLITE_OK;
}

// idxStr: a column and an operator a value, in the order of the values. SQLite checks each comparison again.
int BestIndex(sqlite3_vtab*, sqlite3_index_info* info) {
  std::string taken;
  double cost = 1e7;
  for (int i = 0; i < info->nConstraint; ++i) {
    const auto& constraint = info->aConstraint[i];
    const bool ranged = constraint.iColumn == kPosition || constraint.iColumn == kDocumentId;
    char op = 0;
    if (constraint.op == SQLITE_INDEX_CONSTRAINT_EQ) op = '=';
    if (constraint.op == SQLITE_INDEX_CONSTRAINT_LT || constraint.op == SQLITE_INDEX_CONSTRAINT_LE) op = '<';
    if (constraint.op == SQLITE_INDEX_CONSTRAINT_GT || constraint.op == SQLITE_INDEX_CONSTRAINT_GE) op = '>';
    if (!ranged || op == 0 || constraint.usable == 0) continue;
    taken += static_cast<char>('0' + constraint.iColumn);
    taken += op;
    info->aConstraintUsage[i].argvIndex = static_cast<int>(taken.size() / 2);
    cost = std::min(cost, op == '=' ? (constraint.iColumn == kPosition ? 10.0 : 1e4) : 1e6);
  }
  info->idxStr = sqlite3_mprintf("%s", taken.c_str());
  if (info->idxStr == nullptr) return SQLITE_NOMEM;
  info->needToFreeIdxStr = 1;
  info->estimatedCost = cost;
  info->estimatedRows = static_cast<sqlite3_int64>(cost / 10);
  if (info->nOrderBy == 1 && info->aOrderBy[0].iColumn == kPosition && info->aOrderBy[0].desc == 0) {
    info->orderByConsumed = 1;
  }
  return SQLITE_OK;
}

int Open(sqlite3_vtab*, sqlite3_vtab_cursor** cursor) {
  *cursor = new (std::nothrow) Cursor();
  return *cursor == nullptr ? SQLITE_NOMEM : SQLITE_OK;
}

int Close(sqlite3_vtab_cursor* cursor) {
  delete static_cast<Cursor*>(cursor);
  return SQLITE_OK;
}

// The numbers from 0 to `count` that such a comparison leaves, and perhaps one more at an open end.
RowRange Compared(char op, double number, std::uint64_t count) {
  const auto whole = [&](double end) {
    return static_cast<std::uint64_t>(std::clamp(end, 0.0, static_cast<double>(count)));
  };
  const std::uint64_t least = op == '<' ? 0 : whole(std::ceil(number));
  const std::uint64_t most = op == '>' ? count : whole(std::floor(number) + 1);
  return {std::min(least, most), most};
}

void FindDocument(Cursor& cursor) {
  if (cursor.position >= cursor.end || cursor.position < cursor.positions.end) return;
  cursor.document = cursor.corpus->DocumentOf(cursor.position);
  cursor.positions = cursor.corpus->Positions(cursor.document);
}

int Filter(sqlite3_vtab_cursor* base, int, const char* taken, int count, sqlite3_value** values) {
  auto* cursor = static_cast<Cursor*>(base);
  return Guard(base->pVtab, [&] {
    if (!cursor->corpus) cursor->corpus = static_cast<Table*>(base->pVtab)->source->open();
    const CorpusTokensFile& corpus = *cursor->corpus;
    RowRange range{0, corpus.token_count()};
    for (int i = 0; i < count; ++i) {
      const std::string_view text(taken);
      const int type =
          sqlite3_value_type(values[i]) == SQLITE_BLOB ? SQLITE_BLOB : sqlite3_value_numeric_type(values[i]);
      if (type == SQLITE_NULL) range = {0, 0};
      if (type != SQLITE_INTEGER && type != SQLITE_FLOAT) continue;
      const double number = sqlite3_value_double(values[i]);
      const char op = text[static_cast<std::size_t>(2 * i + 1)];
      RowRange chosen;
      if (text[static_cast<std::size_t>(2 * i)] == '0' + kPosition) {
        chosen = Compared(op, number, corpus.token_count());
      } else {
        const RowRange documents = Compared(op, number, corpus.document_count());
        if (documents.size() > 0) {
          chosen = {corpus.Positions(documents.begin).begin, corpus.Positions(documents.end - 1).end};
        }
      }
      range.begin = std::max(range.begin, chosen.begin);
      range.end = std::max(range.begin, std::min(range.end, chosen.end));
    }
    cursor->position = range.begin;
    cursor->end = range.end;
    cursor->positions = {};
    FindDocument(*cursor);
  });
}

int Next(sqlite3_vtab_cursor* base) {
  auto* cursor = static_cast<Cursor*>(base);
  return Guard(base->pVtab, [&] {
    ++cursor->position;
    FindDocument(*cursor);
  });
}

int AtEnd(sqlite3_vtab_cursor* base) {
  const auto* cursor = static_cast<const Cursor*>(base);
  return cursor->position >= cursor->end ? 1 : 0;
}

int ColumnOf(sqlite3_vtab_cursor* base, sqlite3_context* context, int column) {
  const auto* cursor = static_cast<const Cursor*>(base);
  return Guard(base->pVtab, [&] {
    const CorpusTokensFile& corpus = *cursor->corpus;
    switch (column) {
      case kPosition:
        return sqlite3_result_int64(context, static_cast<sqlite3_int64>(cursor->position));
      case kDocumentId:
        return sqlite3_result_int64(context, static_cast<sqlite3_int64>(cursor->document));
      case kTokenId:
        return sqlite3_result_int64(context, corpus.Token(cursor->position));
      case kText: {
        const std::string text = static_cast<Table*>(base->pVtab)->source->tokens.Text(corpus.Token(cursor->position));
        return sqlite3_result_text64(context, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
      }
      default:
        if (cursor->position + 1 == cursor->positions.end) return sqlite3_result_null(context);
        return sqlite3_result_int64(context, corpus.Token(cursor->position + 1));
    }
  });
}

int RowId(sqlite3_vtab_cursor* base, sqlite3_int64* row_id) {
  *row_id = static_cast<sqlite3_int64>(static_cast<const Cursor*>(base)->position);
  return SQLITE_OK;
}

// Without xCreate the table is there under the module's name.
constexpr sqlite3_module MakeModule() {
  sqlite3_module module{};
  module.xConnect = Connect;
  module.xBestIndex = BestIndex;
  module.xDisconnect = Disconnect;
  module.xOpen = Open;
  module.xClose = Close;
  module.xFilter = Filter;
  module.xNext = Next;
  module.xEof = AtEnd;
  module.xColumn = ColumnOf;
  module.xRowid = RowId;
  return module;
}

constexpr sqlite3_module kModule = MakeModule();

}  // namespace

void AddCorpusTokensTable(sqlite3* connection, OpenCorpusTokens corpus, const TokenTable& tokens) {
  // SQLite calls the destructor, also when it fails.
  const int status =
      sqlite3_create_module_v2(connection, "actkin_tokens", &kModule, new Source{std::move(corpus), tokens},
                               [](void* data) { delete static_cast<Source*>(data); });
  if (status != SQLITE_OK) Fail("the table actkin_tokens cannot be made: {}", sqlite3_errmsg(connection));
}

}  // namespace actkin
