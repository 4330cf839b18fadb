#include "os/region.hpp"

#include <sys/mman.h>

#include <cstring>

namespace sluice::os {
namespace {

/// Calls `change(part)` for what comes before and after `kept`; all of the region if that is empty.
template <class Change>
bool for_all_but(std::span<std::byte> region, std::span<std::byte> kept, Change&& change) noexcept {
  if (kept.empty()) return change(region);
  const auto before = static_cast<std::size_t>(kept.data() - region.data());
  const std::span<std::byte> parts[] = {region.first(before), region.subspan(before + kept.size())};
  bool done = true;
  for (const auto part : parts) done = (part.empty() || change(part)) && done;
  return done;
}

}  // namespace

std::span<std::byte> map_shared(std::size_t bytes) noexcept {
  constexpr int kShared = MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE;
  void* const data = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, kShared, -1, 0);
  if (data == MAP_FAILED) return {};
  return {static_cast<std::byte*>(data), bytes};
}

void clear_shared(std::span<std::byte> pages) noexcept {
  if (!pages.empty() && ::madvise(pages.data(), pages.size(), MADV_REMOVE) != 0) {
    std::memset(pages.data(), 0, pages.size());
  }
}

bool unmap_all_but(std::span<std::byte> region, std::span<std::byte> kept) noexcept {
  return for_all_but(region, kept, [](std::span<std::byte> part) { return ::munmap(part.data(), part.size()) == 0; });
}

bool protect_all_but(std::span<std::byte> region, std::span<std::byte> kept) noexcept {
  return for_all_but(region, kept,
                     [](std::span<std::byte> part) { return ::mprotect(part.data(), part.size(), PROT_READ) == 0; });
}

}  // namespace sluice::os
