#include "schema/wrapped_names.h"

#include <gtest/gtest.h>

namespace actkin {
namespace {

TEST(WrappedNamesTest, WrappersMayFollowEachOther) {
  EXPECT_EQ(WrapperPrefix({"_orig_mod.a.b", "_orig_mod.c"}), "_orig_mod.");
  EXPECT_EQ(WrapperPrefix({"module._orig_mod.a.b", "module._orig_mod.a.c"}), "module._orig_mod.");
  EXPECT_EQ(WrapperPrefix({"state_dict.model._orig_mod.a", "state_dict.model._orig_mod.b"}),
            "state_dict.model._orig_mod.");
  EXPECT_EQ(WrapperPrefix({"model_state_dict.module.a"}), "model_state_dict.module.");
}

TEST(WrappedNamesTest, OnlyWhatAllNamesBeginWithIsAWrapper) {
  EXPECT_EQ(WrapperPrefix({}), "");
  EXPECT_EQ(WrapperPrefix({"a", "b"}), "");
  EXPECT_EQ(WrapperPrefix({"model.a", "b"}), "");
  EXPECT_EQ(WrapperPrefix({"model.a", "models.b"}), "");
  EXPECT_EQ(WrapperPrefix({"module.model.a", "module.b"}), "module.");
  EXPECT_EQ(WrapperPrefix({"net.a", "net.b"}), "");
  EXPECT_EQ(WrapperPrefix({"net.model.a", "net.model.b"}), "");
  EXPECT_EQ(WrapperPrefix({"model"}), "");
}

TEST(WrappedNamesTest, ACommonPrefixEndsWithADot) {
  EXPECT_EQ(CommonPrefix({"net.a.b", "net.a.c", "net.ab"}), "net.");
  EXPECT_EQ(CommonPrefix({"net.a.b"}), "net.a.");
  EXPECT_EQ(CommonPrefix({"alpha", "alphabet"}), "");
  EXPECT_EQ(CommonPrefix({}), "");
}

}  // namespace
}  // namespace actkin
