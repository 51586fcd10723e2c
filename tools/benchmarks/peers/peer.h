#ifndef ACTKIN_TOOLS_BENCHMARKS_PEERS_PEER_H_
#define ACTKIN_TOOLS_BENCHMARKS_PEERS_PEER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace actkin {

// What a peer searches: rows of one site, as the model put them out.
struct PeerRows {
  const float* values = nullptr;  // count x dimension, row-major; null for peers that take codes
  std::uint64_t count = 0;
  std::uint64_t dimension = 0;
  // Of an embedding site: one byte a position, and what each stands for; null elsewhere.
  const std::uint8_t* codes = nullptr;  // count x positions
  const float* codebooks = nullptr;     // positions x 256 x dimension / positions
  std::uint64_t positions = 0;
  std::string scratch;     // a folder for files of the peer's own, which it removes
  std::string extensions;  // the folder where npm has put the SQLite extensions
  int threads = 1;
};

// Another way to find the nearest rows by Euclidean distance. One thread at a time. Errors are std::exception.
class Peer {
 public:
  virtual ~Peer() = default;

  // The k nearest rows of each query, nearest first. queries: count x dimension; distances, not squared, and rows:
  // count x k.
  virtual void Search(const float* queries, std::size_t count, std::size_t k, float* distances, std::int64_t* rows) = 0;

  // Of an approximate peer: values of its one search parameter, from the quickest to the most accurate, and its name.
  virtual std::vector<int> Settings() const { return {}; }
  virtual std::string SettingName() const { return ""; }
  virtual void Set(int /*value*/) {}
};

enum class PeerTakes { kVectors, kCodes };

// A peer by name; a table of these is what every module of peers exports.
struct PeerKind {
  const char* name;
  const char* description;  // one line for people: what it is, and what threads do
  PeerTakes takes;
  bool exact;
  // How far a squared distance may be from the true one, in parts of (|query| + distance)^2: a peer that expands the
  // square (|x|^2 - 2xq + |q|^2) loses what both norms round to.
  double squared_error;
  // Bytes of vectors that it can hold, or takes a bearable time to; 0 for any. Of a larger site both sides search the
  // first rows.
  std::uint64_t largest_bytes;
  // Throws std::exception saying why this peer cannot be had, or cannot hold these rows. The rows stay while it lives.
  std::unique_ptr<Peer> (*load)(const PeerRows& rows);
};

struct PeerModule {
  const PeerKind* kinds;
  std::size_t count;
};

// The peers of this program itself.
PeerModule SqlitePeers();

}  // namespace actkin

#endif  // ACTKIN_TOOLS_BENCHMARKS_PEERS_PEER_H_
