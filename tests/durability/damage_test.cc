// Whatever is damaged in an index directory, verify names it, and build makes just that again.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <fstream>
#include <functional>
#include <map>
#include <random>
#include <set>

#include "schema/error.h"
#include "storage/catalog/catalog.h"
#include "storage/catalog/content_checksum.h"
#include "storage/directory/directory_files.h"
#include "storage/directory/verify.h"
#include "storage/machine/file.h"
#include "tests/silent_progress.h"
#include "tests/temporary_folder.h"
#include "tests/tools/command/made_model.h"
#include "tests/tools/command/run_command.h"

namespace actkin {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// An index with every kind of file: large enough for sketches, with a graph, an index that FAISS wrote, and
// experiments.
class DamageTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TemporaryFolder>();
    std::mt19937 generator(6);
    const std::vector<std::string> characters{"a", "b", "c", "d", " ", "\n", "\u00e4"};
    std::string text;
    for (int i = 0; i < 5200; ++i) text += characters[generator() % characters.size()];
    corpus_ = folder_->Write("corpus.txt", text);
    model_ = folder_->Write("model.safetensors", SerializeSafetensors(MadeModel()));
    made_ = *folder_ / "made.actkin";
    index_ = made_;
    Succeed(Build({"--model", model_}));
    // 4680 of 5200 positions.
    Succeed(
        Build({"--positions", "--blocks", "1", "--window", "8", "--stride", "3", "--sample", "0.9", "--seed", "4"}));
    Succeed(AddIndices({"HNSW8", "l2"}));
    Succeed(AddIndices({"IVF2,Flat", "cosine"}));
    Evaluate();
    undamaged_ = Contents();
    std::set<std::string> kinds;
    for (const auto& [name, bytes] : undamaged_) kinds.insert(fs::path(name).extension());
    ASSERT_EQ(kinds, (std::set<std::string>{".codes", ".faiss", ".graph", ".sketches", ".neighbors", ".positions",
                                            ".predictions", ".rows", ".safetensors", ".suffixes", ".tokens", ".totals",
                                            ".vectors"}));
    ASSERT_THAT(Damaged(), testing::IsEmpty());
  }
  static void TearDownTestSuite() { folder_.reset(); }
  // Each test damages a copy of its own.
  void SetUp() override {
    index_ = *folder_ / "copy.actkin";
    fs::remove_all(index_);
    fs::copy(made_, index_, fs::copy_options::recursive);
  }

  static void Succeed(const CommandResult& result) { ASSERT_EQ(result.status, 0) << result.err; }
  static CommandResult Build(const std::vector<std::string>& more) {
    std::vector<std::string> arguments{"build", corpus_,     "--out",          index_,      "--length",
                                       "6",     "--streams", "embedding,ffwd", "--threads", "1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return RunCommand(arguments);
  }
  static CommandResult AddIndices(const std::pair<std::string, std::string>& name_and_metric) {
    return RunCommand({"index", index_, "--add", name_and_metric.first, "--metric", name_and_metric.second, "--block",
                       "1", "--threads", "1"});
  }
  static void Evaluate() {
    Succeed(RunCommand({"evaluate", index_, "--sample", "30", "-k", "4", "--scheme", "last_ffwd_only"}));
    Succeed(RunCommand({"evaluate", index_, "--sample", "30", "--within", ":1", "--scheme", "last_ffwd_only"}));
  }

  // Every file but the catalog and the lock.
  static std::map<std::string, std::string> Contents() {
    std::map<std::string, std::string> contents;
    for (const auto& entry : fs::recursive_directory_iterator(index_)) {
      const std::string name = fs::relative(entry.path(), index_);
      if (entry.is_regular_file() && name != "catalog.db" && name != "build.lock")
        contents[name] = ReadFile(entry.path());
    }
    return contents;
  }
  static fs::path Path(const std::string& name) { return fs::path(index_) / name; }
  static void Write(const std::string& name, const std::string& bytes) {
    std::ofstream(Path(name), std::ios::binary) << bytes;
  }

  // What verify finds to be damaged, by name, with its line.
  static std::map<std::string, std::string> Damaged(VerifyDepth depth = VerifyDepth::kEveryByte) {
    std::map<std::string, std::string> damaged;
    SilentProgress silent;
    try {
      Verify(
          IndexDirectory(index_), depth,
          [&](const Finding& finding) {
            if (finding.kind == Finding::Kind::kDamaged) damaged[finding.what] = finding.line;
          },
          silent);
    } catch (const Error& error) {
      damaged["catalog.db"] = error.what();
    }
    return damaged;
  }
  static void ExpectFound(const std::string& name, const std::string& what) { ExpectFound(std::set{name}, what); }
  // These, and nothing else.
  static void ExpectFound(const std::set<std::string>& names, const std::string& what) {
    const auto damaged = Damaged();
    std::set<std::string> found;
    for (const auto& [name, line] : damaged) {
      found.insert(name);
      EXPECT_THAT(line, HasSubstr(fs::path(name).filename().string())) << what;
      EXPECT_EQ(std::ranges::count(line, '\n'), 0) << line;
    }
    ASSERT_THAT(found, testing::ContainerEq(names)) << what;
  }

  static inline std::unique_ptr<TemporaryFolder> folder_;
  static inline std::string corpus_;
  static inline std::string model_;
  static inline std::string made_;
  static inline std::string index_;  // the copy
  static inline std::map<std::string, std::string> undamaged_;
};

TEST_F(DamageTest, AFlippedBitInAnyByteOfAnyFileIsFound) {
  std::mt19937 generator(1);
  const auto flip = [&](const std::string& name, std::size_t offset) {
    std::string damaged = undamaged_.at(name);
    damaged[offset] = static_cast<char>(damaged[offset] ^ (1 << generator() % 8));
    Write(name, damaged);
  };
  for (const auto& [name, bytes] : undamaged_) {
    for (const std::size_t offset : {std::size_t{0}, generator() % bytes.size(), bytes.size() - 1}) {
      flip(name, offset);
      ExpectFound(name, fmt::format("byte {}", offset));
    }
    Write(name, bytes);
  }
  // In all files at once. The header's fields, its padding, its checksum; then anywhere.
  std::vector<std::size_t> offsets{9, 13, 17, 40, 81, 95, 150, 177, 1000, 4087, 4089};
  offsets.resize(offsets.size() + 12, std::string::npos);
  for (const std::size_t offset : offsets) {
    std::set<std::string> names;
    for (const auto& [name, bytes] : undamaged_) {
      if (offset != std::string::npos && offset >= bytes.size()) continue;
      flip(name, offset == std::string::npos ? generator() % bytes.size() : offset);
      names.insert(name);
    }
    ExpectFound(names, fmt::format("byte {} of each", offset));
    for (const std::string& name : names) Write(name, undamaged_.at(name));
  }
  EXPECT_THAT(Damaged(), testing::IsEmpty());
}

TEST_F(DamageTest, AFileThatIsCutLongerEmptyGoneOrNoFileIsFound) {
  using Damage = std::function<void(const fs::path& file, const std::string& bytes)>;
  const auto other = [](const auto& of) -> Damage {
    return [of](const fs::path& file, const std::string& bytes) { ReplaceFile(file, of(bytes)); };
  };
  const std::vector<std::pair<std::string, Damage>> damages{
      {"without its last byte", other([](const std::string& bytes) { return bytes.substr(0, bytes.size() - 1); })},
      {"half of it", other([](const std::string& bytes) { return bytes.substr(0, bytes.size() / 2); })},
      {"100 bytes", other([](const std::string& bytes) { return bytes.substr(0, 100); })},
      {"empty", other([](const std::string&) { return std::string(); })},
      {"longer", other([](const std::string& bytes) { return bytes + '\0'; })},
      {"gone", [](const fs::path& file, const std::string&) { fs::remove(file); }},
      {"a folder",
       [](const fs::path& file, const std::string&) {
         fs::remove(file);
         fs::create_directory(file);
       }},
      {"a pipe that nobody writes to",
       [](const fs::path& file, const std::string&) {
         fs::remove(file);
         ASSERT_EQ(::mkfifo(file.c_str(), 0600), 0);
       }},
      {"a link to itself",
       [](const fs::path& file, const std::string&) {
         fs::remove(file);
         fs::create_symlink(file.filename(), file);
       }},
  };
  const auto restore = [&](const std::string& name) {
    fs::remove(Path(name));
    Write(name, undamaged_.at(name));
  };
  // Each file alone in one way, in turn; then all files in each.
  std::size_t way = 0;
  std::set<std::string> all;
  for (const auto& [name, bytes] : undamaged_) {
    const auto& [what, damage] = damages[way++ % damages.size()];
    damage(Path(name), bytes);
    ExpectFound(name, what);
    restore(name);
    all.insert(name);
  }
  for (const auto& [what, damage] : damages) {
    for (const auto& [name, bytes] : undamaged_) damage(Path(name), bytes);
    ExpectFound(all, what);
    std::ranges::for_each(all, restore);
  }
  EXPECT_THAT(Damaged(), testing::IsEmpty());
}

TEST_F(DamageTest, TwoFilesInEachOthersPlaceAreFound) {
  for (auto file = undamaged_.begin(); std::next(file) != undamaged_.end(); ++file) {
    const auto other = std::next(file);
    Write(file->first, other->second);
    Write(other->first, file->second);
    const auto damaged = Damaged();
    EXPECT_TRUE(damaged.contains(file->first) && damaged.contains(other->first)) << file->first << " " << other->first;
    // Opening finds it too.
    EXPECT_EQ(Damaged(VerifyDepth::kHeaders).size(), 2U) << file->first << " " << other->first;
    Write(file->first, file->second);
    Write(other->first, other->second);
  }
}

// Each is found even where the catalog's own checksum was made to agree.
TEST_F(DamageTest, ARowOfTheCatalogThatContradictsAFileIsFound) {
  const std::string catalog = ReadFile(Path("catalog.db"));
  const std::vector<std::pair<std::string, std::string>> changes{
      {"corpus", "characters = characters + 1"},
      {"corpus", "string_length = 5"},
      {"model", "sha256 = 'ab' || substr(sha256, 3)"},
      {"model", "embed = 13"},
      {"model", "file = '../model.safetensors'"},
      {"string_length", "row_count = row_count - 1 WHERE length = 6"},
      {"string_length", "first_string_id = 2 WHERE length = 1"},
      {"string", "occurrences = occurrences + 1 WHERE string_id = 9"},
      {"string", "length = 3 WHERE string_id = 9"},
      {"next_token", "count = count + 1 WHERE string_id = 9"},
      {"row_order", "checksum = '0123456789abcdef' WHERE t_i = 5"},
      {"row_order", "bytes = bytes + 1 WHERE t_i = 5"},
      {"row_order", "file = 'sites/t4.rows' WHERE t_i = 5"},
      {"site", "row_count = row_count - 1 WHERE stream = 'ffwd' AND block = 1"},
      {"site", "dimension = 13 WHERE stream = 'ffwd' AND block = 1"},
      {"site", "element = 'float16' WHERE stream = 'ffwd' AND block = 1"},
      {"site", "stream = 'feed' WHERE stream = 'ffwd' AND block = 1"},
      {"site", "row_count = row_count - 1 WHERE rows = 'positions' AND block = 1"},
      {"site", "position_set_id = 7 WHERE rows = 'positions' AND block = 1"},
      {"position_set", "row_count = row_count - 1"},
      {"position_set", "checksum = 'none'"},
      {"position_set", "file = NULL"},
      {"vector_file", "bytes = bytes - 1 WHERE site_id = (SELECT min(site_id) FROM vector_file)"},
      {"vector_file", "first_row = 1 WHERE site_id = (SELECT min(site_id) FROM vector_file)"},
      {"vector_file", "file = 'sites/nothing' WHERE site_id = (SELECT min(site_id) FROM vector_file)"},
      {"site_index", "checksum = 'none' WHERE name = 'HNSW8'"},
      {"site_index", "metric = 'cosine' WHERE name = 'HNSW8'"},
      {"site_index", "name = 'other' WHERE file LIKE '%.sketches'"},
      {"saved_neighbors", "k = 5"},
      {"saved_neighbors", "checksum = 'none'"},
      {"saved_predictions", "bytes = 0"},
      {"saved_band_totals", "file = '/etc/passwd'"},
      {"prompt", "text = 'abbaab' WHERE number = 3"},
      {"prompt_set", "prompt_count = 29"},
      {"evaluation", "samples = 31"},
      {"evaluation_top_n", "in_order = 1.5"},
  };
  for (const auto& [table, change] : changes) {
    for (const bool agrees : {false, true}) {
      SqliteConnection connection(Path("catalog.db"), SqliteConnection::Mode::kWrite);
      connection.Execute(fmt::format("UPDATE {} SET {}", table, change));
      ASSERT_GT(sqlite3_total_changes(connection.handle()), 0) << table << " " << change;
      if (agrees) SaveContentChecksum(connection.handle(), table, ContentChecksum(connection.handle(), table));
      const auto damaged = Damaged();
      EXPECT_FALSE(damaged.empty()) << table << " SET " << change;
      EXPECT_EQ(damaged.contains("catalog.db: " + table), !agrees) << table << " SET " << change;
      Write("catalog.db", catalog);
    }
  }
  // What no file knows: the catalog's own checksums find it.
  for (const char* change :
       {"UPDATE token SET text = 'x' WHERE text = 'a'", "UPDATE corpus SET name = 'other.txt'",
        "UPDATE site_index SET build_seconds = 1e9", "DELETE FROM content_checksum WHERE name = 'token'",
        "UPDATE evaluation SET hellinger_mean = 0.25", "DELETE FROM evaluation_top_n WHERE n = 10",
        "DROP VIEW scheme_weight", "UPDATE token SET text = CAST(text AS BLOB) WHERE text = 'a'",
        "UPDATE model SET file = CAST(file AS BLOB)", "UPDATE document SET name = 'other.txt'",
        "UPDATE tokenizer SET bytes = 5",
        "UPDATE content_checksum SET checksum = CAST(checksum AS BLOB) WHERE name = 'token'"}) {
    SqliteConnection(Path("catalog.db"), SqliteConnection::Mode::kWrite).Execute(change);
    EXPECT_THAT(Damaged(), testing::SizeIs(1)) << change;
    Write("catalog.db", catalog);
  }
  EXPECT_THAT(Damaged(), testing::IsEmpty());
}

// Of the catalog's bytes, those that hold nothing (free room in pages, counters of SQLite's) may change: then every row
// still reads as it was written.
TEST_F(DamageTest, AFlippedBitInTheCatalogIsFoundOrChangesNothing) {
  const std::string catalog = ReadFile(Path("catalog.db"));
  const auto rows = [] {
    std::map<std::string, std::string> contents;
    SqliteConnection connection(Path("catalog.db"), SqliteConnection::Mode::kRead);
    for (const std::string& table : CheckedTables()) {
      SqliteStatement statement(connection.handle(), fmt::format("SELECT * FROM \"{}\"", table));
      while (statement.Step()) {
        for (int column = 0; column < statement.ColumnCount(); ++column) {
          contents[table] += fmt::format("{} {}\n", statement.Type(column), statement.Text(column));
        }
      }
    }
    return contents;
  };
  const auto expected = rows();
  std::mt19937 generator(2);
  std::vector<std::size_t> offsets;
  for (std::size_t offset = 0; offset < 100; offset += 3) offsets.push_back(offset);
  for (int i = 0; i < 150; ++i) offsets.push_back(generator() % catalog.size());
  std::fstream file(Path("catalog.db"), std::ios::binary | std::ios::in | std::ios::out);
  int found = 0;
  for (const std::size_t offset : offsets) {
    const auto put = [&](char byte) {
      file.seekp(static_cast<std::streamoff>(offset));
      file.put(byte);
      file.flush();
    };
    put(static_cast<char>(catalog[offset] ^ (1 << generator() % 8)));
    const auto damaged = Damaged();
    if (damaged.empty()) {
      EXPECT_EQ(rows(), expected) << "byte " << offset;
    } else {
      ++found;
      EXPECT_THAT(damaged.begin()->first, HasSubstr("catalog.db")) << "byte " << offset;
    }
    put(catalog[offset]);
  }
  EXPECT_GT(found, 100);
  EXPECT_THAT(Damaged(), testing::IsEmpty());
}

TEST_F(DamageTest, BuildMakesJustTheDamagedFileAgain) {
  const auto expect_the_rest_untouched = [](const std::string& name,
                                            const std::map<std::string, fs::file_time_type>& times) {
    for (const auto& [other, time] : times) {
      if (other == name) continue;
      EXPECT_EQ(fs::last_write_time(Path(other)), time) << other << " when repairing " << name;
    }
  };
  for (const auto& [name, bytes] : undamaged_) {
    const bool approximate = name.ends_with(".graph") || name.ends_with(".faiss");
    const bool experiment = name.starts_with("experiments/");
    const bool sketches_or_rows = name.ends_with(".sketches") || name.ends_with(".vectors");
    std::map<std::string, fs::file_time_type> times;
    for (const auto& [other, unused] : undamaged_) times[other] = fs::last_write_time(Path(other));
    for (const bool gone : {false, true}) {
      if (gone) {
        fs::remove(Path(name));
      } else {
        std::string damaged = bytes;
        damaged[bytes.size() - 2] ^= 4;
        Write(name, damaged);
      }
      // What is missing is found by any build; a byte by one that reads them all.
      std::vector<std::string> flags;
      if (!gone) flags.emplace_back("--repair");
      if (name == "model.safetensors") flags.insert(flags.end(), {"--model", model_});
      const CommandResult built = Build(flags);
      EXPECT_EQ(built.status, 0) << name << built.err;
      EXPECT_THAT(built.err, HasSubstr("damaged: ")) << name;
      EXPECT_THAT(built.err, HasSubstr(fs::path(name).filename().string()));
      EXPECT_THAT(built.out, HasSubstr(", 1 were damaged")) << name;
      if (approximate) {
        Succeed(AddIndices(name.ends_with(".graph") ? std::pair{"HNSW8", "l2"} : std::pair{"IVF2,Flat", "cosine"}));
      }
      if (experiment) Evaluate();
      EXPECT_THAT(Damaged(), testing::IsEmpty()) << name;
      EXPECT_TRUE(ReadFile(Path(name)) == bytes) << name;
      EXPECT_TRUE(fs::is_empty(Path("partial"))) << name;
      if (!experiment) expect_the_rest_untouched(name, times);
      if (sketches_or_rows) {
        EXPECT_EQ(RunCommand({"query", index_, "abba c"}).status, 0);
      }
    }
  }
  EXPECT_TRUE(Contents() == undamaged_);
}

TEST_F(DamageTest, TheListingHasEveryFileOnceWithItsBytes) {
  const auto connection = OpenCatalog(IndexDirectory(index_));
  Catalog catalog(connection->handle());
  std::set<std::string> listed;
  for (const DirectoryFile& file : ListFiles(catalog)) {
    EXPECT_TRUE(listed.insert(file.file.file).second) << file.file.file;
    EXPECT_FALSE(file.Owner().empty());
    ASSERT_TRUE(undamaged_.contains(file.file.file)) << file.file.file;
    if (file.kind == DirectoryFile::Kind::kModel) continue;
    EXPECT_EQ(undamaged_.at(file.file.file).size(), file.file.bytes) << file.file.file;
  }
  EXPECT_EQ(listed.size(), undamaged_.size());
}

// Which sites were computed together is in the catalog: rows of each capture come out as they were.
TEST_F(DamageTest, RowsAreComputedBesideThoseOfTheirCapture) {
  const auto add = [](const std::string& t_is, const std::string& block) {
    Succeed(RunCommand({"build", corpus_, "--out", index_, "--length", "6", "--t-i", t_is, "--streams", "proj,ffwd",
                        "--blocks", block}));
  };
  add("3", "0");
  add("3,4", "1");
  const auto whole = Contents();
  std::set<std::int64_t> captures;
  {
    const auto connection = OpenCatalog(IndexDirectory(index_));
    for (const SiteRow& site : Catalog(connection->handle()).Sites()) {
      if (site.capture_id) captures.insert(*site.capture_id);
      EXPECT_EQ(site.capture_id.has_value(), !site.site.of_codes());
    }
  }
  EXPECT_EQ(captures.size(), 4);
  for (const auto& [name, bytes] : whole) {
    if (name.ends_with(".vectors")) Write(name, bytes.substr(0, bytes.size() - 9));
  }
  const CommandResult built = Build({});
  EXPECT_EQ(built.status, 0) << built.err;
  EXPECT_THAT(built.err, testing::Not(HasSubstr("last digits")));
  EXPECT_TRUE(Contents() == whole);
}

TEST_F(DamageTest, ADamagedFileIsRefusedByNameAndTheRestAnswers) {
  const std::vector<std::string> first{"query", index_, "abba c", "--block", "0"};
  const std::vector<std::string> second{"query", index_, "abba c", "--block", "1"};
  const std::string answer = RunCommand(first).out;
  for (const std::string name : {"sites/ffwd-b1-t5.sketches", "sites/ffwd-b1-t5.vectors"}) {
    fs::resize_file(Path(name), 5000);
    const CommandResult refused = RunCommand(second);
    EXPECT_EQ(refused.status, 1);
    EXPECT_THAT(refused.err, HasSubstr(name));
    EXPECT_EQ(RunCommand(first).out, answer);
    Write(name, undamaged_.at(name));
  }
  const std::string graph = "sites/ffwd-b1-t5.l2.HNSW8.graph";
  fs::resize_file(Path(graph), 5000);
  std::vector<std::string> approximate = second;
  approximate.insert(approximate.end(), {"--index", "HNSW8"});
  EXPECT_THAT(RunCommand(approximate).err, HasSubstr(graph));
  EXPECT_EQ(RunCommand(second).status, 0);
  Write(graph, undamaged_.at(graph));
  // FAISS's own reader gets no byte that is not the catalog's.
  for (const auto& [name, bytes] : undamaged_) {
    if (!name.ends_with(".faiss")) continue;
    std::string damaged = bytes;
    damaged[damaged.size() / 2] ^= 1;
    Write(name, damaged);
    std::vector<std::string> by_faiss = second;
    by_faiss.insert(by_faiss.end(), {"--index", "IVF2,Flat", "--metric", "cosine"});
    if (name.find("positions") != std::string::npos) by_faiss.emplace_back("--positions");
    const CommandResult refused = RunCommand(by_faiss);
    EXPECT_EQ(refused.status, 1);
    EXPECT_THAT(refused.err, HasSubstr(name));
    Write(name, bytes);
  }
}

TEST_F(DamageTest, ADamagedCatalogEndsCommandsInOneLine) {
  const std::string catalog = ReadFile(Path("catalog.db"));
  const std::vector<std::string> query{"query", index_, "abba c"};
  const std::vector<std::string> similar{"similar", index_, "abba c"};
  const std::vector<std::string> predict{"predict", index_, "abba c", "--scheme", "last_ffwd_only"};
  const std::vector<std::pair<std::string, std::vector<std::vector<std::string>>>> damages{
      {"DELETE FROM string_length",
       {query,
        similar,
        {"info", index_},
        {"evaluate", index_, "--sample", "10"},
        {"learn", index_, "--sample", "10"},
        {"tune", index_, "--sample", "10"}}},
      {"UPDATE model SET blocks = 2147483648",
       {{"evaluate", index_, "--sample", "10"}, {"learn", index_, "--sample", "10"}}},
      {"UPDATE corpus SET string_length = 'x'", {query, {"learn", index_, "--sample", "10"}}},
      {"UPDATE OR REPLACE next_token SET token_id = -1", {query, predict}},
      {"UPDATE OR REPLACE next_token SET token_id = 4000", {query, predict}},
      {"UPDATE OR REPLACE next_token SET token_id = 4294967296", {query, predict}},
  };
  for (const auto& [change, commands] : damages) {
    SqliteConnection(Path("catalog.db"), SqliteConnection::Mode::kWrite).Execute(change);
    for (const std::vector<std::string>& command : commands) {
      const CommandResult refused = RunCommand(command);
      EXPECT_EQ(refused.status, 1) << command[0] << " after " << change;
      EXPECT_THAT(refused.err, HasSubstr("damaged")) << command[0] << " after " << change;
      EXPECT_EQ(std::ranges::count(refused.err, '\n'), 1) << refused.err;
    }
    Write("catalog.db", catalog);
  }
}

TEST_F(DamageTest, ADamagedCatalogIsNotRepaired) {
  const std::string catalog = ReadFile(Path("catalog.db"));
  SqliteConnection(Path("catalog.db"), SqliteConnection::Mode::kWrite)
      .Execute("UPDATE token SET text = 'x' WHERE text = 'a'");
  const CommandResult refused = Build({"--repair"});
  EXPECT_EQ(refused.status, 1);
  Write("catalog.db", catalog);
  SqliteConnection(Path("catalog.db"), SqliteConnection::Mode::kWrite)
      .Execute("UPDATE string SET occurrences = 7 WHERE string_id = 7");
  EXPECT_THAT(Build({"--repair"}).err, HasSubstr("catalog.db: string: "));
  Write("catalog.db", catalog);
}

}  // namespace
}  // namespace actkin
