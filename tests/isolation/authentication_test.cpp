// SPDX-License-Identifier: Apache-2.0
#include "adapters/daemon/authentication.hpp"

#include <cstring>
#include <memory>

#include "adapters/daemon/wire.hpp"
#include "tests/catch.hpp"

namespace {

using namespace sluice::daemon;

std::string payload() {
  RequestHead head;
  head.generation = 1;
  head.script = "/srv/app.wsgi";
  return encode(head).value();
}

}  // namespace

TEST_CASE("authentication: every byte of a head is signed, and the code itself has to be right") {
  KeyRing ring{};
  REQUIRE(ring.add_generation());
  const RequestKey& key = *ring.find(ring.newest());
  std::string head = payload();
  CHECK_FALSE(verify(key, head));
  sign(key, head);
  CHECK(verify(key, head));
  for (std::size_t i = 0; i < head.size(); ++i) {
    std::string changed = head;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    CHECK_FALSE(verify(key, changed));
  }
  CHECK_FALSE(verify(key, head + '\0'));
  CHECK_FALSE(verify(key, "short"));
  REQUIRE(ring.add_generation());
  CHECK_FALSE(verify(*ring.find(2), head));
}

TEST_CASE("authentication: a ring has the keys of its last generations") {
  KeyRing ring{};
  CHECK(ring.newest() == 0);
  CHECK(ring.find(0) == nullptr);
  CHECK(ring.find(1) == nullptr);
  std::array<RequestKey, 2 * KeyRing::kGenerations + 4> keys{};
  for (std::uint64_t generation = 1; generation <= keys.size(); ++generation) {
    REQUIRE(ring.add_generation());
    CHECK(ring.newest() == generation);
    keys[generation - 1] = *ring.find(generation);
    CHECK(ring.find(generation + 1) == nullptr);
    for (std::uint64_t older = 1; older < generation; ++older) {
      const RequestKey* const key = ring.find(older);
      REQUIRE((key != nullptr) == (generation - older < KeyRing::kGenerations));
      if (key != nullptr) CHECK(key->bytes == keys[older - 1].bytes);
    }
  }
}

TEST_CASE("authentication: zeros are an empty ring") {
  alignas(KeyRing) unsigned char memory[sizeof(KeyRing)];
  KeyRing ring{};
  REQUIRE(ring.add_generation());
  std::memset(static_cast<void*>(&ring), 0, sizeof ring);
  CHECK(ring.newest() == 0);
  CHECK(ring.find(1) == nullptr);
  std::memset(memory, 0, sizeof memory);
  KeyRing empty{};
  CHECK(std::memcmp(memory, &empty, sizeof memory) == 0);
}
