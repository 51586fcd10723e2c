#ifndef ACTKIN_INDEXER_TORCH_PICKLE_PICKLE_VALUES_H_
#define ACTKIN_INDEXER_TORCH_PICKLE_PICKLE_VALUES_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace actkin {

// Where the numbers of one tensor of a checkpoint lie: strided, in a storage (a record of the archive). Offset, shape
// and strides count numbers, not bytes; every element they address is below storage_count.
struct PickledTensor {
  std::string storage_key;   // the record's name under data/
  std::string storage_type;  // "FloatStorage", "HalfStorage", ...
  std::uint64_t storage_count = 0;
  std::uint64_t offset = 0;
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> strides;

  // Numbers in the tensor: more than storage_count where a stride of 0 repeats some.
  std::uint64_t Count() const;

  friend bool operator==(const PickledTensor&, const PickledTensor&) = default;
};

}  // namespace actkin

// What a pickle is made of: its opcodes, the globals that a state dict names, and the values that they make.
namespace actkin::pickle {

// Opcodes by the names of Python's pickletools.
enum Opcode : std::uint8_t {
  kMark = '(',
  kStop = '.',
  kPop = '0',
  kPopMark = '1',
  kDup = '2',
  kBinBytes = 'B',
  kShortBinBytes = 'C',
  kBinFloat = 'G',
  kBinInt = 'J',
  kBinInt1 = 'K',
  kBinInt2 = 'M',
  kNone = 'N',
  kBinPersId = 'Q',
  kReduce = 'R',
  kBinUnicode = 'X',
  kEmptyList = ']',
  kAppend = 'a',
  kBuild = 'b',
  kGlobal = 'c',
  kAppends = 'e',
  kBinGet = 'h',
  kLongBinGet = 'j',
  kBinPut = 'q',
  kLongBinPut = 'r',
  kSetItem = 's',
  kTuple = 't',
  kSetItems = 'u',
  kEmptyDict = '}',
  kEmptyTuple = ')',
  kProto = 0x80,
  kNewObject = 0x81,
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kNewTrue = 0x88,
  kNewFalse = 0x89,
  kLong1 = 0x8a,
  kLong4 = 0x8b,
  kShortBinUnicode = 0x8c,
  kBinUnicode8 = 0x8d,
  kBinBytes8 = 0x8e,
  kEmptySet = 0x8f,
  kAddItems = 0x90,
  kFrozenSet = 0x91,
  kNewObjectEx = 0x92,
  kStackGlobal = 0x93,
  kMemoize = 0x94,
  kFrame = 0x95,
  kByteArray8 = 0x96,
};

enum class Kind : std::uint8_t {
  kMark,
  kNone,
  kBool,
  kInteger,
  kLarge,
  kFloat,
  kBytes,
  kString,
  kGlobal,
  kObject,  // whatever a global that is not known makes, or that global itself: never looked into
  kTuple,
  kList,
  kDict,
  kStorage,
  kTensor,
};

// With its article, as a message says it.
inline std::string_view Describe(Kind kind) {
  constexpr std::array<std::string_view, 15> kNames{
      "a mark",  "None",   "a boolean",    "an integer", "an integer of more than 8 bytes",
      "a float", "bytes",  "a string",     "a global",   "an object",
      "a tuple", "a list", "a dictionary", "a storage",  "a tensor"};
  return kNames[static_cast<std::size_t>(kind)];
}

enum class Global : std::uint8_t { kOrderedDict, kRebuildTensor, kRebuildParameter, kStorageType };

struct KnownGlobal {
  std::string_view module;
  std::string_view name;
  Global global;
};

inline constexpr std::array<KnownGlobal, 13> kKnownGlobals{{
    {"collections", "OrderedDict", Global::kOrderedDict},
    {"torch._utils", "_rebuild_tensor_v2", Global::kRebuildTensor},
    {"torch._utils", "_rebuild_parameter", Global::kRebuildParameter},
    {"torch", "FloatStorage", Global::kStorageType},
    {"torch", "DoubleStorage", Global::kStorageType},
    {"torch", "HalfStorage", Global::kStorageType},
    {"torch", "BFloat16Storage", Global::kStorageType},
    {"torch", "ByteStorage", Global::kStorageType},
    {"torch", "CharStorage", Global::kStorageType},
    {"torch", "ShortStorage", Global::kStorageType},
    {"torch", "IntStorage", Global::kStorageType},
    {"torch", "LongStorage", Global::kStorageType},
    {"torch", "BoolStorage", Global::kStorageType},
}};

// What the stack and the memo hold. Containers are in the interpreter's lists, so that copies are cheap and a container
// may hold itself.
struct Value {
  Kind kind = Kind::kNone;
  std::int64_t integer = 0;    // bool, integer
  std::string_view text = {};  // string, in the input
  std::size_t index = 0;       // tuple, dict, storage, tensor, object: in its list; global: in kKnownGlobals
};

// A global that is not known.
struct Foreign {
  std::string_view module;
  std::string_view name;
};

struct Storage {
  std::string_view type;
  std::string_view key;
  std::uint64_t count = 0;
};

// All that a pickle made. Texts lie in its bytes.
struct PickleGraph {
  using Dict = std::vector<std::pair<Value, Value>>;  // in the order of the file; a key may stand there twice

  Value root;
  std::size_t bytes = 0;  // length of the pickle
  std::vector<std::vector<Value>> tuples;
  std::vector<Dict> dicts;
  std::vector<Foreign> foreign;
  std::vector<PickledTensor> tensors;

  // "a list", "an object of argparse.Namespace"
  std::string DescribeValue(const Value& value) const;
};

}  // namespace actkin::pickle

#endif  // ACTKIN_INDEXER_TORCH_PICKLE_PICKLE_VALUES_H_
