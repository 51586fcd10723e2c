#include "schema/site.h"

#include <gtest/gtest.h>

#include "tests/error_matchers.h"

namespace actkin {
namespace {

TEST(SiteTest, EveryNameParsesBack) {
  for (const Stream stream : {Stream::kEmbedding, Stream::kProj, Stream::kFfwd}) {
    EXPECT_EQ(ParseStream(Name(stream)), stream);
  }
  for (const Metric metric : {Metric::kL2, Metric::kCosine}) EXPECT_EQ(ParseMetric(Name(metric)), metric);
  for (const Order order : {Order::kNearest, Order::kFarthest}) EXPECT_EQ(ParseOrder(Name(order)), order);
  for (const Element element : {Element::kFloat32, Element::kFloat16}) EXPECT_EQ(ParseElement(Name(element)), element);
}

TEST(SiteTest, AnUnknownNameIsRefusedWithTheKnownOnes) {
  EXPECT_THAT(ErrorOf([] { ParseStream("fwd"); }), OneLineWith(R"("fwd")", "embedding, proj or ffwd"));
  EXPECT_THAT(ErrorOf([] { ParseMetric("euclid"); }), OneLineWith(R"("euclid")", "l2 or cosine"));
}

TEST(SiteTest, EmbeddingHasNoBlockInWords) {
  EXPECT_EQ(Describe({Stream::kFfwd, 5, 9}), "ffwd block 5 t_i 9");
  EXPECT_EQ(Describe({Stream::kEmbedding, 0, 9}), "embedding t_i 9");
}

}  // namespace
}  // namespace actkin
