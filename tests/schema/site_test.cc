#include "schema/site.h"

#include <gtest/gtest.h>

#include "tests/error_matchers.h"

namespace actkin {
namespace {

TEST(SiteTest, EveryNameParsesBack) {
  for (const Stream stream : {Stream::kEmbedding, Stream::kProj, Stream::kFfwd, Stream::kResidual}) {
    EXPECT_EQ(ParseStream(Name(stream)), stream);
    EXPECT_EQ(ParseStream(TransformerLensName(stream)), stream);
    EXPECT_EQ(ParseStream("hook_" + std::string(TransformerLensName(stream))), stream);
  }
  for (const Metric metric : {Metric::kL2, Metric::kCosine}) EXPECT_EQ(ParseMetric(Name(metric)), metric);
  for (const Order order : {Order::kNearest, Order::kFarthest}) EXPECT_EQ(ParseOrder(Name(order)), order);
  for (const Element element : {Element::kFloat32, Element::kFloat16}) EXPECT_EQ(ParseElement(Name(element)), element);
}

TEST(SiteTest, AnUnknownNameIsRefusedWithTheKnownOnes) {
  EXPECT_THAT(ErrorOf([] { ParseStream("fwd"); }), OneLineWith(R"("fwd")", "embedding, proj, ffwd or residual"));
  EXPECT_THAT(ErrorOf([] { ParseMetric("euclid"); }), OneLineWith(R"("euclid")", "l2, cosine, dot"));
}

TEST(SiteTest, ANameMayHaveItsBlock) {
  EXPECT_EQ(ParseStreamName("blocks.5.hook_mlp_out").stream, Stream::kFfwd);
  EXPECT_EQ(ParseStreamName("blocks.5.hook_mlp_out").block, 5);
  EXPECT_EQ(ParseStreamName("blocks.12.hook_resid_post").stream, Stream::kResidual);
  EXPECT_EQ(ParseStreamName("hook_embed").stream, Stream::kEmbedding);
  EXPECT_EQ(ParseStreamName("proj").block, std::nullopt);
  EXPECT_EQ(BlockOf({Stream::kProj, 5}, std::nullopt), 5);
  EXPECT_EQ(BlockOf({Stream::kProj, std::nullopt}, 3), 3);
  EXPECT_THAT(ErrorOf([] { BlockOf({Stream::kProj, 5}, 3); }), OneLineWith("block 3", "block 5"));
  EXPECT_EQ(Name(ParseStreamName("blocks.5.hook_q").stream), "hook_q");
  for (const char* wrong : {"blocks.", "blocks.x.hook_mlp_out", "blocks.5", "blocks.-1.proj"}) {
    EXPECT_THAT(ErrorOf([&] { ParseStreamName(wrong); }), OneLineWith("unknown")) << wrong;
  }
}

TEST(SiteTest, EmbeddingHasNoBlockInWords) {
  EXPECT_EQ(Describe({Stream::kFfwd, 5, 9}), "ffwd block 5 t_i 9 (mlp_out)");
  EXPECT_EQ(Describe({Stream::kEmbedding, 0, 9}), "embedding t_i 9 (embed)");
}

TEST(SiteTest, PeopleAreToldBothNamesWhereThereAreTwo) {
  EXPECT_EQ(BothNames(Stream::kResidual), "residual (resid_post)");
  EXPECT_EQ(Describe({Stream::kProj, 2, kOverPositions}), "proj block 2 over positions (attn_out)");
  const Stream other = StreamNamed("mamba_state");
  EXPECT_EQ(BothNames(other), "mamba_state");
  EXPECT_EQ(Describe({other, 2, kOverPositions}), "mamba_state block 2 over positions");
}

}  // namespace
}  // namespace actkin
