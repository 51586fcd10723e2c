#ifndef ACTKIN_SCHEMA_TOKENIZER_PAIR_TABLE_H_
#define ACTKIN_SCHEMA_TOKENIZER_PAIR_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace actkin {

// From pairs of numbers to a value: a hash table with open addressing, at most half full. Finding is for any thread.
template <typename Value>
class PairTable {
 public:
  PairTable() { Clear(4); }

  std::size_t size() const { return size_; }

  // The pair (0xFFFFFFFF, 0xFFFFFFFF) is reserved. An entry that is there is overwritten.
  void Put(std::uint32_t first, std::uint32_t second, const Value& value) {
    if ((size_ + 1) * 2 > slots_.size()) Grow();
    Slot& slot = slots_[Place(Key(first, second))];
    if (slot.key == kFree) ++size_;
    slot = {Key(first, second), value};
  }

  const Value* Find(std::uint32_t first, std::uint32_t second) const {
    const Slot& slot = slots_[Place(Key(first, second))];
    return slot.key == kFree ? nullptr : &slot.value;
  }

 private:
  static constexpr std::uint64_t kFree = ~std::uint64_t{0};
  struct Slot {
    std::uint64_t key = kFree;
    Value value{};
  };

  static std::uint64_t Key(std::uint32_t first, std::uint32_t second) { return std::uint64_t{first} << 32 | second; }

  void Clear(int bits) {
    bits_ = bits;
    slots_.assign(std::size_t{1} << bits, {});
    size_ = 0;
  }

  // Where the key is, or would be.
  std::size_t Place(std::uint64_t key) const {
    // Fibonacci hashing (Knuth, The Art of Computer Programming 3, 6.4), of a key whose halves are both small numbers.
    const std::uint64_t mixed = (key ^ key >> 29) * 0x9E3779B97F4A7C15U;
    std::size_t place = (mixed ^ mixed >> 32) * 0x9E3779B97F4A7C15U >> (64 - bits_);
    while (slots_[place].key != kFree && slots_[place].key != key) place = (place + 1) & (slots_.size() - 1);
    return place;
  }

  void Grow() {
    std::vector<Slot> old;
    old.swap(slots_);
    Clear(bits_ + 1);
    for (const Slot& slot : old) {
      if (slot.key == kFree) continue;
      slots_[Place(slot.key)] = slot;
      ++size_;
    }
  }

  std::vector<Slot> slots_;
  int bits_ = 0;
  std::size_t size_ = 0;
};

}  // namespace actkin

#endif  // ACTKIN_SCHEMA_TOKENIZER_PAIR_TABLE_H_
