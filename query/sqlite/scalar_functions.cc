#include "query/sqlite/scalar_functions.h"

#include <exception>
#include <new>

#include "query/exact/exact_distance.h"
#include "query/reader/prompt_input.h"
#include "query/sqlite/table_functions/sql_value.h"
#include "schema/error.h"
#include "schema/text.h"
#include "schema/token_ids.h"

namespace actkin {
namespace {

template <typename Action>
void Guard(sqlite3_context* context, const Action& action) {
  try {
    action();
  } catch (const std::bad_alloc&) {
    sqlite3_result_error_nomem(context);
  } catch (const std::exception& error) {
    sqlite3_result_error(context, ErrorLine(error).c_str(), -1);
  }
}

// A site that was not built is computed by the model: there are no others than the model's blocks.
void RequireBlock(IndexReader& reader, const Site& site) {
  if (site.stream == Stream::kEmbedding || reader.catalog().FindSite(site)) return;
  const std::int64_t blocks = reader.Forward().shape().blocks;
  if (site.block < 0 || site.block >= blocks) {
    FailUsage("block {}: the model has blocks 0-{}", site.block, blocks - 1);
  }
}

void VectorFunction(sqlite3_context* context, int count, sqlite3_value** values) {
  Guard(context, [&] {
    const std::int64_t string_id = IntegerValue(values[0], "string_id");
    Site site;
    const StreamName name = ParseStreamName(TextValue(values[1], "stream"));
    site.stream = name.stream;
    const int block = *BlockOf(name, SmallIntegerValue(values[2], "block"));
    site.block = site.stream == Stream::kEmbedding ? 0 : block;
    const std::string catalog = count > 3 ? TextValue(values[3], "catalog") : "main";

    auto& catalogs = **static_cast<std::shared_ptr<AttachedCatalogs>*>(sqlite3_user_data(context));
    const CatalogSnapshot snapshot = catalogs.Open(catalog);
    IndexReader& reader = snapshot.reader();
    if (string_id < 0) {
      FailUsage("string_id {}: this index has strings 1 to {}", string_id, reader.LastStringId());
    }
    const Prompt prompt = reader.PromptOf(static_cast<StringId>(string_id));
    site.t_i = static_cast<int>(prompt.tokens.size()) - 1;
    RequireBlock(reader, site);
    ReturnVector(context, reader.QueryVector(prompt, site));
  });
}

void VectorAtFunction(sqlite3_context* context, int count, sqlite3_value** values) {
  Guard(context, [&] {
    if (sqlite3_value_type(values[0]) == SQLITE_NULL) return;  // a row over strings has no position
    const std::int64_t position = IntegerValue(values[0], "position");
    const StreamName name = ParseStreamName(TextValue(values[1], "stream"));
    NeighborQuery query;
    query.stream = name.stream;
    query.block = BlockOf(name, SmallIntegerValue(values[2], "block"));
    query.rows = RowKind::kPositions;
    const std::string catalog = count > 3 ? TextValue(values[3], "catalog") : "main";
    auto& catalogs = **static_cast<std::shared_ptr<AttachedCatalogs>*>(sqlite3_user_data(context));
    const CatalogSnapshot snapshot = catalogs.Open(catalog);
    IndexReader& reader = snapshot.reader();
    reader.RequirePosition(position);
    ReturnVector(context, reader.VectorAt(static_cast<std::uint64_t>(position), reader.ResolveSite(query, 0)));
  });
}

void IdsFunction(sqlite3_context* context, int count, sqlite3_value** values) {
  Guard(context, [&] {
    if (sqlite3_value_type(values[0]) == SQLITE_NULL) return;  // as the prompt that it would be: none
    const std::vector<TokenId> tokens = ParseTokenIds(TextValue(values[0], "ids"), "ids");
    const std::string catalog = count > 1 ? TextValue(values[1], "catalog") : "main";
    auto& catalogs = **static_cast<std::shared_ptr<AttachedCatalogs>*>(sqlite3_user_data(context));
    const CatalogSnapshot snapshot = catalogs.Open(catalog);
    const Prompt prompt = snapshot.reader().Encode(tokens);
    const std::string bytes = EncodeTokenIds(prompt.tokens, snapshot.reader().catalog().TokenIdWidth());
    sqlite3_result_blob64(context, bytes.data(), bytes.size(), SQLITE_TRANSIENT);
  });
}

void OccurrencesFunction(sqlite3_context* context, int count, sqlite3_value** values) {
  Guard(context, [&] {
    if (sqlite3_value_type(values[0]) == SQLITE_NULL) return;  // as the prefix that it would be: none
    const std::string catalog = count > 1 ? TextValue(values[1], "catalog") : "main";
    auto& catalogs = **static_cast<std::shared_ptr<AttachedCatalogs>*>(sqlite3_user_data(context));
    const CatalogSnapshot snapshot = catalogs.Open(catalog);
    IndexReader& reader = snapshot.reader();
    const std::vector<TokenId> prefix = sqlite3_value_type(values[0]) == SQLITE_BLOB
                                            ? reader.EncodePrefixBytes(BlobValue(values[0], "prefix"))
                                            : reader.EncodePrefix(TextValue(values[0], "prefix"));
    sqlite3_result_int64(context, static_cast<sqlite3_int64>(reader.Occurrences(prefix)));
  });
}

std::uint64_t TokensValue(sqlite3_value* value, const char* name) {
  const std::int64_t tokens = IntegerValue(value, name);
  if (tokens < 0) FailUsage("{} {}: expected a number of tokens, at least 0", name, tokens);
  return static_cast<std::uint64_t>(tokens);
}

void ContextFunction(sqlite3_context* context, int count, sqlite3_value** values) {
  Guard(context, [&] {
    if (sqlite3_value_type(values[0]) == SQLITE_NULL) return;  // a row over strings has no position
    const std::int64_t position = IntegerValue(values[0], "position");
    const std::uint64_t before = TokensValue(values[1], "before");
    const std::uint64_t after = TokensValue(values[2], "after");
    const std::string catalog = count > 3 ? TextValue(values[3], "catalog") : "main";
    auto& catalogs = **static_cast<std::shared_ptr<AttachedCatalogs>*>(sqlite3_user_data(context));
    const CatalogSnapshot snapshot = catalogs.Open(catalog);
    IndexReader& reader = snapshot.reader();
    reader.RequirePosition(position);
    ReturnText(context, reader.Context(static_cast<std::uint64_t>(position), before, after));
  });
}

void DistanceFunction(sqlite3_context* context, int, sqlite3_value** values) {
  Guard(context, [&] {
    const std::vector<float> a = VectorValue(values[0], "a");
    const std::vector<float> b = VectorValue(values[1], "b");
    const Metric metric = ParseMetric(TextValue(values[2], "metric"));
    if (metric == Metric::kCenteredCosine) {
      FailUsage("metric {}: two vectors have no site, and so no mean that could be taken from them",
                Quote(Name(metric)));
    }
    if (a.size() != b.size()) {
      FailUsage("a has {} numbers, b has {}: only vectors of one dimension have a distance", a.size(), b.size());
    }
    const std::vector<double> query(b.begin(), b.end());
    sqlite3_result_double(context,
                          DistanceOf(metric, ExactDistance(metric, SumExactly(metric, a, query), SquaredNorm(query))));
  });
}

void RowsReadFunction(sqlite3_context* context, int, sqlite3_value**) {
  auto& catalogs = **static_cast<std::shared_ptr<AttachedCatalogs>*>(sqlite3_user_data(context));
  sqlite3_result_int64(context, static_cast<sqlite3_int64>(catalogs.cost().rows_read.load()));
}

void VersionFunction(sqlite3_context* context, int, sqlite3_value**) { ReturnText(context, ACTKIN_VERSION); }

}  // namespace

int RegisterScalarFunctions(sqlite3* connection, const std::shared_ptr<AttachedCatalogs>& catalogs) {
  // Views and triggers may call all of them, whoever made them: they read the files of the catalog that they are asked
  // of, and nothing else.
  constexpr int kReading = SQLITE_UTF8 | SQLITE_INNOCUOUS;
  constexpr int kPure = kReading | SQLITE_DETERMINISTIC;
  const auto register_reading = [&](const char* name, int count,
                                    void (*function)(sqlite3_context*, int, sqlite3_value**)) {
    // SQLite calls the destructor, also when it fails.
    return sqlite3_create_function_v2(connection, name, count, kReading,
                                      new std::shared_ptr<AttachedCatalogs>(catalogs), function, nullptr, nullptr,
                                      [](void* data) { delete static_cast<std::shared_ptr<AttachedCatalogs>*>(data); });
  };
  for (const int count : {3, 4}) {
    if (const int status = register_reading("actkin_vector", count, VectorFunction); status != SQLITE_OK) return status;
    if (const int status = register_reading("actkin_vector_at", count, VectorAtFunction); status != SQLITE_OK) {
      return status;
    }
    if (const int status = register_reading("actkin_context", count, ContextFunction); status != SQLITE_OK)
      return status;
  }
  for (const int count : {1, 2}) {
    if (const int status = register_reading("actkin_ids", count, IdsFunction); status != SQLITE_OK) return status;
    const int status = register_reading("actkin_occurrences", count, OccurrencesFunction);
    if (status != SQLITE_OK) return status;
  }
  if (const int status = register_reading("actkin_rows_read", 0, RowsReadFunction); status != SQLITE_OK) return status;
  const int status = sqlite3_create_function_v2(connection, "actkin_distance", 3, kPure, nullptr, DistanceFunction,
                                                nullptr, nullptr, nullptr);
  if (status != SQLITE_OK) return status;
  return sqlite3_create_function_v2(connection, "actkin_version", 0, kPure, nullptr, VersionFunction, nullptr, nullptr,
                                    nullptr);
}

}  // namespace actkin
