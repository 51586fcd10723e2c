#include "indexer/torch/pickle/pickle_machine.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "schema/error.h"

namespace actkin::pickle {
namespace {

// Far above what a state dict of 50,000 tensors takes.
constexpr std::size_t kMaximumBytes = std::size_t{16} << 20;
constexpr std::size_t kMaximumStack = std::size_t{1} << 20;
constexpr std::size_t kMaximumMemo = std::size_t{1} << 21;
constexpr std::size_t kMaximumContainers = std::size_t{1} << 19;
constexpr std::size_t kMaximumDimensions = 8;
constexpr std::size_t kMaximumName = 256;

class Machine {
 public:
  Machine(std::span<const std::byte> bytes, const std::string& file, std::string_view expected)
      : bytes_(bytes.first(std::min(bytes.size(), kMaximumBytes))), file_(file), expected_(expected) {}

  PickleGraph Run() {
    while (Step()) {
    }
    if (stack_.size() != 1) Malformed("it leaves {} values instead of one", stack_.size());
    graph_.root = stack_.back();
    graph_.bytes = position_;
    return std::move(graph_);
  }

 private:
  template <typename... Arguments>
  [[noreturn]] void Malformed(fmt::format_string<Arguments...> format, Arguments&&... arguments) const {
    Fail("{}: its pickle is not {}: {} (byte {})", file_, expected_,
         fmt::format(format, std::forward<Arguments>(arguments)...), opcode_position_);
  }

  std::string_view Take(std::uint64_t count) {
    if (count > bytes_.size() - position_) Malformed("it is cut short");
    const auto* begin = reinterpret_cast<const char*>(bytes_.data()) + position_;
    position_ += count;
    return {begin, static_cast<std::size_t>(count)};
  }

  // A little-endian number of `count` bytes, at most eight.
  std::uint64_t TakeNumber(std::size_t count) {
    std::uint64_t number = 0;
    std::size_t shift = 0;
    for (const char c : Take(count)) {
      number |= std::uint64_t{static_cast<unsigned char>(c)} << shift;
      shift += 8;
    }
    return number;
  }

  std::string_view TakeLine() {
    const std::string_view rest(reinterpret_cast<const char*>(bytes_.data()) + position_, bytes_.size() - position_);
    const std::size_t end = rest.substr(0, kMaximumName + 1).find('\n');
    if (end == std::string_view::npos) Malformed("the name of a global does not end");
    position_ += end + 1;
    return rest.substr(0, end);
  }

  void Push(const Value& value) {
    if (stack_.size() >= kMaximumStack) Malformed("its stack has more than {} values", kMaximumStack);
    stack_.push_back(value);
  }
  void PushInteger(std::int64_t integer) { Push({.kind = Kind::kInteger, .integer = integer}); }
  void PushString(std::string_view text) { Push({.kind = Kind::kString, .text = text}); }

  Value Pop() {
    if (stack_.empty() || stack_.back().kind == Kind::kMark) Malformed("a value is missing");
    const Value value = stack_.back();
    stack_.pop_back();
    return value;
  }

  // The top of the stack, which stays there.
  const Value& Top(Kind kind) const {
    if (stack_.empty() || stack_.back().kind != kind) Malformed("{} is missing", Describe(kind));
    return stack_.back();
  }

  // What was pushed since the last mark, which goes too.
  std::vector<Value> PopToMark() {
    const auto mark =
        std::find_if(stack_.rbegin(), stack_.rend(), [](const Value& v) { return v.kind == Kind::kMark; });
    if (mark == stack_.rend()) Malformed("a mark is missing");
    std::vector<Value> values(mark.base(), stack_.end());
    stack_.erase(mark.base() - 1, stack_.end());
    return values;
  }

  template <typename Container>
  std::size_t Keep(std::vector<Container>& containers, Container container) {
    if (++container_count_ > kMaximumContainers) Malformed("it makes more than {} containers", kMaximumContainers);
    containers.push_back(std::move(container));
    return containers.size() - 1;
  }

  void PushTuple(std::vector<Value> values) {
    Push({.kind = Kind::kTuple, .index = Keep(graph_.tuples, std::move(values))});
  }

  void PushTupleOf(std::size_t count) {
    std::vector<Value> values(count);
    for (std::size_t i = count; i-- > 0;) values[i] = Pop();
    PushTuple(std::move(values));
  }

  void PushGlobal(std::string_view module, std::string_view name) {
    const auto known = std::ranges::find_if(
        kKnownGlobals, [&](const KnownGlobal& global) { return global.module == module && global.name == name; });
    if (known == kKnownGlobals.end())
      return Push({.kind = Kind::kObject, .index = Keep(graph_.foreign, Foreign{module, name})});
    Push({.kind = Kind::kGlobal, .index = static_cast<std::size_t>(known - kKnownGlobals.begin())});
  }

  void Put(std::uint64_t key) {
    if (stack_.empty() || stack_.back().kind == Kind::kMark) Malformed("a value is missing");
    memo_[key] = stack_.back();
    if (memo_.size() > kMaximumMemo) Malformed("it remembers more than {} values", kMaximumMemo);
  }

  void Get(std::uint64_t key) {
    const auto found = memo_.find(key);
    if (found == memo_.end()) Malformed("it recalls value {}, which was not remembered", key);
    Push(found->second);
  }

  // The kind of the top of the stack, which stays there.
  Kind TopKind() const {
    if (stack_.empty() || stack_.back().kind == Kind::kMark) Malformed("a value is missing");
    return stack_.back().kind;
  }

  void SetItems(std::span<const Value> values) {
    if (values.size() % 2 != 0) Malformed("a dictionary's key has no value");
    if (TopKind() == Kind::kObject) return;
    PickleGraph::Dict& dict = graph_.dicts[Top(Kind::kDict).index];
    for (std::size_t i = 0; i < values.size(); i += 2) dict.emplace_back(values[i], values[i + 1]);
  }

  const std::vector<Value>& TupleOf(const Value& value, std::string_view what) const {
    if (value.kind != Kind::kTuple) Malformed("{} is {}, expected a tuple", what, Describe(value.kind));
    return graph_.tuples[value.index];
  }

  std::uint64_t NaturalOf(const Value& value, std::string_view what) const {
    if (value.kind != Kind::kInteger) Malformed("{} is {}, expected an integer", what, Describe(value.kind));
    if (value.integer < 0) Malformed("{} is {}", what, value.integer);
    return static_cast<std::uint64_t>(value.integer);
  }

  // ('storage', type, key, device, count)
  void LoadPersistent() {
    const Value id = Pop();
    const std::vector<Value>& parts = TupleOf(id, "a persistent id");
    if (parts.size() == 5 && parts[1].kind == Kind::kObject) return Push(parts[1]);
    if (parts.size() != 5 || parts[0].kind != Kind::kString || parts[0].text != "storage" ||
        parts[1].kind != Kind::kGlobal || kKnownGlobals[parts[1].index].global != Global::kStorageType ||
        parts[2].kind != Kind::kString || parts[3].kind != Kind::kString) {
      Malformed("a persistent id is not ('storage', type, key, device, count)");
    }
    // The key becomes the name of a record of the archive.
    if (!IsPlainPickleName(parts[2].text)) Malformed("'{}' names no storage", PrintablePickle(parts[2].text));
    const Storage storage{.type = kKnownGlobals[parts[1].index].name,
                          .key = parts[2].text,
                          .count = NaturalOf(parts[4], "the size of a storage")};
    Push({.kind = Kind::kStorage, .index = Keep(storages_, storage)});
  }

  void Reduce() {
    const Value argument = Pop();
    const Value callable = Pop();
    const std::vector<Value>& arguments = TupleOf(argument, "the argument of a call");
    if (callable.kind == Kind::kObject) return Push(callable);
    if (callable.kind != Kind::kGlobal) Malformed("it calls {}", Describe(callable.kind));
    const Global global = kKnownGlobals[callable.index].global;
    // A tensor of numbers that are not known.
    if ((global == Global::kRebuildTensor || global == Global::kRebuildParameter) && !arguments.empty() &&
        arguments[0].kind == Kind::kObject) {
      return Push(Value(arguments[0]));
    }
    switch (global) {
      case Global::kOrderedDict:
        if (!arguments.empty()) Malformed("an OrderedDict is made from arguments");
        Push({.kind = Kind::kDict, .index = Keep(graph_.dicts, PickleGraph::Dict())});
        return;
      case Global::kRebuildTensor:
        Push({.kind = Kind::kTensor, .index = Keep(graph_.tensors, MakeTensor(arguments))});
        return;
      case Global::kRebuildParameter:
        if (arguments.empty() || arguments[0].kind != Kind::kTensor) Malformed("a parameter is made from no tensor");
        Push(Value(arguments[0]));
        return;
      case Global::kStorageType:
        break;
    }
    Malformed("it calls {}", kKnownGlobals[callable.index].name);
  }

  void MakeObject() {
    const Value argument = Pop();
    const Value type = Pop();
    TupleOf(argument, "the argument of a call");
    if (type.kind == Kind::kObject) return Push(type);
    if (type.kind != Kind::kGlobal || kKnownGlobals[type.index].global != Global::kOrderedDict) {
      Malformed("it makes an object of {}", Describe(type.kind));
    }
    Push({.kind = Kind::kDict, .index = Keep(graph_.dicts, PickleGraph::Dict())});
  }

  // (storage, offset, shape, strides, requires_grad, backward_hooks[, metadata])
  PickledTensor MakeTensor(const std::vector<Value>& arguments) const {
    if (arguments.size() < 4 || arguments[0].kind != Kind::kStorage) Malformed("a tensor is made from no storage");
    const Storage& storage = storages_[arguments[0].index];
    PickledTensor tensor{.storage_key = std::string(storage.key),
                         .storage_type = std::string(storage.type),
                         .storage_count = storage.count,
                         .offset = NaturalOf(arguments[1], "the offset of a tensor"),
                         .shape = {},
                         .strides = {}};
    const std::vector<Value>& shape = TupleOf(arguments[2], "the shape of a tensor");
    const std::vector<Value>& strides = TupleOf(arguments[3], "the strides of a tensor");
    if (shape.size() != strides.size() || shape.size() > kMaximumDimensions) {
      Malformed("a tensor has {} sizes and {} strides", shape.size(), strides.size());
    }
    std::uint64_t count = 1;
    std::uint64_t last = tensor.offset;  // the largest index that the tensor addresses
    bool too_large = false;
    for (std::size_t i = 0; i < shape.size(); ++i) {
      const std::uint64_t size = NaturalOf(shape[i], "a size of a tensor");
      const std::uint64_t stride = NaturalOf(strides[i], "a stride of a tensor");
      std::uint64_t extent = 0;
      too_large |= __builtin_mul_overflow(count, size, &count);
      too_large |= size > 0 && __builtin_mul_overflow(size - 1, stride, &extent);
      too_large |= __builtin_add_overflow(last, extent, &last);
      tensor.shape.push_back(static_cast<std::int64_t>(size));
      tensor.strides.push_back(static_cast<std::int64_t>(stride));
    }
    if (too_large || (count > 0 && last >= storage.count)) {
      Malformed("a tensor of shape [{}] and strides [{}] at offset {} does not lie in its storage of {} numbers",
                fmt::join(tensor.shape, ", "), fmt::join(tensor.strides, ", "), tensor.offset, storage.count);
    }
    return tensor;
  }

  // False at the end of the pickle.
  bool Step() {
    opcode_position_ = position_;
    if (position_ == kMaximumBytes) Malformed("it has more than {} bytes", kMaximumBytes);
    const auto opcode = static_cast<std::uint8_t>(Take(1)[0]);
    switch (opcode) {
      case kProto: {
        const std::uint64_t protocol = TakeNumber(1);
        if (protocol < 2 || protocol > 5) Malformed("it is of protocol {}, expected 2 to 5", protocol);
        return true;
      }
      case kFrame:
        TakeNumber(8);
        return true;
      case kStop:
        return false;
      case kMark:
        Push({.kind = Kind::kMark});
        return true;
      case kPop:
        if (stack_.empty()) Malformed("a value is missing");
        stack_.pop_back();
        return true;
      case kPopMark:
        PopToMark();
        return true;
      case kNone:
        Push({.kind = Kind::kNone});
        return true;
      case kNewTrue:
      case kNewFalse:
        Push({.kind = Kind::kBool, .integer = opcode == kNewTrue});
        return true;
      case kBinInt:
        PushInteger(static_cast<std::int32_t>(TakeNumber(4)));
        return true;
      case kBinInt1:
        PushInteger(static_cast<std::int64_t>(TakeNumber(1)));
        return true;
      case kBinInt2:
        PushInteger(static_cast<std::int64_t>(TakeNumber(2)));
        return true;
      case kLong1:
        return PushLong(1);
      case kLong4:
        return PushLong(4);
      case kShortBinBytes:
        return PushBytes(1);
      case kBinBytes:
        return PushBytes(4);
      case kBinBytes8:
      case kByteArray8:
        return PushBytes(8);
      case kBinFloat:
        Take(8);
        Push({.kind = Kind::kFloat});
        return true;
      case kShortBinUnicode:
        PushString(Take(TakeNumber(1)));
        return true;
      case kBinUnicode:
        PushString(Take(TakeNumber(4)));
        return true;
      case kBinUnicode8:
        PushString(Take(TakeNumber(8)));
        return true;
      default:
        StepContainer(opcode);
        return true;
    }
  }

  // Bytes after their length, a number of so many bytes. True.
  bool PushBytes(std::size_t length_bytes) {
    Take(TakeNumber(length_bytes));
    Push({.kind = Kind::kBytes});
    return true;
  }

  // A little-endian integer after its length, a number of so many bytes. True.
  bool PushLong(std::size_t length_bytes) {
    const std::uint64_t count = TakeNumber(length_bytes);
    if (count > sizeof(std::int64_t)) {
      Take(count);
      Push({.kind = Kind::kLarge});
      return true;
    }
    const std::size_t shift = 64 - 8 * count;
    const std::uint64_t number = TakeNumber(count);
    // Two's complement: the last byte's highest bit is the sign.
    PushInteger(count == 0 ? 0 : std::bit_cast<std::int64_t>(number << shift) >> shift);
    return true;
  }

  void StepContainer(std::uint8_t opcode) {
    switch (opcode) {
      case kEmptyTuple:
        return PushTuple({});
      case kTuple1:
        return PushTupleOf(1);
      case kTuple2:
        return PushTupleOf(2);
      case kTuple3:
        return PushTupleOf(3);
      case kTuple:
        return PushTuple(PopToMark());
      case kEmptyDict:
        return Push({.kind = Kind::kDict, .index = Keep(graph_.dicts, PickleGraph::Dict())});
      case kSetItem: {
        const Value value = Pop();
        const Value key = Pop();
        return SetItems(std::array{key, value});
      }
      case kSetItems:
        return SetItems(PopToMark());
      // Lists and sets hold nothing that a state dict needs: only that one stands there is kept.
      case kEmptyList:
      case kEmptySet:
        return Push({.kind = Kind::kList});
      case kFrozenSet:
        PopToMark();
        return Push({.kind = Kind::kList});
      case kAppend:
        Pop();
        return RequireList();
      case kAppends:
      case kAddItems:
        PopToMark();
        return RequireList();
      case kDup:
        TopKind();
        return Push(Value(stack_.back()));
      case kBinPut:
        return Put(TakeNumber(1));
      case kLongBinPut:
        return Put(TakeNumber(4));
      case kMemoize:
        return Put(memo_.size());
      case kBinGet:
        return Get(TakeNumber(1));
      case kLongBinGet:
        return Get(TakeNumber(4));
      case kGlobal: {
        const std::string_view module = TakeLine();
        return PushGlobal(module, TakeLine());
      }
      case kStackGlobal: {
        const Value name = Pop();
        const Value module = Pop();
        if (name.kind != Kind::kString || module.kind != Kind::kString) Malformed("the name of a global is no string");
        return PushGlobal(module.text, name.text);
      }
      case kBinPersId:
        return LoadPersistent();
      case kReduce:
        return Reduce();
      case kNewObject:
        return MakeObject();
      case kNewObjectEx:
        Pop();
        return MakeObject();
      case kBuild:
        // The attributes of an OrderedDict (`_metadata`, the versions of the modules) or of an object. Nobody reads
        // them.
        Pop();
        TopKind();
        return;
      default:
        Malformed("it has the opcode 0x{:02x}", opcode);
    }
  }

  void RequireList() const {
    if (TopKind() != Kind::kObject) Top(Kind::kList);
  }

  const std::span<const std::byte> bytes_;
  const std::string& file_;
  const std::string_view expected_;
  std::size_t position_ = 0;
  std::size_t opcode_position_ = 0;
  std::vector<Value> stack_;
  std::unordered_map<std::uint64_t, Value> memo_;
  std::size_t container_count_ = 0;
  std::vector<Storage> storages_;
  PickleGraph graph_;
};

}  // namespace

PickleGraph RunPickle(std::span<const std::byte> bytes, const std::string& file, std::string_view expected) {
  return Machine(bytes, file, expected).Run();
}

std::string PickleGraph::DescribeValue(const Value& value) const {
  if (value.kind != Kind::kObject) return std::string(Describe(value.kind));
  return fmt::format("an object of {}.{}", PrintablePickle(foreign[value.index].module),
                     PrintablePickle(foreign[value.index].name));
}

std::string PrintablePickle(std::string_view text) {
  std::string printable;
  for (const char c : text.substr(0, 80)) printable += c >= ' ' && c <= '~' ? c : '?';
  return text.size() > 80 ? printable + "..." : printable;
}

bool IsPlainPickleName(std::string_view name) {
  return !name.empty() && name.size() <= kMaximumName &&
         std::ranges::none_of(name, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f; });
}

}  // namespace actkin::pickle

namespace actkin {

std::uint64_t PickledTensor::Count() const {
  std::uint64_t count = 1;
  for (const std::int64_t size : shape) count *= static_cast<std::uint64_t>(size);
  return count;
}

}  // namespace actkin
