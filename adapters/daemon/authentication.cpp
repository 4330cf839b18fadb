// SPDX-License-Identifier: Apache-2.0
#include "adapters/daemon/authentication.hpp"

#include <apr_siphash.h>
#include <sys/random.h>

#include <cerrno>
#include <cstring>

#include "adapters/daemon/wire.hpp"

namespace sluice::daemon {
namespace {

using Code = std::array<unsigned char, kAuthenticationCodeBytes>;
static_assert(sizeof(Code) == APR_SIPHASH_DSIZE);
static_assert(sizeof(RequestKey) == APR_SIPHASH_KSIZE);

Code code_of(const RequestKey& key, std::string_view payload) noexcept {
  const std::string_view signed_part = payload.substr(kAuthenticationCodeBytes);
  Code code;
  apr_siphash24_auth(code.data(), signed_part.data(), signed_part.size(), key.bytes.data());
  return code;
}

}  // namespace

bool KeyRing::add_generation() noexcept {
  RequestKey key;
  std::size_t drawn = 0;
  while (drawn < key.bytes.size()) {
    const ssize_t more = ::getrandom(key.bytes.data() + drawn, key.bytes.size() - drawn, 0);
    if (more < 0 && errno == EINTR) continue;
    if (more <= 0) return false;
    drawn += static_cast<std::size_t>(more);
  }
  ++newest_;
  keys_[newest_ % kGenerations] = key;
  ::explicit_bzero(&key, sizeof key);  // because processes of other groups inherit this stack
  return true;
}

const RequestKey* KeyRing::find(std::uint64_t generation) const noexcept {
  if (generation == 0 || generation > newest_ || newest_ - generation >= kGenerations) return nullptr;
  return &keys_[generation % kGenerations];
}

void sign(const RequestKey& key, std::string& payload) noexcept {
  const Code code = code_of(key, payload);
  std::memcpy(payload.data(), code.data(), code.size());
}

bool verify(const RequestKey& key, std::string_view payload) noexcept {
  if (payload.size() < kAuthenticationCodeBytes) return false;
  const Code expected = code_of(key, payload);
  unsigned difference = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    difference |= expected[i] ^ static_cast<unsigned char>(payload[i]);
  }
  return difference == 0;
}

}  // namespace sluice::daemon
