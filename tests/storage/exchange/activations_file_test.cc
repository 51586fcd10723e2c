#include "storage/exchange/activations_file.h"

#include <gtest/gtest.h>

#include "tests/error_matchers.h"

namespace actkin {
namespace {

constexpr char kWhole[] = R"({
  "tokens": "ids.npy", "document_lengths": [420, 14, 0], "document_names": ["a.txt", "b.txt", ""],
  "tokenizer": "tokenizer.json", "bos_token_id": 1,
  "sites": [{"stream": "resid_post", "block": 5, "files": ["a.npy", "parts/b.npy"], "positions": "p.npy"},
            {"stream": "blocks.3.hook_resid_mid", "files": ["a.safetensors"], "tensor": "x"},
            {"stream": "blocks.3.hook_mlp_out", "block": 3, "files": ["c.npy"], "window": 256, "stride": 64},
            {"stream": "hook_embed", "files": ["e.npy"]},
            {"stream": "sae 12", "files": ["s.npy"]}]})";

TEST(ActivationsFileTest, EverythingThatMayBeSaid) {
  const ActivationsFile file = ParseActivationsFile(kWhole, "activations.json");
  EXPECT_EQ(file.tokens, "ids.npy");
  EXPECT_THAT(*file.document_lengths, testing::ElementsAre(420, 14, 0));
  EXPECT_THAT(*file.document_names, testing::ElementsAre("a.txt", "b.txt", ""));
  EXPECT_EQ(file.tokenizer, "tokenizer.json");
  EXPECT_EQ(file.bos_token_id, 1U);
  ASSERT_EQ(file.sites.size(), 5U);
  const auto place = [&](std::size_t site) {
    return fmt::format("{} {}", Name(file.sites[site].stream), file.sites[site].block);
  };
  EXPECT_EQ(place(0), "residual 5");
  EXPECT_THAT(file.sites[0].files, testing::ElementsAre("a.npy", "parts/b.npy"));
  EXPECT_EQ(file.sites[0].positions, "p.npy");
  EXPECT_EQ(place(1), "hook_resid_mid 3");
  EXPECT_EQ(file.sites[1].tensor, "x");
  EXPECT_EQ(place(2), "ffwd 3");
  EXPECT_EQ(file.sites[2].window, 256U);
  EXPECT_EQ(file.sites[2].stride, 64U);
  EXPECT_FALSE(file.sites[1].window || file.sites[1].stride);
  EXPECT_EQ(place(3), "embedding 0");
  EXPECT_EQ(place(4), "sae 12 0");
}

TEST(ActivationsFileTest, WrittenItReadsBack) {
  const std::string written = SerializeActivationsFile(ParseActivationsFile(kWhole, "activations.json"));
  EXPECT_EQ(SerializeActivationsFile(ParseActivationsFile(written, "written")), written);
  EXPECT_THAT(written, testing::HasSubstr("\n  {\"stream\":\"residual\",\"block\":5,"));
}

std::string Refusal(const std::string& json) {
  return ErrorOf([&] { ParseActivationsFile(json, "DIR/activations.json"); });
}

std::string WithSite(const std::string& site) {
  return Refusal(R"({"tokens": "i.npy", "token_texts": "t.json", "sites": [)" + site + "]}");
}

TEST(ActivationsFileTest, WhatIsNotSaidSoIsRefusedByKey) {
  EXPECT_EQ(WithSite(R"({"stream": "x", "block": 0, "files": ["a.npy"]})"), "no error");
  EXPECT_EQ(WithSite(""), "no error");
  for (const auto& [json, part] : std::vector<std::pair<std::string, std::string>>{
           {"", "is not JSON"},
           {"{", "is not JSON"},
           {std::string("{}\0", 3), "is not JSON"},
           {"[]", "expected an object"},
           {"{}", "tokens: expected a text"},
           {R"({"tokens": 5})", "tokens: expected a text"},
           {R"({"tokens": "i.npy"})", "expected \"tokenizer\""},
           {R"({"tokens": "i.npy", "tokenizer": "a", "token_texts": "b"})", "token_texts: \"tokenizer\" says"},
           {R"({"tokens": "i.npy", "tokenizer": "a"})", "sites: expected an array"},
           {R"({"tokens": "i.npy", "tokens": "j.npy"})", "\"tokens\" stands there twice"},
           {R"({"token": "i.npy"})", "\"token\" is not known: expected some of tokens, document_lengths"},
           {R"({"tokens": "../i.npy", "tokenizer": "a", "sites": []})", "in the same folder"},
           {R"({"tokens": "/i.npy", "tokenizer": "a", "sites": []})", "in the same folder"},
           {R"({"tokens": "", "tokenizer": "a", "sites": []})", "in the same folder"},
           {R"({"tokens": "i", "tokenizer": "a", "sites": [], "documents": "d", "document_lengths": [1]})",
            "document_lengths: \"documents\" says the same"},
           {R"({"tokens": "i", "tokenizer": "a", "sites": [], "document_lengths": [1, -1]})",
            "document_lengths[1]: expected a whole number"},
           {R"({"tokens": "i", "tokenizer": "a", "sites": [], "document_lengths": [1.5]})",
            "document_lengths[0]: expected a whole number"},
           {R"({"tokens": "i", "tokenizer": "a", "sites": [], "document_names": [1]})", "document_names[0]"},
           {R"({"tokens": "i", "tokenizer": "a", "sites": [], "bos_token_id": -1})", "bos_token_id"},
           {R"({"tokens": "i", "tokenizer": "a", "sites": [], "bos_token_id": "<s>"})", "bos_token_id"},
       }) {
    EXPECT_THAT(Refusal(json), OneLineWith("DIR/activations.json", part)) << json;
  }
  for (const auto& [site, part] : std::vector<std::pair<std::string, std::string>>{
           {"5", "sites[0]: expected an object"},
           {R"({"block": 0, "files": ["a.npy"]})", "sites[0].stream: expected a text"},
           {R"({"stream": "", "files": ["a.npy"]})", "sites[0].stream"},
           {R"({"stream": "a\nb", "files": ["a.npy"]})", "sites[0].stream"},
           {R"({"stream": "ffwd", "files": ["a.npy"]})", "sites[0].block: expected the number"},
           {R"({"stream": "x", "block": -1, "files": ["a.npy"]})", "sites[0].block"},
           {R"({"stream": "x", "block": "1", "files": ["a.npy"]})", "sites[0].block"},
           {R"({"stream": "blocks.2.hook_mlp_out", "block": 3, "files": ["a.npy"]})", "block 2"},
           {R"({"stream": "embedding", "block": 3, "files": ["a.npy"]})", "embeddings have no block"},
           {R"({"stream": "x"})", "sites[0].files: expected an array"},
           {R"({"stream": "x", "files": "a.npy"})", "sites[0].files: expected an array"},
           {R"({"stream": "x", "files": []})", "sites[0].files: expected at least one"},
           {R"({"stream": "x", "files": ["a.npy", "../b.npy"]})", "sites[0].files[1]"},
           {R"({"stream": "x", "files": ["a.npy"], "position": "p.npy"})", "\"position\" is not known"},
           {R"({"stream": "x", "files": ["a.npy"], "window": 8})", "sites[0].window: expected \"stride\" beside it"},
           {R"({"stream": "x", "files": ["a.npy"], "stride": 8})", "sites[0].stride: expected \"window\" beside it"},
           {R"({"stream": "x", "files": ["a.npy"], "window": 0, "stride": 0})", "sites[0].window: expected a number"},
           {R"({"stream": "x", "files": ["a.npy"], "window": "8", "stride": 4})", "sites[0].window: expected a whole"},
           {R"({"stream": "x", "files": ["a.npy"], "window": 8, "stride": 0})", "sites[0].stride: expected from 1 to"},
           {R"({"stream": "x", "files": ["a.npy"], "window": 8, "stride": 9})", "from 1 to the window, 8"},
           {R"({"stream": "x", "files": ["a.npy"]}, {"stream": "x", "files": ["b.npy"]})", "sites[1]: x block 0"},
           {R"({"stream": "resid_post", "block": 1, "files": ["a.npy"]},
               {"stream": "residual", "block": 1, "files": ["b.npy"]})",
            "sites[1]: residual block 1 stands there twice"},
       }) {
    EXPECT_THAT(WithSite(site), OneLineWith("DIR/activations.json", part)) << site;
  }
}

}  // namespace
}  // namespace actkin
