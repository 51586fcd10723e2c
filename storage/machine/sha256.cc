#include "storage/machine/sha256.h"

#include <openssl/evp.h>

#include <array>

#include "schema/error.h"

namespace actkin {

std::string Sha256(std::span<const std::byte> bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1) {
    Fail("SHA-256 is not available from OpenSSL");
  }
  std::string text;
  for (unsigned int i = 0; i < size; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

std::string Sha256(std::string_view bytes) { return Sha256(std::as_bytes(std::span(bytes))); }

}  // namespace actkin
