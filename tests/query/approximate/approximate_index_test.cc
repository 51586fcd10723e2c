// Indices that FAISS builds, over rows made here, against exact answers over the same rows.
#include <cmath>
#include <fstream>
#include <limits>
#include <thread>

#include "storage/formats/graph_file.h"
#include "tests/error_matchers.h"
#include "tests/query/approximate/approximate_site.h"

namespace actkin {
namespace {

using testing::HasSubstr;

TEST_F(ApproximateIndexTest, FindsWhatItsParametersAllow) {
  for (const Element element : {Element::kFloat32, Element::kFloat16}) {
    MakeSite(kDimension, Clusters(3000, kDimension), element);
    for (const Metric metric : {Metric::kL2, Metric::kCosine}) {
      SCOPED_TRACE(fmt::format("{} {}", Name(element), Name(metric)));
      if (element == Element::kFloat16) {
        // What is stored, for the exact answers.
        for (std::size_t row = 0; row < ordinals_.size(); ++row) {
          const std::vector<float> stored = exact_->Vector(static_cast<RowNumber>(row));
          std::ranges::copy(stored, values_.begin() + static_cast<std::ptrdiff_t>(row * dimension_));
        }
      }
      const auto graph = Open(Build("HNSW16", metric));
      EXPECT_GE(Recall(*graph, metric, "efSearch=200"), 0.99);
      EXPECT_GE(Recall(*graph, metric, ""), 0.7);
      const auto lists = Open(Build("IVF8,Flat", metric));
      EXPECT_EQ(Recall(*lists, metric, "nprobe=8"), 1);
      const auto short_lists = Open(Build("IVF128,Flat", metric));
      EXPECT_LT(Recall(*short_lists, metric, "nprobe=1"), 1);
      // Few bits a row: what they miss, exact distances of more rows find again.
      const auto codes = Open(Build("IVF8,PQ6x4np", metric));
      const double coarse = Recall(*codes, metric, "nprobe=8");
      EXPECT_GT(Recall(*codes, metric, "nprobe=8,k_factor_rf=20"), coarse + 0.2);
      EXPECT_EQ(Recall(*codes, metric, "nprobe=8,k_factor_rf=300"), 1);
    }
  }
}

TEST_F(ApproximateIndexTest, AGraphHoldsNoRows) {
  MakeSite(kDimension, Clusters(3000, kDimension));
  const SiteIndexRow graph = Build("HNSW8,Flat");
  EXPECT_TRUE(IndexDirectory::IsGraph(graph.file.file));
  EXPECT_LT(graph.file.bytes, 3000 * 8 * 2 * 4 * 1.2 + 20000);
  EXPECT_GT(Build("IVF4,Flat").file.bytes, 3000 * kDimension * 4);
}

TEST_F(ApproximateIndexTest, HardRowsAreNoTrouble) {
  for (MadeRows rows : HardRows()) {
    SCOPED_TRACE(rows.name);
    rows.values.resize(std::min(rows.values.size(), 1000 * rows.dimension));
    MakeSite(rows.dimension, rows.values);
    if (rows.row_count() < 3) files_.erase(files_.begin());
    for (const Metric metric : {Metric::kL2, Metric::kCosine}) {
      for (const std::string name : {"HNSW8", "SQ8", "IVF2,Flat"}) {
        if (name == "IVF2,Flat" && rows.row_count() < 2) continue;
        const auto index = Open(Build(name, metric));
        SearchRequest request;
        request.metric = metric;
        request.k = std::min<std::uint64_t>(10, rows.row_count());
        if (name == "IVF2,Flat") request.parameters = "nprobe=2";
        const auto answers = index->Search(rows.queries, request);
        ASSERT_EQ(answers.size(), 5U);
        for (std::size_t i = 0; i < answers.size(); ++i) {
          EXPECT_FALSE(answers[i].empty());
          ExpectExactDistances(answers[i], std::span(rows.queries).subspan(i * dimension_, dimension_), metric);
        }
      }
    }
  }
}

TEST_F(ApproximateIndexTest, OneThreadMakesTheSameFileAgain) {
  MakeSite(kDimension, Clusters(2000, kDimension));
  for (const std::string name : {"HNSW8", "IVF8,SQ8"}) {
    const SiteIndexRow first = Build(name, Metric::kCosine, 1);
    const std::string bytes = ReadFile(folder_ / first.file.file);
    const SiteIndexRow second = Build(name, Metric::kCosine, 1);
    EXPECT_EQ(ReadFile(folder_ / second.file.file), bytes) << name;
  }
}

TEST_F(ApproximateIndexTest, ABatchIsItsQueriesOneByOne) {
  MakeSite(kDimension, Clusters(2000, kDimension));
  for (const std::string name : {"HNSW8", "IVF8,Flat"}) {
    const auto index = Open(Build(name));
    SearchRequest request;
    request.k = 7;
    request.threads = 2;
    const std::span<const float> queries = std::span(values_).first(100 * kDimension);
    const auto together = index->Search(queries, request);
    for (std::size_t i = 0; i < 100; ++i) {
      const auto alone = index->Search(Query(i), request).front();
      ASSERT_EQ(together[i].size(), alone.size());
      for (std::size_t rank = 0; rank < alone.size(); ++rank) EXPECT_EQ(together[i][rank].row, alone[rank].row);
    }
  }
}

TEST_F(ApproximateIndexTest, ABandIsSearchedFromTheNearSide) {
  MakeSite(kDimension, Clusters(3000, kDimension));
  const auto index = Open(Build("IVF8,Flat"));
  SearchRequest request;
  const std::vector<Match> near = exact_->Search(Query(5), request).front();
  const auto search = [&](double low, double high, std::uint64_t k) {
    SearchRequest band;
    band.k = k;
    band.within = Band{low, high};
    const auto expected = exact_->Search(Query(5), band).front();
    band.parameters = "nprobe=8";
    const auto found = index->Search(Query(5), band).front();
    EXPECT_EQ(found.size(), expected.size());
    for (std::size_t i = 0; i < std::min(found.size(), expected.size()); ++i) EXPECT_EQ(found[i].row, expected[i].row);
    return found.size();
  };
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(search(1e-9, kInfinity, 4), 4U);                  // all but the row itself
  EXPECT_EQ(search(near[3].distance, kInfinity, 20), 20U);    // the first three are nearer
  EXPECT_EQ(search(0, near[4].distance, 20), 5U);             // and what lies beyond ends it
  EXPECT_EQ(search(near[9].distance * 3, kInfinity, 5), 5U);  // hundreds are nearer
  EXPECT_EQ(search(1e6, kInfinity, 5), 0U);
}

TEST_F(ApproximateIndexTest, WhatItCannotDoIsAnError) {
  MakeSite(kDimension, Clusters(1000, kDimension));
  const auto graph = Open(Build("HNSW8"));
  const auto lists = Open(Build("IVF4,Flat"));
  const auto error = [&](const SiteIndex& index, const std::function<void(SearchRequest&)>& change) {
    SearchRequest request;
    change(request);
    return ErrorOf([&] { index.Search(Query(0), request); });
  };
  for (const SiteIndex* index : {graph.get(), lists.get()}) {
    EXPECT_THAT(error(*index, [](auto& r) { r.order = Order::kFarthest; }), OneLineWith("farthest", "'exact' does"));
    EXPECT_THAT(error(*index, [](auto& r) { r.k.reset(); }), OneLineWith("band", "'exact' does"));
    EXPECT_THAT(error(*index, [](auto& r) { r.rows = RowRange{0, 10}; }), OneLineWith("range of rows"));
    EXPECT_THAT(error(*index, [](auto& r) { r.metric = Metric::kCosine; }), OneLineWith("l2", "cosine"));
    EXPECT_THAT(error(*index, [](auto& r) { r.k = 0; }), OneLineWith("k 0"));
    EXPECT_THAT(error(*index, [](auto& r) { r.k = 1001; }), OneLineWith("k 1001", "1000 rows"));
    EXPECT_THAT(error(*index, [](auto& r) { r.parameters = "ef=3"; }), OneLineWith("\"ef\""));
    EXPECT_THAT(error(*index, [](auto& r) { r.parameters = "verbose=1"; }), OneLineWith("\"verbose\""));
    EXPECT_THAT(error(*index, [](auto& r) { r.parameters = "efSearch"; }), OneLineWith("NAME=NUMBER"));
  }
  EXPECT_THAT(error(*graph, [](auto& r) { r.parameters = "nprobe=4"; }), OneLineWith("\"nprobe\"", "efSearch"));
  EXPECT_THAT(error(*graph, [](auto& r) { r.parameters = "efSearch=0"; }), OneLineWith("efSearch=0", "from 1"));
  EXPECT_THAT(error(*graph, [](auto& r) { r.parameters = "efSearch=1e300"; }), OneLineWith("efSearch=1e+300"));
  EXPECT_THAT(error(*lists, [](auto& r) { r.parameters = "efSearch=4"; }), OneLineWith("nprobe", "k_factor_rf"));
  EXPECT_THAT(error(*lists, [](auto& r) { r.parameters = "nprobe=-1"; }), OneLineWith("nprobe=-1"));
}

TEST_F(ApproximateIndexTest, ParametersAreNumbersThatFaissTakesAsTheyAre) {
  MakeSite(kDimension, Clusters(1000, kDimension));
  const auto graph = Open(Build("HNSW8"));
  const auto codes = Open(Build("IVF4,PQ6x4np"));
  const auto refined = Open(Build("SQ4,RFlat"));
  const auto over_graph = Open(Build("IVF4_HNSW8,Flat"));
  const auto error = [&](const std::shared_ptr<const SiteIndex>& index, const std::string& parameters) {
    SearchRequest request;
    request.parameters = parameters;
    return ErrorOf([&] { EXPECT_EQ(index->Search(Query(0), request).size(), 1U); });
  };
  for (const std::string name : {"nprobe", "ht"}) {
    for (const std::string value : {"2.7", "-1", "-0.5", "65537", "1e300", "1e-300"}) {
      const std::string parameter = name + "=" + value;
      EXPECT_THAT(error(codes, parameter), OneLineWith("parameter " + name + "=", "expected a whole number from"));
    }
    for (const std::string value : {"", "nan", "inf", "-inf", "two", "0x10", "1 "}) {
      EXPECT_THAT(error(codes, name + "=" + value), OneLineWith("NAME=NUMBER"));
    }
  }
  EXPECT_THAT(error(codes, "nprobe=2.7"), OneLineWith("nprobe=2.7: expected a whole number from 1 to 65536"));
  EXPECT_THAT(error(codes, "nprobe=0"), OneLineWith("nprobe=0: expected a whole number from 1"));
  EXPECT_EQ(error(codes, "ht=0"), "no error");
  EXPECT_EQ(error(codes, "nprobe=65536,ht=65536"), "no error");
  EXPECT_THAT(error(graph, "efSearch=16.5"), OneLineWith("efSearch=16.5", "whole number from 1"));
  EXPECT_THAT(error(over_graph, "quantizer_efSearch=0"), OneLineWith("quantizer_efSearch=0", "from 1"));
  EXPECT_THAT(error(over_graph, "quantizer_efSearch=1.5"), OneLineWith("quantizer_efSearch=1.5", "whole"));
  EXPECT_EQ(error(over_graph, "quantizer_efSearch=8,nprobe=2"), "no error");

  // How many rows are to be refined, in parts of k where that is done here.
  for (const auto& index : {codes, refined}) {
    for (const std::string value : {"0", "0.5", "-2", "65537"}) {
      EXPECT_THAT(error(index, "k_factor_rf=" + value), OneLineWith("k_factor_rf=", "expected a number from 1 to"));
    }
    EXPECT_EQ(error(index, "k_factor_rf=65536"), "no error");
  }
  EXPECT_EQ(error(codes, "k_factor_rf=1.5"), "no error");
  EXPECT_THAT(error(refined, "k_factor_rf=1.5"), OneLineWith("k_factor_rf=1.5: expected a whole number"));

  for (const double value : {0.0, -1.0, 2.7, 1e9, std::nan("")}) {
    EXPECT_THAT(ErrorOf([&] {
                  LoadFaissBackend().Kind({"HNSW8", Metric::kL2, {{"efConstruction", value}}, 1}, kDimension);
                }),
                OneLineWith("efConstruction=", "whole number from 1"));
  }
}

TEST_F(ApproximateIndexTest, ParametersAreOfOneSearchAlone) {
  std::mt19937 generator(9);
  std::normal_distribution<float> normal;
  std::vector<float> noise(3000 * kDimension);
  for (float& number : noise) number = normal(generator);
  MakeSite(kDimension, noise);
  const auto index = Open(Build("IVF16,Flat"));
  SearchRequest request;
  request.k = 100;
  const auto search = [&](const std::string& parameters) {
    SearchRequest own = request;
    own.parameters = parameters;
    std::vector<RowNumber> rows;
    const std::vector<Match> matches = index->Search(Query(17), own).front();
    for (const Match& match : matches) rows.push_back(match.row);
    return rows;
  };
  const std::vector<std::string> all = {"", "nprobe=2", "nprobe=16", "k_factor_rf=3"};
  std::vector<std::vector<RowNumber>> expected;
  for (const std::string& parameters : all) expected.push_back(search(parameters));
  EXPECT_NE(expected[0], expected[2]);
  EXPECT_EQ(search(""), expected[0]);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) EXPECT_EQ(search(all[t]), expected[t]);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(ApproximateIndexTest, StringsThatFaissDoesNotKnow) {
  MakeSite(kDimension, Clusters(300, kDimension));
  for (const std::string name : {"", "HNSX32", "HNSW0", "HNSW1", "HNSW100000", "IVF0,Flat", "PQ7", "IVF4,PQ5",
                                 "IVF99999999999,Flat", "HNSW 32", "a\nb", "\x01"}) {
    const auto make = [&] { LoadFaissBackend().Kind({name, Metric::kL2, {}, 1}, kDimension); };
    EXPECT_THAT(ErrorOf(make), OneLineWith("index \"")) << name;
  }
  EXPECT_THAT(ErrorOf([&] {
                LoadFaissBackend().Kind({std::string(5000, 'H'), Metric::kL2, {}, 1}, kDimension);
              }),
              OneLineWith("1 to 100"));
  // Known, but more centroids than rows to train them.
  EXPECT_THAT(ErrorOf([&] { Build("IVF4000,Flat"); }), OneLineWith("IVF4000,Flat", "300"));
}

TEST_F(ApproximateIndexTest, RowsThatAreNotFiniteAreRefused) {
  MakeSite(kDimension, Clusters(300, kDimension));
  const float nan = std::numeric_limits<float>::quiet_NaN();
  {
    std::fstream file(files_[1], std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(-static_cast<std::streamoff>(7 * sizeof(float)), std::ios::end);
    file.write(reinterpret_cast<const char*>(&nan), sizeof(nan));
  }
  for (const std::string name : {"HNSW8", "IVF4,Flat"}) {
    EXPECT_THAT(ErrorOf([&] { Build(name); }), OneLineWith(files_[1].string(), "row 299", "nan")) << name;
  }
}

TEST_F(ApproximateIndexTest, DamagedFilesAreRefusedByName) {
  MakeSite(kDimension, Clusters(1000, kDimension));
  for (const std::string name : {"HNSW8", "IVF4,Flat"}) {
    // On one thread: whether a search comes by row 0, whose link is changed below, is for the links to say.
    const SiteIndexRow row = Build(name, Metric::kL2, 1);
    const std::filesystem::path path = folder_ / row.file.file;
    const std::string whole = ReadFile(path);
    const auto with = [&](std::size_t at, char xored) {
      std::string bytes = whole;
      bytes[at] = static_cast<char>(bytes[at] ^ xored);
      ReplaceFile(path, bytes);
      return ErrorOf([&] {
        SearchRequest request;
        request.k = 1000;
        Open(row)->Search(Query(0), request);
      });
    };
    for (const std::size_t at : {0U, 20U, 100U, 4090U}) EXPECT_THAT(with(at, 1), OneLineWith(path.string())) << at;
    if (name == "HNSW8") {
      // Links are checked as they are followed: rows that are not there, and levels that a row is not on.
      EXPECT_THAT(with(kSectionAlignment + 3, 0x40), OneLineWith(path.string(), "damaged"));
      ReplaceFile(path, whole);
      std::string bytes = whole;
      std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(kSectionAlignment), 1000 * 16 * 4, '\x7E');
      ReplaceFile(path, bytes);
      EXPECT_THAT(ErrorOf([&] { Open(row)->Search(Query(0), {}); }), OneLineWith(path.string(), "damaged"));
    } else {
      for (std::size_t at = kSectionAlignment; at < whole.size(); at += whole.size() / 50) {
        EXPECT_THAT(with(at, 4), OneLineWith(path.string(), "checksum")) << at;
      }
    }
    ReplaceFile(path, whole.substr(0, whole.size() / 2));
    EXPECT_THAT(ErrorOf([&] { Open(row); }), OneLineWith(path.string()));
    std::filesystem::remove(path);
    EXPECT_THAT(ErrorOf([&] { Open(row); }), OneLineWith(path.string()));
  }
}

TEST_F(ApproximateIndexTest, AnIndexOfOtherRowsIsRefused) {
  MakeSite(kDimension, Clusters(1000, kDimension));
  const SiteIndexRow graph = Build("HNSW8");
  const SiteIndexRow lists = Build("IVF4,Flat");
  MakeSite(kDimension, Clusters(1000, kDimension, 4));
  for (const SiteIndexRow& row : {graph, lists}) {
    EXPECT_THAT(ErrorOf([&] { Open(row); }), OneLineWith(row.file.file, "other rows"));
  }
}

TEST_F(ApproximateIndexTest, EveryLinkOfAGraphFileIsVerified) {
  MakeSite(kDimension, Clusters(1000, kDimension));
  const std::filesystem::path path = folder_ / Build("HNSW8", Metric::kCosine).file.file;
  const GraphFile file(path);
  file.Verify();
  const HnswGraph& graph = file.graph();
  // What is written again is the same, and what says something impossible is found though its checksums are right.
  WriteGraphFile(folder_ / "again", graph);
  EXPECT_EQ(ReadFile(folder_ / "again"), ReadFile(path));
  const auto verify = [&](const HnswGraph& changed) {
    WriteGraphFile(folder_ / "changed", changed);
    return ErrorOf([&] { GraphFile(folder_ / "changed").Verify(); });
  };
  const auto changed_numbers = [&](std::span<const RowNumber> numbers, std::size_t at, RowNumber value) {
    std::vector<RowNumber> changed(numbers.begin(), numbers.end());
    changed[at] = value;
    return changed;
  };
  HnswGraph changed = graph;
  // In any place, after a row's last link too: how many links a row has is the build's threads' to decide.
  for (const std::size_t place : {0U, 5U, 15U}) {
    const std::vector<RowNumber> base = changed_numbers(graph.base, place, 1000);
    changed.base = base;
    EXPECT_THAT(verify(changed), OneLineWith("changed", "link to row 1000")) << place;
  }
  std::vector<RowNumber> base(graph.base.begin(), graph.base.end());
  base[0] = kNoLink;
  base[1] = 7;
  changed.base = base;
  EXPECT_THAT(verify(changed), OneLineWith("changed", "link to row 7"));
  changed = graph;
  RowNumber below = 0;
  while (std::ranges::find(graph.upper_rows, below) != graph.upper_rows.end()) ++below;
  const std::vector<RowNumber> upper = changed_numbers(graph.upper, 0, below);
  changed.upper = upper;
  EXPECT_THAT(verify(changed), OneLineWith("damaged"));
  changed = graph;
  const std::vector<RowNumber> upper_rows = changed_numbers(graph.upper_rows, 1, graph.upper_rows[0]);
  changed.upper_rows = upper_rows;
  EXPECT_THAT(verify(changed), OneLineWith("upper rows"));
  changed = graph;
  const std::vector<std::uint32_t> blocks = changed_numbers(graph.upper_blocks, 1, 0);
  changed.upper_blocks = blocks;
  EXPECT_THAT(verify(changed), OneLineWith("upper rows"));
  changed = graph;
  changed.entry_point = (graph.entry_point + 1) % 1000;
  EXPECT_THAT(verify(changed), OneLineWith("entry"));
  changed = graph;
  std::vector<float> norms(graph.inverse_norms.begin(), graph.inverse_norms.end());
  norms[3] = std::numeric_limits<float>::infinity();
  changed.inverse_norms = norms;
  EXPECT_THAT(verify(changed), OneLineWith("norm"));
}

}  // namespace
}  // namespace actkin
