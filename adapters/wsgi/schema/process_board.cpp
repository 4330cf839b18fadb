// SPDX-License-Identifier: Apache-2.0
#include "adapters/wsgi/schema/process_board.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>

#include "sluice/detail/policy.hpp"
#include "sluice/detail/seqlock.hpp"
#include "sluice/detail/slot.hpp"

namespace sluice::wsgi {
namespace {

/// The memory representation of a request. The text comes last, so that only as much of it as is used is copied.
struct Copy {
  std::uint64_t start_ns;  ///< Start of the request; 0 for none.
  std::uint32_t method_size;
  std::uint32_t path_size;
  std::array<char, ProcessBoard::kMethodBytes> method;
  std::array<char, ProcessBoard::kPathBytes> path;
};

// Atomic in builds for ThreadSanitizer, too, because another process reads.
using Box = sluice::detail::Seqlock<sluice::detail::StdAtomics, Copy>;

struct alignas(sluice::detail::kLine) Header {
  std::atomic<std::uint64_t> state;
};

struct alignas(sluice::detail::kLine) Slot {
  Box request;
};

Slot& slot_in(std::span<std::byte> memory, std::size_t i) noexcept {
  return reinterpret_cast<Slot*>(memory.data() + sizeof(Header))[i];
}

/// Appends a text to the path of a copy, as far as there is room.
void append(Copy& copy, std::string_view text) noexcept {
  const std::size_t size = std::min(text.size(), copy.path.size() - copy.path_size);
  if (size != 0) std::memcpy(copy.path.data() + copy.path_size, text.data(), size);
  copy.path_size += static_cast<std::uint32_t>(size);
}

}  // namespace

std::string_view name_of(ProcessState state) noexcept {
  switch (state) {
    case ProcessState::kStarting:
      return "starting";
    case ProcessState::kServing:
      return "serving";
    case ProcessState::kRefusing:
      return "refusing";
  }
  return {};
}

std::size_t ProcessBoard::bytes(std::size_t threads) noexcept { return sizeof(Header) + threads * sizeof(Slot); }

void ProcessBoard::set_state(ProcessState state) const noexcept {
  if (memory_.empty()) return;
  auto& header = *reinterpret_cast<Header*>(memory_.data());
  header.state.store(static_cast<std::uint64_t>(state), std::memory_order_relaxed);  // publishes nothing else
}

void ProcessBoard::begin(std::size_t slot, std::uint64_t start_ns, std::string_view method,
                         std::string_view script_name, std::string_view path_info) const noexcept {
  if (memory_.empty()) return;
  Copy copy;  // bytes behind the sizes of the texts are not read
  copy.start_ns = start_ns;
  copy.method_size = static_cast<std::uint32_t>(std::min(method.size(), copy.method.size()));
  if (copy.method_size != 0) std::memcpy(copy.method.data(), method.data(), copy.method_size);
  copy.path_size = 0;
  append(copy, script_name);
  append(copy, path_info);
  Box& box = slot_in(memory_, slot).request;
  box.store(copy, offsetof(Copy, path) + copy.path_size, box.own_sequence() + 2);
}

void ProcessBoard::end(std::size_t slot) const noexcept {
  if (memory_.empty()) return;
  Box& box = slot_in(memory_, slot).request;
  const Copy none{};
  box.store(none, sizeof none.start_ns, box.own_sequence() + 2);
}

ProcessState state_in(std::span<const std::byte> memory) noexcept {
  if (memory.size() < sizeof(Header)) return ProcessState::kStarting;
  const auto& header = *reinterpret_cast<const Header*>(memory.data());
  return static_cast<ProcessState>(header.state.load(std::memory_order_relaxed));  // it publishes no other data
}

std::vector<RequestInFlight> requests_in(std::span<const std::byte> memory, std::size_t threads) {
  std::vector<RequestInFlight> requests;
  if (memory.size() < ProcessBoard::bytes(threads)) return requests;
  const auto* const slots = reinterpret_cast<const Slot*>(memory.data() + sizeof(Header));
  for (std::size_t i = 0; i < threads; ++i) {
    Copy copy;
    if (slots[i].request.load(copy) == 0 || copy.start_ns == 0) continue;
    requests.push_back({.thread_id = i + 1,
                        .start_ns = copy.start_ns,
                        .method = {copy.method.data(), std::min<std::size_t>(copy.method_size, copy.method.size())},
                        .path = {copy.path.data(), std::min<std::size_t>(copy.path_size, copy.path.size())}});
  }
  return requests;
}

}  // namespace sluice::wsgi
