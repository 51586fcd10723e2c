#ifndef ACTKIN_TESTS_INDEXER_TORCH_PICKLE_PICKLE_BYTES_H_
#define ACTKIN_TESTS_INDEXER_TORCH_PICKLE_PICKLE_BYTES_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace actkin {

// Writes pickles by hand, byte by byte, in the words of Python's pickletools.
class PickleBytes {
 public:
  explicit PickleBytes(int protocol) : protocol_(protocol) { Byte(0x80).Byte(static_cast<std::uint8_t>(protocol)); }

  PickleBytes& Byte(std::uint8_t byte) {
    bytes_ += static_cast<char>(byte);
    return *this;
  }
  PickleBytes& Number(std::uint64_t number, int bytes) {
    for (int i = 0; i < bytes; ++i) Byte(static_cast<std::uint8_t>(number >> (8 * i)));
    return *this;
  }
  PickleBytes& Raw(std::string_view text) {
    bytes_ += text;
    return *this;
  }
  PickleBytes& String(std::string_view text) {
    if (protocol_ >= 4) {
      Byte(0x8c).Number(text.size(), 1);
    } else {
      Raw("X").Number(text.size(), 4);
    }
    return Raw(text);
  }
  PickleBytes& Global(std::string_view module, std::string_view name) {
    if (protocol_ >= 4) return String(module).String(name).Byte(0x93);
    return Raw("c").Raw(module).Raw("\n").Raw(name).Raw("\n");
  }
  // The shortest opcode that Python would take, eight bytes included.
  PickleBytes& Integer(std::int64_t integer) {
    if (integer >= 0 && integer < 256) return Raw("K").Number(static_cast<std::uint64_t>(integer), 1);
    if (integer >= 0 && integer < 65536) return Raw("M").Number(static_cast<std::uint64_t>(integer), 2);
    if (integer >= -(std::int64_t{1} << 31) && integer < (std::int64_t{1} << 31)) {
      return Raw("J").Number(static_cast<std::uint64_t>(integer), 4);
    }
    return Byte(0x8a).Byte(8).Number(static_cast<std::uint64_t>(integer), 8);
  }
  // Stays on the stack; Get recalls it.
  PickleBytes& Put(std::uint8_t slot) { return protocol_ >= 4 ? Byte(0x94) : Raw("q").Byte(slot); }
  PickleBytes& Get(std::uint8_t slot) { return Raw("h").Byte(slot); }
  PickleBytes& OrderedDict() { return Global("collections", "OrderedDict").Raw(")R"); }
  PickleBytes& Tuple(std::span<const std::int64_t> numbers) {
    Raw("(");
    for (const std::int64_t number : numbers) Integer(number);
    return Raw("t");
  }
  PickleBytes& Storage(std::string_view type, std::string_view key, std::int64_t count) {
    Raw("(").String("storage").Global("torch", type).String(key).String("cpu").Integer(count);
    return Raw("tQ");
  }
  PickleBytes& Tensor(std::string_view type, std::string_view key, std::int64_t storage_count, std::int64_t offset,
                      const std::vector<std::int64_t>& shape, const std::vector<std::int64_t>& strides) {
    Global("torch._utils", "_rebuild_tensor_v2").Raw("(").Storage(type, key, storage_count).Integer(offset);
    return Tuple(shape).Tuple(strides).Byte(0x89).OrderedDict().Raw("tR");
  }
  // A float32 tensor that fills its storage.
  PickleBytes& Tensor(std::string_view key, const std::vector<std::int64_t>& shape) {
    std::int64_t count = 1;
    std::vector<std::int64_t> strides(shape.size());
    for (std::size_t i = shape.size(); i-- > 0;) {
      strides[i] = count;
      count *= shape[i];
    }
    return Tensor("FloatStorage", key, count, 0, shape, strides);
  }
  // The attributes of the OrderedDict on top of the stack, as a module's state_dict() has them.
  PickleBytes& Metadata() {
    Raw("}").String("_metadata").OrderedDict().Raw("(").String("").Raw("}").String("version").Integer(1).Raw("s");
    return Raw("usb");
  }

  const std::string& Stop() { return Raw(".").bytes_; }

 private:
  int protocol_;
  std::string bytes_;
};

}  // namespace actkin

#endif  // ACTKIN_TESTS_INDEXER_TORCH_PICKLE_PICKLE_BYTES_H_
