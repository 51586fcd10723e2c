// Hostile arguments of the SQL functions, on a directory with every kind of index and experiment (make_directory).
#include <sqlite3.h>

#include <array>
#include <filesystem>
#include <limits>

#include "tests/fuzz/fuzz_input.h"

// The extension is linked in.
extern "C" int sqlite3_actkin_init(sqlite3* connection, char** error, const sqlite3_api_routines* api);

namespace actkin {
namespace {

constexpr std::array kStatements{
    "SELECT * FROM actkin_neighbors(?1, ?2, ?3, ?4) WHERE k = ?5",
    "SELECT *, k, metric, sort_order, low FROM actkin_neighbors(?1, ?2, ?3, ?4) WHERE metric = ?5 AND sort_order = ?6 "
    "AND "
    "k = ?7",
    "SELECT *, params FROM actkin_neighbors(?1, ?2, ?3, ?4) WHERE index_name = ?5 AND params = ?6 AND metric = ?7",
    "SELECT * FROM actkin_neighbors(?1, ?2, ?3, ?4) WHERE low = ?5 AND high = ?6 AND metric = ?7 LIMIT 20",
    "SELECT * FROM actkin_neighbors(?1, ?2, ?3, ?4) WHERE distance < ?5 AND distance >= ?6 ORDER BY distance LIMIT ?7 "
    "OFFSET ?8",
    "SELECT * FROM actkin_neighbors(?1, ?2) WHERE catalog = ?3 AND distance = ?4 ORDER BY rank DESC",
    "SELECT * FROM actkin_neighbors_of(?1, ?2, ?3, ?4) WHERE k = ?5 AND metric = ?6",
    "SELECT * FROM actkin_neighbors_of(?1, ?2, ?3, ?4) WHERE sort_order = ?5 AND index_name = ?6 AND params = ?7",
    "SELECT * FROM actkin_neighbors_of(actkin_vector(?1, ?2, ?3), ?2, ?3, ?4) WHERE low = ?5 LIMIT ?6",
    "SELECT * FROM actkin_model(?1) WHERE catalog = ?2 OR ?3",
    "SELECT * FROM actkin_model(?1) ORDER BY probability LIMIT ?2",
    "SELECT *, merge FROM actkin_predict(?1, ?2, ?3) WHERE k = ?4",
    "SELECT * FROM actkin_predict(?1, ?2, ?3) WHERE metric = ?4 AND merge = ?5 AND k = ?6",
    "SELECT * FROM actkin_saved_neighbors(?1, ?2, ?3, ?4)",
    "SELECT * FROM actkin_saved_neighbors(?1, ?2, ?3, ?4) WHERE prompt_number = ?5 AND metric = ?6",
    "SELECT * FROM actkin_saved_neighbors(?1, ?2, ?3, ?4) WHERE prompt = ?5",
    "SELECT * FROM actkin_neighbors(actkin_ids(?1), ?2, ?3, ?4) WHERE k = ?5",
    "SELECT actkin_ids(?1), actkin_ids(?1, ?2)",
    "SELECT actkin_vector(?1, ?2, ?3), actkin_vector(?1, ?2, ?3, ?4), actkin_version()",
    "SELECT actkin_distance(?1, ?2, ?3), actkin_distance(?1, actkin_vector(?4, ?5, ?6), ?3)",
    "SELECT b.text FROM site AS s JOIN actkin_neighbors(?1, s.stream, s.block, s.t_i) AS b WHERE b.k = ?2",
    "SELECT * FROM actkin_next_tokens(?1) WHERE catalog = ?2",
    "SELECT * FROM actkin_next_tokens(?1) WHERE count > ?2",
    "SELECT * FROM actkin_tokens WHERE position BETWEEN ?1 AND ?2 AND document_id >= ?3",
    "SELECT * FROM actkin_tokens WHERE position = ?1 OR document_id = ?2 AND position < ?3",
    "SELECT actkin_occurrences(?1), actkin_context(?2, ?3, ?4)",
};

constexpr std::array kTexts{"ab",
                            "cd",
                            "abcd",
                            " e",
                            "d",
                            "embedding",
                            "proj",
                            "ffwd",
                            "l2",
                            "cosine",
                            "nearest",
                            "farthest",
                            "exact",
                            "HNSW4",
                            "IVF4",
                            "",
                            "main",
                            "temp",
                            "efSearch=8",
                            "efSearch=1,efSearch=2",
                            "nprobe=2",
                            "1",
                            "0-3",
                            "1,3",
                            "sample-8-seed-1337",
                            "both_last",
                            "learned",
                            "prompt_only",
                            "inverse_distance",
                            "last_ffwd_only",
                            "[2,3]",
                            "2,3,4,5"};

constexpr std::array<std::int64_t, 10> kIntegers{
    -1, 0, 1, 3, 1 << 20, 2147483647, -2147483648LL, 2147483648LL, 9223372036854775807LL, -9223372036854775807LL - 1};

constexpr std::array kReals{0.5, 1.0, -1.0, 1e308, -1e308, 1e-320, std::numeric_limits<double>::infinity()};

void BindValue(sqlite3_stmt* statement, int index, FuzzInput& input) {
  const auto kind = input.Take<std::uint8_t>();
  const auto choice = input.Take<std::uint8_t>();
  switch (kind % 10) {
    case 0:
      sqlite3_bind_null(statement, index);
      break;
    case 1:
      sqlite3_bind_int64(statement, index, static_cast<std::int8_t>(choice));
      break;
    case 2:
      sqlite3_bind_int64(statement, index, kIntegers[choice % kIntegers.size()]);
      break;
    case 3:
      sqlite3_bind_double(statement, index, input.Take<double>());
      break;
    case 4:
      sqlite3_bind_double(statement, index, kReals[choice % kReals.size()]);
      break;
    case 5: {
      const std::string_view text = input.TakeText(choice);
      sqlite3_bind_text64(statement, index, text.data() == nullptr ? "" : text.data(), text.size(), SQLITE_TRANSIENT,
                          SQLITE_UTF8);
      break;
    }
    case 6: {
      const auto blob = input.TakeBytes(choice);
      sqlite3_bind_blob64(statement, index, blob.data(), blob.size(), SQLITE_TRANSIENT);
      break;
    }
    case 7: {
      std::array<float, 16> vector{};
      const std::size_t count = 4 * (1 + choice % 4);
      for (std::size_t i = 0; i < count; ++i) vector[i] = static_cast<float>(input.Take<std::int8_t>()) / 16;
      sqlite3_bind_blob64(statement, index, vector.data(), count * sizeof(float), SQLITE_TRANSIENT);
      break;
    }
    default:
      sqlite3_bind_text(statement, index, kTexts[choice % kTexts.size()], -1, SQLITE_STATIC);
  }
}

sqlite3* Connect() {
  sqlite3* connection = nullptr;
  const std::string path = std::string(ACTKIN_FUZZ_DIRECTORY) + "/catalog.db";
  sqlite3_auto_extension(reinterpret_cast<void (*)()>(sqlite3_actkin_init));
  if (sqlite3_open_v2(path.c_str(), &connection, SQLITE_OPEN_READONLY, nullptr) != SQLITE_OK) {
    Wrong(path + ": " + sqlite3_errmsg(connection));
  }
  return connection;
}

// Whatever the row holds, its values can be read.
void ReadRow(sqlite3_stmt* statement) {
  for (int column = 0; column < sqlite3_column_count(statement); ++column) {
    const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement, column));
    Touch(std::span<const char>(bytes, static_cast<std::size_t>(sqlite3_column_bytes(statement, column))));
  }
}

}  // namespace
}  // namespace actkin

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace actkin;
  constexpr int kMostRows = 50;
  static sqlite3* const connection = Connect();
  FuzzInput input(data, size);
  sqlite3_stmt* statement = nullptr;
  const char* sql = kStatements[input.Take<std::uint8_t>() % kStatements.size()];
  if (sqlite3_prepare_v2(connection, sql, -1, &statement, nullptr) != SQLITE_OK) Wrong(sqlite3_errmsg(connection));
  for (int i = 1; i <= sqlite3_bind_parameter_count(statement); ++i) BindValue(statement, i, input);
  int status = SQLITE_ROW;
  for (int row = 0; row < kMostRows && status == SQLITE_ROW; ++row) {
    status = sqlite3_step(statement);
    if (status == SQLITE_ROW) ReadRow(statement);
  }
  const std::string message = sqlite3_errmsg(connection);
  if (status != SQLITE_ROW && status != SQLITE_DONE && status != SQLITE_ERROR && status != SQLITE_MISMATCH) {
    Wrong("status " + std::to_string(status) + ": " + message);
  }
  if (message.find('\n') != std::string::npos) Wrong(message);
  sqlite3_finalize(statement);
  return 0;
}
