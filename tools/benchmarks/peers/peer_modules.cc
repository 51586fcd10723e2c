#include "tools/benchmarks/peers/peer_modules.h"

#include <dlfcn.h>

#include <algorithm>
#include <filesystem>
#include <iterator>

#include "schema/error.h"

namespace actkin {
namespace {

struct Module {
  const char* file;     // in ACTKIN_BENCH_FOLDER; null: this program
  const char* package;  // without it the module is not built
  std::vector<std::string> peers;
};

const std::vector<Module>& Modules() {
  static const std::vector<Module> modules = {
      {"bench_faiss.so", "libfaiss-dev", {"faiss-flat", "faiss-pq"}},
      {nullptr, nullptr, {"sqlite-vec"}},
      {"bench_torch.so", "libtorch-dev", {"torch-memory", "file-batches"}},
      {"bench_hnswlib.so", "libhnswlib-dev", {"hnswlib"}},
      {"bench_faiss.so", "libfaiss-dev", {"faiss-hnsw32", "faiss-ivf"}},
      {nullptr, nullptr, {"sqlite-vss"}},
  };
  return modules;
}

PeerModule Load(const Module& module) {
  if (module.file == nullptr) return SqlitePeers();
  const std::filesystem::path path = std::filesystem::path(ACTKIN_BENCH_FOLDER) / module.file;
  if (!std::filesystem::exists(path)) {
    Fail("{} is not built: install {} and run tools/bench again", path.string(), module.package);
  }
  void* const library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) Fail("{}", ::dlerror());
  const auto entry = reinterpret_cast<const PeerModule* (*)()>(::dlsym(library, "actkin_bench_peers"));
  if (entry == nullptr) Fail("{}: holds no peers", path.string());
  return *entry();
}

}  // namespace

const std::vector<std::string>& PeerNames() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const Module& module : Modules()) std::ranges::copy(module.peers, std::back_inserter(all));
    return all;
  }();
  return names;
}

const PeerKind& FindPeer(const std::string& name) {
  const auto module =
      std::ranges::find_if(Modules(), [&](const Module& each) { return std::ranges::count(each.peers, name) > 0; });
  const PeerModule loaded = Load(*module);
  const auto kind =
      std::find_if(loaded.kinds, loaded.kinds + loaded.count, [&](const PeerKind& each) { return name == each.name; });
  if (kind == loaded.kinds + loaded.count) Fail("{}: does not hold the peer {}", module->file, name);
  return *kind;
}

}  // namespace actkin
