#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "storage/machine/float16.cc"
#include "storage/machine/float16.h"

#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace actkin::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

void EncodeFloat16Kernel(const float* HWY_RESTRICT values, std::size_t count, std::uint16_t* HWY_RESTRICT encoded) {
  const hn::ScalableTag<float> f32;
  const hn::Rebind<hwy::float16_t, decltype(f32)> f16;
  const hn::RebindToUnsigned<decltype(f16)> u16;
  const std::size_t lanes = hn::Lanes(f32);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    hn::StoreU(hn::BitCast(u16, hn::DemoteTo(f16, hn::LoadU(f32, values + i))), u16, encoded + i);
  }
  const hn::CappedTag<float, 1> one32;
  const hn::Rebind<hwy::float16_t, decltype(one32)> one16;
  const hn::RebindToUnsigned<decltype(one16)> one_u16;
  for (; i < count; ++i) {
    hn::StoreU(hn::BitCast(one_u16, hn::DemoteTo(one16, hn::LoadU(one32, values + i))), one_u16, encoded + i);
  }
}

void DecodeFloat16Kernel(const std::uint16_t* HWY_RESTRICT encoded, std::size_t count, float* HWY_RESTRICT values) {
  const hn::ScalableTag<float> f32;
  const hn::Rebind<hwy::float16_t, decltype(f32)> f16;
  const hn::RebindToUnsigned<decltype(f16)> u16;
  const std::size_t lanes = hn::Lanes(f32);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    hn::StoreU(hn::PromoteTo(f32, hn::BitCast(f16, hn::LoadU(u16, encoded + i))), f32, values + i);
  }
  const hn::CappedTag<float, 1> one32;
  const hn::Rebind<hwy::float16_t, decltype(one32)> one16;
  const hn::RebindToUnsigned<decltype(one16)> one_u16;
  for (; i < count; ++i) {
    hn::StoreU(hn::PromoteTo(one32, hn::BitCast(one16, hn::LoadU(one_u16, encoded + i))), one32, values + i);
  }
}

}  // namespace actkin::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace actkin {

HWY_EXPORT(EncodeFloat16Kernel);
HWY_EXPORT(DecodeFloat16Kernel);

void EncodeFloat16(const float* values, std::size_t count, std::uint16_t* encoded) {
  HWY_DYNAMIC_DISPATCH(EncodeFloat16Kernel)(values, count, encoded);
}

void DecodeFloat16(const std::uint16_t* encoded, std::size_t count, float* values) {
  HWY_DYNAMIC_DISPATCH(DecodeFloat16Kernel)(encoded, count, values);
}

}  // namespace actkin
#endif
