// Every failure is one line on stderr that names the file, flag or value, exits with 1 or 2, and leaves what a reader
// sees as it was.
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <random>

#include "storage/catalog/build_lock.h"
#include "storage/catalog/sqlite.h"
#include "storage/machine/file.h"
#include "tests/temporary_folder.h"
#include "tests/tools/command/made_model.h"
#include "tests/tools/command/run_command.h"

namespace actkin {
namespace {

using testing::HasSubstr;

class BadInputTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TemporaryFolder>();
    corpus_ = folder_->Write("corpus.txt", MadeCorpus(400));
    model_ = folder_->Write("model.safetensors", SerializeSafetensors(MadeModel()));
    index_ = *folder_ / "made.actkin";
    const CommandResult built = RunCommand({"build", corpus_, "--model", model_, "--out", index_, "--length", "5"});
    ASSERT_EQ(built.status, 0) << built.err;
  }
  static void TearDownTestSuite() { folder_.reset(); }

  template <typename... Parts>
  static void ExpectFailure(const std::vector<std::string>& arguments, int status, const Parts&... parts) {
    const CommandResult result = RunCommand(arguments);
    EXPECT_EQ(result.status, status) << result.err;
    EXPECT_EQ(result.out, "");
    EXPECT_THAT(result.err, testing::AllOf(testing::StartsWith("actkin: "), HasSubstr(parts)...));
    EXPECT_EQ(std::ranges::count(result.err, '\n'), 1) << result.err;
  }

  template <typename... Parts>
  static void ExpectBuildFails(const std::vector<std::string>& more, int status, const Parts&... parts) {
    const std::string out = *folder_ / "never.actkin";
    std::vector<std::string> arguments{"build", "--out", out};
    arguments.insert(arguments.end(), more.begin(), more.end());
    if (std::ranges::find(more, "--length") == more.end()) arguments.insert(arguments.end(), {"--length", "5"});
    ExpectFailure(arguments, status, parts...);
    EXPECT_FALSE(std::filesystem::exists(out)) << "nothing was written";
  }

  static std::string CopyOfIndex(const std::string& name) {
    const std::string copy = *folder_ / name;
    std::filesystem::remove_all(copy);
    std::filesystem::copy(index_, copy, std::filesystem::copy_options::recursive);
    return copy;
  }

  static std::string WriteState(const std::string& name, const StateDict& state) {
    return folder_->Write(name, SerializeSafetensors(state));
  }

  static inline std::unique_ptr<TemporaryFolder> folder_;
  static inline std::string corpus_;
  static inline std::string model_;
  static inline std::string index_;
};

TEST_F(BadInputTest, Corpus) {
  const std::string absent = *folder_ / "absent.txt";
  ExpectBuildFails({absent}, 1, "absent.txt", "No such file");
  std::filesystem::create_directories(*folder_ / "no-texts");
  ExpectBuildFails({*folder_ / "no-texts"}, 1, "no-texts");
  ExpectBuildFails({folder_->Write("empty.txt", "")}, 1, "empty.txt", "the corpus is empty");
  ExpectBuildFails({folder_->Write("short.txt", "abc")}, 1, "3 characters are fewer");
  ExpectBuildFails({folder_->Write("binary",
                                   "\x7f"
                                   "ELF\xff\xfe")},
                   1, "not UTF-8");
  ExpectBuildFails({corpus_, "--length", "0"}, 2, "--length 0");
}

TEST_F(BadInputTest, Checkpoint) {
  ExpectBuildFails({corpus_, "--model", *folder_ / "absent.pt"}, 1, "absent.pt", "no such checkpoint");
  ExpectBuildFails({corpus_, "--model", folder_->path()}, 1, "has no config.json", "or a checkpoint file");
  ExpectBuildFails({corpus_, "--model", folder_->Write("text.pt", "no checkpoint")}, 1, "text.pt");
  const std::string whole = ReadFile(model_);
  ExpectBuildFails({corpus_, "--model", folder_->Write("cut.safetensors", whole.substr(0, whole.size() / 2))}, 1,
                   "cut.safetensors", "tensor");
  StateDict state = MadeModel();
  state.tensors.erase("blocks.1.sa.proj.weight");
  ExpectBuildFails({corpus_, "--model", WriteState("m.safetensors", state)}, 1, "blocks.1.sa.proj.weight is missing");
  state = MadeModel();
  state.tensors["blocks.0.extra"] = {{1}, {0}};
  ExpectBuildFails({corpus_, "--model", WriteState("m.safetensors", state)}, 1, "blocks.0.extra is not part");
  state = MadeModel();
  state.tensors["ln_f.bias"] = {{13}, std::vector<float>(13)};
  ExpectBuildFails({corpus_, "--model", WriteState("m.safetensors", state)}, 1,
                   "ln_f.bias has shape [13], expected [12]");
  state = MadeModel();
  state.tensors["lm_head.bias"].values[3] = std::numeric_limits<float>::quiet_NaN();
  ExpectBuildFails({corpus_, "--model", WriteState("m.safetensors", state)}, 1, "lm_head.bias holds NaN");
}

TEST_F(BadInputTest, Vocabulary) {
  const std::string other = folder_->Write("other.txt", "only a few of the tokens");
  ExpectBuildFails({folder_->Write("few.txt", "abababab"), "--model", model_}, 1, "the model knows 7 tokens", "has 2",
                   "--vocabulary-from");
  ExpectBuildFails({corpus_, "--model", model_, "--vocabulary-from", other}, 1, "knows 7 tokens", "other.txt has");
  StateDict state = MadeModel();
  state.metadata["vocabulary"] = R"(["a","b"])";
  ExpectBuildFails({corpus_, "--model", WriteState("m.safetensors", state)}, 1, "the vocabulary in its metadata has 2");
}

TEST_F(BadInputTest, BuildFlags) {
  ExpectBuildFails({corpus_, "--model", model_, "--t-i", "12"}, 2, "--t-i 12", "from 0 to 4");
  ExpectBuildFails({corpus_, "--model", model_, "--t-i", "x"}, 2, "--t-i", "expected numbers");
  ExpectBuildFails({corpus_, "--model", model_, "--length", "10", "--t-i", "9"}, 2, "--t-i 9", "8 positions");
  ExpectBuildFails({corpus_, "--model", model_, "--blocks", "0-2"}, 2, "--blocks 2", "blocks 0-1");
  ExpectBuildFails({corpus_, "--model", model_, "--streams", "fwd"}, 2, R"("fwd")",
                   "embedding, proj, ffwd or residual");
  ExpectBuildFails({corpus_, "--model", model_, "--rows", "int4"}, 2, R"("int4")", "float32, float16, int8 or none");
  ExpectBuildFails({corpus_, "--colour"}, 2, "--colour", "--help");
  ExpectFailure({"build", corpus_}, 2, "--out");
  ExpectFailure({}, 2, "--help");
  ExpectFailure({"quary"}, 2, "quary");
}

TEST_F(BadInputTest, AnotherCorpusOrModelOnTheSameDirectory) {
  const std::string before = ReadFile(index_ + "/catalog.db");
  const std::string other_corpus = folder_->Write("other_corpus.txt", MadeCorpus(440));
  const std::string other_model = WriteState("other.safetensors", MadeModel(2));
  ExpectFailure({"build", other_corpus, "--model", model_, "--out", index_}, 1, "another corpus", "corpus.txt");
  ExpectFailure({"build", corpus_, "--model", other_model, "--out", index_}, 1, "another checkpoint");
  ExpectFailure({"build", corpus_, "--model", model_, "--out", index_, "--length", "4"}, 1, "--length 5");
  EXPECT_EQ(ReadFile(index_ + "/catalog.db"), before);
}

TEST_F(BadInputTest, AFolderThatIsSomebodyElses) {
  const std::string other = *folder_ / "others";
  std::filesystem::create_directory(other);
  ReplaceFile(other + "/thesis.tex", "mine");
  ExpectFailure({"build", corpus_, "--out", other}, 1, "others", "other things in it");
  ExpectFailure({"build", corpus_, "--out", corpus_}, 1, "corpus.txt", "this is a file");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(other), {}), 1);
}

TEST_F(BadInputTest, Query) {
  ExpectFailure({"query", *folder_ / "absent.actkin", "a"}, 1, "absent.actkin", "no such index directory");
  ExpectFailure({"query", folder_->path(), "a"}, 1, "no catalog.db");
  ExpectFailure({"query", index_}, 2, "no prompt");
  ExpectFailure({"query", index_, ""}, 2, "the prompt is empty");
  ExpectFailure({"query", index_, "abx"}, 2, "\"x\"", "U+0078", "position 2", "7 tokens");
  ExpectFailure({"query", index_, "\xff"}, 2, "not UTF-8");
  ExpectFailure({"query", index_, "abbaabbaa"}, 2, "9 tokens", "8");  // longer than the context
  ExpectFailure({"query", index_, "abba", "--stream", "fwd"}, 2, R"("fwd")");
  ExpectFailure({"query", index_, "abba", "--block", "7"}, 2, "no site ffwd block 7 t_i 4", "blocks 0-1");
  ExpectFailure({"query", index_, "abba", "--t-i", "2"}, 2, "no site ffwd block 1 t_i 2", "t_i 4", "actkin build");
  ExpectFailure({"query", index_, "abba", "--t-i", "99"}, 2, "t_i 99");
  ExpectFailure({"query", index_, "abba", "--stream", "embedding", "--t-i", "4"}, 2, "4 tokens", "t_i 3");
  ExpectFailure({"query", index_, "abba", "-k", "0"}, 2, "-k 0");
  ExpectFailure({"query", index_, "abba", "-k", "1000000"}, 2, "k 1000000", "rows");
  ExpectFailure({"query", index_, "abba", "-k", "-3"}, 2, "-k");
  ExpectFailure({"query", index_, "abba", "-k", "ten"}, 2, "-k");
  ExpectFailure({"query", index_, "abba", "--metric", "euclid"}, 2, R"("euclid")", "l2, cosine, dot");
  ExpectFailure({"query", index_, "abba", "--order", "random"}, 2, R"("random")");
  ExpectFailure({"query", index_, "abba", "--within", "3"}, 2, "--within", "LOW:HIGH");
  ExpectFailure({"query", index_, "abba", "--within", "2:1"}, 2, "--within 2:1");
  ExpectFailure({"query", index_, "abba", "--within", "nan:"}, 2, "--within");
  ExpectFailure({"query", index_, "abba", "--index", "HNSW32"}, 2, "HNSW32", "exact");
  ExpectFailure({"query", index_, "abba", "--param", "efSearch=64"}, 2, "efSearch=64");
  ExpectFailure({"query", index_, "--prompts", *folder_ / "absent.json"}, 1, "absent.json");
  ExpectFailure({"query", index_, "--prompts", folder_->Write("p.json", "[1]")}, 2, "p.json", "expected strings");
  ExpectFailure({"query", index_, "--escapes", "a\\q"}, 2, "an escape is one of");
}

TEST_F(BadInputTest, AnIndexWithoutAModel) {
  const std::string counts = *folder_ / "counts.actkin";
  ASSERT_EQ(RunCommand({"build", corpus_, "--out", counts, "--length", "5"}).status, 0);
  ExpectFailure({"query", counts, "abba"}, 2, "no site", "this index has no ffwd sites");
}

TEST_F(BadInputTest, DamagedDirectories) {
  for (const std::string file : {"sites/t4.rows", "sites/ffwd-b1-t4.vectors", "sites/embedding-t4.codes"}) {
    for (const bool missing : {false, true}) {
      const std::string copy = CopyOfIndex("damaged.actkin");
      const std::string path = copy + "/" + file;
      const std::string bytes = ReadFile(path);
      std::filesystem::remove(path);
      if (!missing) ReplaceFile(path, bytes.substr(0, 5000));
      const std::string stream = file.find("embedding") != std::string::npos ? "embedding" : "ffwd";
      ExpectFailure({"query", copy, "abbac", "--stream", stream}, 1, file);
    }
  }
  std::string copy = CopyOfIndex("damaged.actkin");
  std::filesystem::remove(copy + "/model.safetensors");
  ExpectFailure({"query", copy, "ddddd"}, 1, "model.safetensors");
  EXPECT_EQ(RunCommand({"query", copy, "abba "}).status, 0) << "a prompt of the corpus needs no model";

  copy = CopyOfIndex("damaged.actkin");
  ReplaceFile(copy + "/catalog.db", ReadFile(copy + "/catalog.db").substr(0, 8192));
  EXPECT_EQ(RunCommand({"query", copy, "abba "}).status, 1);

  // Two files that changed places.
  copy = CopyOfIndex("damaged.actkin");
  const std::string a = copy + "/sites/ffwd-b0-t4.vectors";
  const std::string b = copy + "/sites/ffwd-b1-t4.vectors";
  std::filesystem::rename(a, copy + "/x");
  std::filesystem::rename(b, a);
  std::filesystem::rename(copy + "/x", b);
  ExpectFailure({"query", copy, "abba "}, 1, "ffwd-b1-t4.vectors", "not the one that the catalog knows");
  EXPECT_EQ(RunCommand({"verify", copy}).status, 1);
}

TEST_F(BadInputTest, ACatalogThatNamesAFileOutside) {
  const std::string copy = CopyOfIndex("hostile.actkin");
  SqliteConnection connection(copy + "/catalog.db", SqliteConnection::Mode::kWrite);
  connection.Execute("UPDATE vector_file SET file = '../made.actkin/' || file");
  ExpectFailure({"query", copy, "abba "}, 1, "outside the directory");
}

TEST_F(BadInputTest, ANewerCatalog) {
  const std::string copy = CopyOfIndex("newer.actkin");
  SqliteConnection(copy + "/catalog.db", SqliteConnection::Mode::kWrite).Execute("PRAGMA user_version = 99");
  ExpectFailure({"query", copy, "abba "}, 1, "version 99", "newer actkin");
  ExpectFailure({"build", corpus_, "--model", model_, "--out", copy}, 1, "version 99");
}

TEST_F(BadInputTest, AnOlderCatalog) {
  const std::string copy = CopyOfIndex("older.actkin");
  SqliteConnection(copy + "/catalog.db", SqliteConnection::Mode::kWrite).Execute("PRAGMA user_version = 2");
  const std::string anew = "build it anew: actkin build corpus.txt --length";
  ExpectFailure({"query", copy, "abba "}, 1, "version 2", anew);
  ExpectFailure({"verify", copy}, 1, "version 2", anew);
  ExpectFailure({"build", corpus_, "--model", model_, "--out", copy}, 1, "version 2", anew);
}

TEST_F(BadInputTest, Export) {
  ExpectFailure({"export", index_, "--layout", "hdf5", *folder_ / "out"}, 2, "--layout hdf5", "npy");
  ExpectFailure({"export", index_, "--layout", "npy", corpus_}, 1, "corpus.txt");
  ExpectFailure({"export", index_, "--layout", "npy", *folder_ / "out", "--t-i", "2", "--stream", "ffwd"}, 2,
                "no such site is built");
}

TEST_F(BadInputTest, ResultsThatCannotBeWritten) {
  const std::string command = std::string(ACTKIN_COMMAND) + " query " + index_ + " 'abba ' >/dev/full 2>/dev/null";
  EXPECT_EQ(WEXITSTATUS(std::system(command.c_str())), 1);
}

// Where nothing can be said, the work is done all the same.
TEST_F(BadInputTest, AStandardErrorThatCannotBeWritten) {
  const std::string out = *folder_ / "quiet.actkin";
  const std::string build =
      std::string(ACTKIN_COMMAND) + " build " + corpus_ + " --model " + model_ + " --length 5 --out " + out;
  EXPECT_EQ(WEXITSTATUS(std::system((build + " >/dev/null 2>/dev/full").c_str())), 0);
  const std::string query = std::string(ACTKIN_COMMAND) + " query " + folder_->path().string() + "/absent x";
  EXPECT_EQ(WEXITSTATUS(std::system((query + " 2>/dev/full").c_str())), 1);
  EXPECT_EQ(WEXITSTATUS(std::system((query + " 2>&-").c_str())), 1);
}

TEST_F(BadInputTest, NumbersThatWouldWrapAround) {
  ExpectFailure({"evaluate", index_, "--sample", "-1"}, 2, "--sample: -1", "from 0");
  ExpectFailure({"recall", index_, "--index", "HNSW8", "-k", "-1"}, 2, "-k: -1", "from 0");
  ExpectFailure({"evaluate", index_, "--seed", "99999999999999999999"}, 2, "--seed", "from 0");
}

TEST_F(BadInputTest, APipeInTheCatalogsPlace) {
  const std::string pipe = *folder_ / "pipe.actkin";
  std::filesystem::create_directory(pipe);
  ASSERT_EQ(::mkfifo((pipe + "/catalog.db").c_str(), 0600), 0);
  ExpectFailure({"query", pipe, "abba "}, 1, "catalog.db: expected a file");
}

// A second build on the same directory says who holds it.
TEST_F(BadInputTest, TwoBuildsAtOnce) {
  const std::string copy = CopyOfIndex("busy.actkin");
  const BuildLock lock{IndexDirectory(copy)};
  ExpectFailure({"build", corpus_, "--model", model_, "--out", copy}, 1, "busy.actkin", "another build is at work",
                std::to_string(::getpid()));
}

TEST_F(BadInputTest, ADiskThatIsFull) {
  const std::string out = *folder_ / "full.actkin";
  const std::vector<std::string> build{"build", corpus_,    "--model", model_,  "--out",
                                       out,     "--length", "5",       "--t-i", "0-4"};

  const CommandResult refused = RunCommand(build, {"FULL_DISK_FREE=100000"});
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.err, testing::AllOf(HasSubstr("full.actkin: needs"), HasSubstr("0.1 MB are free"),
                                          HasSubstr("--rows float16")));
  EXPECT_FALSE(std::filesystem::exists(out + "/catalog.db"));

  int failures = 0;
  for (int budget = 0; budget < 1'000'000; budget += 60'000) {
    const CommandResult full = RunCommand(build, {"FULL_DISK_WRITES=" + std::to_string(budget)});
    if (full.status == 0) break;
    ++failures;
    EXPECT_EQ(full.status, 1) << budget << full.err;
    EXPECT_THAT(full.err, testing::AllOf(HasSubstr("disk is full"), HasSubstr("it continues")));
    if (std::filesystem::exists(out + "/catalog.db")) {
      const CommandResult verified = RunCommand({"verify", out});
      EXPECT_EQ(verified.status, 0) << "what a reader sees is sound: " << verified.out << verified.err;
    }
  }
  EXPECT_GT(failures, 2);
  const CommandResult continued = RunCommand(build);
  EXPECT_EQ(continued.status, 0) << "the same command continues: " << continued.err;
  const CommandResult verified = RunCommand({"verify", out});
  EXPECT_EQ(verified.status, 0) << verified.out;
}

// A file that would be larger than the shell allows is an error of the write, not the end of the process by a signal.
TEST_F(BadInputTest, ALimitOnTheSizeOfFiles) {
  const std::string out = *folder_ / "limited.actkin";
  const std::vector<std::string> build{"build", corpus_, "--model", model_, "--out", out, "--length", "5"};
  std::vector<std::string> limit{"-c", "ulimit -f 8; exec \"$@\"", "bash", ACTKIN_COMMAND};
  limit.insert(limit.end(), build.begin(), build.end());
  const CommandResult limited = RunProgram("/bin/bash", limit);
  EXPECT_EQ(limited.status, 1) << limited.err;
  EXPECT_THAT(limited.err, testing::AllOf(HasSubstr("limited.actkin/"), HasSubstr("File too large")));
  EXPECT_EQ(RunCommand(build).status, 0) << "the same command continues";
}

// What an evaluation builds for now is gone, or continued, and nothing of it is seen.
TEST_F(BadInputTest, ADiskThatIsFullOfStreamedSites) {
  const std::string out = *folder_ / "streamed.actkin";
  ASSERT_EQ(
      RunCommand({"build", corpus_, "--model", model_, "--out", out, "--length", "5", "--streams", "embedding"}).status,
      0);
  const std::vector<std::string> evaluate{"evaluate", out, "--sample", "20", "--t-i", "3,4", "--stream-sites", corpus_};
  const CommandResult refused = RunCommand(evaluate, {"FULL_DISK_FREE=3000"});
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.err, testing::AllOf(HasSubstr("streamed.actkin: "), HasSubstr("are free: free some space")));
  EXPECT_EQ(std::ranges::count(refused.err, '\n'), 1) << refused.err;
  int failures = 0;
  for (int budget = 0; budget < 1'000'000; budget += 60'000) {
    const CommandResult full = RunCommand(evaluate, {"FULL_DISK_WRITES=" + std::to_string(budget)});
    if (full.status == 0) break;
    ++failures;
    EXPECT_EQ(full.status, 1) << budget << full.err;
    EXPECT_THAT(full.err, HasSubstr("disk is full"));
    EXPECT_EQ(RunCommand({"verify", out}).status, 0);
  }
  EXPECT_GT(failures, 1);
  EXPECT_EQ(RunCommand(evaluate).status, 0);
  EXPECT_TRUE(std::filesystem::is_empty(out + "/partial"));
}

}  // namespace
}  // namespace actkin
