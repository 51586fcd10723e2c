#ifndef ACTKIN_STORAGE_CATALOG_SELECT_INTEGERS_H_
#define ACTKIN_STORAGE_CATALOG_SELECT_INTEGERS_H_

#include <sqlite3.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace actkin {

// The integers that somebody's SQL yields, in its order, over a connection of our own that serves nothing else from
// then on: it may read, and nothing more, whatever the text says. `name`: what the text is, for messages.
//
// Throws Error (usage), with SQLite's own message where it has one, unless the text is one SELECT, VALUES or WITH of
// one column, without parameters, each of whose values is an integer. proceed: asked now and then, where it is given;
// once it says false, Error kInterrupted is thrown.
std::vector<std::int64_t> SelectIntegers(sqlite3* connection, const std::string& sql, std::string_view name,
                                         const std::function<bool()>& proceed = {});

}  // namespace actkin

#endif  // ACTKIN_STORAGE_CATALOG_SELECT_INTEGERS_H_
