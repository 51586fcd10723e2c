#include "schema/tokenizer/word_cache.h"

#include <cstring>

namespace actkin {
namespace {

constexpr std::size_t kFewestSlots = 1U << 10;
constexpr std::size_t kMostSlots = 1U << 17;

std::uint64_t Hash(std::string_view word) {
  constexpr std::uint64_t kMultiplier = 0x9E3779B97F4A7C15U;
  std::uint64_t hash = word.size() * kMultiplier;
  const char* bytes = word.data();
  for (std::size_t left = word.size(); left > 0;) {
    std::uint64_t part = 0;
    const std::size_t size = left < 8 ? left : 8;
    if (size == 8) {
      std::memcpy(&part, bytes, 8);
    } else {
      for (std::size_t i = 0; i < size; ++i) part |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
    }
    hash = (hash ^ part) * kMultiplier;
    hash ^= hash >> 32;
    bytes += size;
    left -= size;
  }
  return hash | 1;  // never that of a free slot
}

}  // namespace

WordCache::WordCache() { Clear(kFewestSlots); }

void WordCache::Clear(std::size_t slots) {
  slots_.assign(slots, {});
  bytes_.clear();
  tokens_.clear();
  size_ = 0;
}

std::size_t WordCache::Place(std::uint64_t hash, std::string_view word) const {
  std::size_t place = (hash >> 20) & (slots_.size() - 1);
  for (; slots_[place].hash != 0; place = (place + 1) & (slots_.size() - 1)) {
    const Slot& slot = slots_[place];
    if (slot.hash == hash && word == std::string_view(bytes_.data() + slot.word, slot.word_size)) break;
  }
  return place;
}

std::optional<std::span<const TokenId>> WordCache::Find(std::string_view word) {
  last_hash_ = Hash(word);
  const Slot& slot = slots_[Place(last_hash_, word)];
  if (slot.hash == 0) return std::nullopt;
  return std::span(tokens_).subspan(slot.tokens, slot.token_count);
}

void WordCache::Put(std::string_view word, std::span<const TokenId> tokens) {
  if ((size_ + 1) * 2 > slots_.size()) Grow();
  slots_[Place(last_hash_, word)] = {last_hash_, static_cast<std::uint32_t>(bytes_.size()),
                                     static_cast<std::uint32_t>(tokens_.size()),
                                     static_cast<std::uint32_t>(tokens.size()), static_cast<std::uint8_t>(word.size())};
  bytes_.insert(bytes_.end(), word.begin(), word.end());
  tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
  ++size_;
}

void WordCache::Grow() {
  if (slots_.size() == kMostSlots) return Clear(kMostSlots);
  std::vector<Slot> old(slots_.size() * 2);
  old.swap(slots_);
  for (const Slot& slot : old) {
    if (slot.hash == 0) continue;
    std::size_t place = (slot.hash >> 20) & (slots_.size() - 1);
    while (slots_[place].hash != 0) place = (place + 1) & (slots_.size() - 1);
    slots_[place] = slot;
  }
}

}  // namespace actkin
