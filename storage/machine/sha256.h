#ifndef ACTKIN_STORAGE_MACHINE_SHA256_H_
#define ACTKIN_STORAGE_MACHINE_SHA256_H_

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace actkin {

// SHA-256 in lowercase hexadecimal.
std::string Sha256(std::span<const std::byte> bytes);
std::string Sha256(std::string_view bytes);

}  // namespace actkin

#endif  // ACTKIN_STORAGE_MACHINE_SHA256_H_
