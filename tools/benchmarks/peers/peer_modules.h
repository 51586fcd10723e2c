#ifndef ACTKIN_TOOLS_BENCHMARKS_PEERS_PEER_MODULES_H_
#define ACTKIN_TOOLS_BENCHMARKS_PEERS_PEER_MODULES_H_

#include <string>
#include <vector>

#include "tools/benchmarks/peers/peer.h"

namespace actkin {

// The names of all peers that search, in the order in which they are measured.
const std::vector<std::string>& PeerNames();

// Loads the shared library that holds the peer, unless that is done. Libraries of peers do not see each other. Throws
// Error saying why the peer cannot be had. REQUIRES: the name is one of PeerNames.
const PeerKind& FindPeer(const std::string& name);

}  // namespace actkin

#endif  // ACTKIN_TOOLS_BENCHMARKS_PEERS_PEER_MODULES_H_
