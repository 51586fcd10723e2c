#ifndef ACTKIN_STORAGE_MACHINE_SHA256_H_
#define ACTKIN_STORAGE_MACHINE_SHA256_H_

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

struct evp_md_ctx_st;  // of OpenSSL

namespace actkin {

// SHA-256 in lowercase hexadecimal.
std::string Sha256(std::span<const std::byte> bytes);
std::string Sha256(std::string_view bytes);

// The same of bytes that come in pieces. One thread at a time.
class Sha256Stream {
 public:
  Sha256Stream();
  ~Sha256Stream();
  void Add(std::span<const std::byte> bytes);
  // Of all that was added. Called once, at the end.
  std::string Finish();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

}  // namespace actkin

#endif  // ACTKIN_STORAGE_MACHINE_SHA256_H_
