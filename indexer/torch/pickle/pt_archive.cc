#include "indexer/torch/pickle/pt_archive.h"

#include <caffe2/serialize/inline_container.h>
#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <string_view>

#include "indexer/torch/torch_error.h"
#include "schema/error.h"
#include "schema/text.h"

namespace actkin {
namespace {

// What LibTorch reads the archive's directory through.
class MappedAdapter : public caffe2::serialize::ReadAdapterInterface {
 public:
  explicit MappedAdapter(std::span<const std::byte> bytes) : bytes_(bytes) {}

  std::size_t size() const override { return bytes_.size(); }
  std::size_t read(std::uint64_t position, void* to, std::size_t count, const char*) const override {
    if (position >= bytes_.size()) return 0;
    const std::size_t available = std::min<std::uint64_t>(count, bytes_.size() - position);
    std::memcpy(to, bytes_.data() + position, available);
    return available;
  }

 private:
  std::span<const std::byte> bytes_;
};

template <typename Number>
Number NumberAt(std::span<const std::byte> bytes, std::size_t offset) {
  Number number = 0;
  std::memcpy(&number, bytes.data() + offset, sizeof(number));
  return number;
}

// The parts of a record's local header that matter here (PKWARE's APPNOTE.TXT, section 4.3.7).
struct LocalHeader {
  bool stored = false;
  bool has_descriptor = false;  // checksum and sizes follow the data
  std::uint32_t crc = 0;
};
constexpr std::size_t kLocalHeaderBytes = 30;
constexpr std::uint32_t kLocalHeaderMagic = 0x04034b50;
constexpr std::uint32_t kDescriptorMagic = 0x08074b50;

// The header whose record begins at `data`. LibTorch does not say where it begins: it ends with a name and an extra
// field of the lengths it gives, right before the data.
std::optional<LocalHeader> FindLocalHeader(std::span<const std::byte> file, std::size_t data, std::string_view record) {
  constexpr std::size_t kFarthest = kLocalHeaderBytes + 1024;
  const std::size_t first = data > kFarthest ? data - kFarthest : 0;
  for (std::size_t at = data; at-- > first;) {
    if (data - at < kLocalHeaderBytes || NumberAt<std::uint32_t>(file, at) != kLocalHeaderMagic) continue;
    const std::size_t name_bytes = NumberAt<std::uint16_t>(file, at + 26);
    const std::size_t extra_bytes = NumberAt<std::uint16_t>(file, at + 28);
    if (at + kLocalHeaderBytes + name_bytes + extra_bytes != data) continue;
    const std::string_view name(reinterpret_cast<const char*>(file.data()) + at + kLocalHeaderBytes, name_bytes);
    if (!name.ends_with(record)) continue;
    return LocalHeader{.stored = NumberAt<std::uint16_t>(file, at + 8) == 0,
                       .has_descriptor = (NumberAt<std::uint16_t>(file, at + 6) & 8) != 0,
                       .crc = NumberAt<std::uint32_t>(file, at + 14)};
  }
  return std::nullopt;
}

// What begins with these bytes, and what to do with it.
struct OtherFormat {
  std::string_view begin;
  std::string_view is;
};

using namespace std::string_view_literals;

constexpr std::array<OtherFormat, 7> kOtherFormats{{
    {"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"sv,
     "has the format of PyTorch before 1.6: load it and save it again with a current PyTorch"},
    {"\x80"sv, "is a pickle, but none of torch.save's: load it and save the state dict with torch.save"},
    {"\x93NUMPY"sv, "is a NumPy array (.npy): save the tensors with torch.save, or as .safetensors"},
    {"\x89HDF\r\n"sv, "is an HDF5 file: save the tensors with torch.save, or as .safetensors"},
    {"GGUF"sv, "is a GGUF file: give the checkpoint that it was converted from"},
    {"\x1f\x8b"sv, "is compressed by gzip: unpack it"},
    {"version https://git-lfs"sv, "is a pointer of Git LFS, not the file itself: 'git lfs pull' fetches it"},
}};

[[noreturn]] void FailOnFormat(std::span<const std::byte> bytes, const std::string& path) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  for (const OtherFormat& format : kOtherFormats) {
    if (text.starts_with(format.begin)) Fail("{}: {}", path, format.is);
  }
  // What torch.save wrote before PyTorch 0.1.10.
  if (text.size() > 262 && text.substr(257, 5) == "ustar") {
    Fail("{}: is a tar archive, as PyTorch before 0.1.10 wrote: load it and save it again with a current PyTorch",
         path);
  }
  Fail("{}: is no checkpoint: expected .safetensors, or .pt as torch.save(model.state_dict()) writes it", path);
}

// By its first record: NumPy's archives hold arrays alone, torch.save's are folders.
void FailOnOtherZip(std::span<const std::byte> bytes, const std::string& path) {
  if (bytes.size() < kLocalHeaderBytes) return;
  const std::size_t name_bytes = NumberAt<std::uint16_t>(bytes, 26);
  if (name_bytes > bytes.size() - kLocalHeaderBytes) return;
  const std::string_view name(reinterpret_cast<const char*>(bytes.data()) + kLocalHeaderBytes, name_bytes);
  if (name.ends_with(".npy")) {
    Fail("{}: is a NumPy archive (.npz): save its tensors with torch.save, or as .safetensors", path);
  }
  if (name.find('/') == std::string_view::npos) {
    Fail("{}: is a zip archive, but none of torch.save's: it begins with {}", path, QuoteIfEscaped(name));
  }
}

}  // namespace

PtArchive::PtArchive(const std::filesystem::path& path) : path_(path.string()), file_(path) {
  const std::span<const std::byte> bytes = file_.bytes();
  if (bytes.empty()) Fail("{}: is empty, expected a checkpoint (.pt or .safetensors)", path_);
  if (bytes.size() < 4 || NumberAt<std::uint32_t>(bytes, 0) != kLocalHeaderMagic) FailOnFormat(bytes, path_);
  FailOnOtherZip(bytes, path_);
  try {
    reader_ = std::make_unique<caffe2::serialize::PyTorchStreamReader>(std::make_shared<MappedAdapter>(bytes));
  } catch (const c10::Error&) {
    Fail("{}: is truncated or damaged: its zip directory cannot be read", path_);
  }
  if (Has("constants.pkl") && Has("data.pkl")) {
    Fail("{}: is a TorchScript archive: torch.jit.load it and save its state_dict() with torch.save", path_);
  }
}

PtArchive::~PtArchive() = default;

bool PtArchive::Has(const std::string& record) const { return reader_->hasRecord(record); }

std::span<const std::byte> PtArchive::From(const std::string& record) const {
  return WithOneLineErrors(path_, [&] {
    if (!Has(record)) Fail("{}: is no checkpoint, or is damaged: it has no record {}", path_, record);
    const std::size_t offset = reader_->getRecordOffset(record);
    if (offset >= file_.size()) Fail("{}: is damaged: record {} lies outside the file", path_, record);
    const std::optional<LocalHeader> header = FindLocalHeader(file_.bytes(), offset, record);
    if (header && !header->stored) Fail("{}: record {} is compressed: save it again with torch.save", path_, record);
    return file_.bytes().subspan(offset);
  });
}

std::span<const std::byte> PtArchive::Read(const std::string& record, std::uint64_t bytes) const {
  const std::span<const std::byte> from = From(record);
  const std::size_t offset = file_.size() - from.size();
  const std::optional<LocalHeader> header = FindLocalHeader(file_.bytes(), offset, record);
  if (!header) Fail("{}: is damaged: record {} has no header", path_, record);
  if (bytes > from.size()) {
    Fail("{}: is truncated or damaged: record {} should have {} bytes, {} are left in the file", path_, record, bytes,
         from.size());
  }
  std::uint32_t crc = header->crc;
  if (header->has_descriptor) {
    if (from.size() - bytes < 8 || NumberAt<std::uint32_t>(from, bytes) != kDescriptorMagic) {
      Fail("{}: is damaged: record {} does not have {} bytes", path_, record, bytes);
    }
    crc = NumberAt<std::uint32_t>(from, bytes + 4);
  }
  const std::span<const std::byte> data = from.first(bytes);
  if (crc32_z(0, reinterpret_cast<const Bytef*>(data.data()), data.size()) != crc) {
    Fail("{}: is damaged: the checksum of record {} is wrong", path_, record);
  }
  return data;
}

}  // namespace actkin
