// SPDX-License-Identifier: Apache-2.0
// Order map (that of a single record is in detail/seqlock.hpp)
//   [H1] finish  store completed  release   pairs with [H2]: the records that are counted are visible
//   [H2] take    load  completed  acquire   pairs with [H1]
#include "adapters/wsgi/schema/slow_requests.hpp"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>

#include "sluice/detail/policy.hpp"
#include "sluice/detail/seqlock.hpp"
#include "sluice/detail/slot.hpp"
#include "sluice/fork_wiped_memory.hpp"
#include "sluice/units.hpp"

namespace sluice::wsgi {
namespace {

using Atomics = sluice::detail::ProductionAtomics;

constexpr std::size_t kTextBytes = 832;

constexpr std::size_t sum_of_limits() {
  std::size_t sum = 0;
  for (const std::size_t limit : kRequestTextMax) sum += limit;
  return sum;
}
static_assert(sum_of_limits() == kTextBytes);

/// The memory representation of a request. The text comes last, so that only as much of it as is used is copied.
struct Copy {
  Timestamps timestamps;  ///< Without an instant of acceptance there is no request.
  std::int64_t accepted_wall_ns;
  std::uint64_t sequence;  ///< Sequence with which it was stored when it began, as no other request of the slot.
  std::uint64_t server_pid;
  std::uint64_t active_at_start;
  std::uint64_t duration_us;  ///< This and the members below are set when it completes.
  std::uint64_t active_requests;
  ThreadCpu cpu;
  Completion done;
  std::array<std::uint32_t, kRequestTexts + 1> lengths;
  std::array<char, kTextBytes> text;
};

/// The word of an instant, by its offset in the timestamps.
template <std::size_t Offset>
constexpr std::size_t kWordOf = (offsetof(Copy, timestamps) + Offset) / sizeof(std::uint64_t);

static_assert(kWordOf<offsetof(Timestamps, accepted_ns)> == 0, "an empty copy is stored as its first word");

using Box = sluice::detail::Seqlock<Atomics, Copy>;

std::size_t copy_texts(const RequestTexts& texts, Copy& copy) noexcept {
  std::size_t used = 0;
  for (std::size_t i = 0; i < kRequestTexts; ++i) {
    const std::size_t length = std::min(texts[i].size(), kRequestTextMax[i]);
    if (length != 0) std::memcpy(copy.text.data() + used, texts[i].data(), length);
    copy.lengths[i] = static_cast<std::uint32_t>(length);
    used += length;
  }
  copy.lengths[kRequestTexts] = static_cast<std::uint32_t>(used);
  return offsetof(Copy, text) + used;
}

SlowRequest record_of(const Copy& copy, std::size_t slot) {
  SlowRequest record;
  record.thread_id = slot + 1;
  record.server_pid = copy.server_pid;
  record.active_at_start = copy.active_at_start;
  record.start_time = static_cast<double>(copy.accepted_wall_ns) / 1e9;
  record.sequence = copy.sequence;
  std::size_t at = 0;
  for (std::size_t i = 0; i < kRequestTexts; ++i) {
    const std::size_t length = std::min<std::size_t>(copy.lengths[i], kTextBytes - at);
    record.texts[i].assign(copy.text.data() + at, length);
    at += length;
  }
  return record;
}

}  // namespace

struct SlowRequests::Memory {
  struct alignas(2 * sluice::detail::kLine) Slot {
    Box active;
    Atomics::Atomic<std::uint64_t> completed;  ///< Number of slow requests.
    std::array<Box, kKept> kept;               ///< The last ones, by number modulo kKept.
  };

  explicit Memory(std::size_t threads) : size(threads), mapping(threads * sizeof(Slot)) {}

  [[nodiscard]] Slot& slot(std::size_t i) const noexcept { return static_cast<Slot*>(mapping.data())[i]; }

  std::size_t size;
  ForkWipedMemory mapping;
};

SlowRequests::SlowRequests(std::size_t threads, std::uint64_t threshold_us, const Clock& clock)
    : threshold_us_(threshold_us), clock_(clock), memory_(std::make_unique<Memory>(threads)) {}

SlowRequests::~SlowRequests() = default;

void SlowRequests::begin(std::size_t slot, const Timestamps& timestamps, const RequestTexts& texts,
                         std::uint64_t server_pid) noexcept {
  Box& box = memory_->slot(slot).active;
  const std::uint64_t now_ns = clock_.monotonic_ns();
  Copy copy;  // members that are not set are not copied, or have no meaning before the request completes
  copy.timestamps = timestamps;
  std::uint64_t& accepted_ns = copy.timestamps.accepted_ns;
  if (accepted_ns == 0) accepted_ns = now_ns;
  copy.sequence = box.own_sequence() + 2;
  copy.server_pid = server_pid;
  copy.active_at_start = count_active() + 1;  // this request is not stored yet
  copy.duration_us = copy.active_requests = 0;
  copy.cpu = {};
  copy.done = {};
  const std::uint64_t age_ns = now_ns > accepted_ns ? now_ns - accepted_ns : 0;
  copy.accepted_wall_ns = clock_.wall_ns() - static_cast<std::int64_t>(age_ns);
  box.store(copy, copy_texts(texts, copy), copy.sequence);
}

void SlowRequests::enter(std::size_t slot, std::uint64_t entered_ns) noexcept {
  memory_->slot(slot).active.put(kWordOf<offsetof(Timestamps, entered_ns)>, entered_ns);
}

void SlowRequests::leave(std::size_t slot, std::uint64_t left_ns) noexcept {
  memory_->slot(slot).active.put(kWordOf<offsetof(Timestamps, left_ns)>, left_ns);
}

void SlowRequests::cancel(std::size_t slot) noexcept {
  Box& box = memory_->slot(slot).active;
  const Copy none{};
  box.store(none, sizeof none.timestamps.accepted_ns, box.own_sequence() + 2);
}

std::size_t SlowRequests::count_active() const noexcept {
  std::size_t count = 0;
  for (std::size_t i = 0; i < memory_->size; ++i) {
    // An estimate, because other requests begin and end meanwhile.
    if (memory_->slot(i).active.own_word(kWordOf<offsetof(Timestamps, accepted_ns)>) != 0) ++count;
  }
  return count;
}

/// Stores a slow request with the completed ones before it ceases to be active. So a reader that looks at active
/// requests first finds it among the active ones, the completed ones, or both.
void SlowRequests::finish(std::size_t slot, const Completion& done, const ThreadCpu& cpu,
                          std::uint64_t now_ns) noexcept {
  Memory::Slot& own = memory_->slot(slot);
  const std::uint64_t accepted_ns = own.active.own_word(kWordOf<offsetof(Timestamps, accepted_ns)>);
  if (accepted_ns == 0) return;  // begun before a fork
  const std::uint64_t duration_us = std::max(elapsed_us(accepted_ns, now_ns), done.request_us);
  Copy copy;
  // The thread's own copy is always whole, unless the process has overwritten it; then the request is dropped.
  if (duration_us >= threshold_us_ && own.active.load(copy) != 0) {
    copy.duration_us = duration_us;
    copy.active_requests = count_active();
    copy.cpu = cpu;
    copy.done = done;
    const std::uint64_t number = own.completed.load(std::memory_order_relaxed);  // own store
    const std::size_t bytes = offsetof(Copy, text) + std::min<std::size_t>(copy.lengths[kRequestTexts], kTextBytes);
    own.kept[number % kKept].store(copy, bytes, 2 * number + 2);
    own.completed.store(number + 1, std::memory_order_release);  // [H1]
  }
  cancel(slot);
}

SlowReader::SlowReader(SlowRequests& requests)
    : requests_(requests), process_(::getpid()), next_(requests.memory_->size) {
  for (std::size_t i = 0; i < next_.size(); ++i) {
    next_[i] = requests_.memory_->slot(i).completed.load(std::memory_order_relaxed);  // only the number is used
  }
}

std::uint64_t SlowReader::lost() const {
  const std::lock_guard lock(lock_);
  return process_ == ::getpid() ? lost_ : 0;
}

void SlowReader::take_completed(std::size_t slot, std::vector<SlowRequest>& into) {
  const SlowRequests::Memory::Slot& from = requests_.memory_->slot(slot);
  const std::uint64_t completed = from.completed.load(std::memory_order_acquire);  // [H2]
  std::uint64_t& next = next_[slot];
  if (completed - next > SlowRequests::kKept) {
    lost_ += completed - next - SlowRequests::kKept;
    next = completed - SlowRequests::kKept;
  }
  for (; next < completed; ++next) {
    Copy copy;
    if (from.kept[next % SlowRequests::kKept].load(copy) != 2 * next + 2) {
      ++lost_;  // overwritten meanwhile
      continue;
    }
    SlowRequest record = record_of(copy, slot);
    record.duration_us = copy.duration_us;
    record.active_requests = copy.active_requests;
    record.cpu = copy.cpu;
    record.done = copy.done;
    into.push_back(std::move(record));
  }
}

/// Skips a copy that is being written: its request has just begun, or is with the completed ones already.
void SlowReader::take_active(std::size_t slot, std::uint64_t now_ns, std::vector<SlowRequest>& into) const {
  Copy copy;
  Timestamps& timestamps = copy.timestamps;
  if (requests_.memory_->slot(slot).active.load(copy) == 0 || timestamps.accepted_ns == 0) return;
  const std::uint64_t duration_us = elapsed_us(timestamps.accepted_ns, now_ns);
  if (duration_us < requests_.threshold_us()) return;
  SlowRequest record = record_of(copy, slot);
  record.active = true;
  record.duration_us = duration_us;
  if (timestamps.left_ns == 0) timestamps.left_ns = now_ns;
  timestamps.flushed_ns = now_ns;
  sequential_phases(timestamps, record.done);
  into.push_back(std::move(record));
}

std::vector<SlowRequest> SlowReader::drain() {
  const std::lock_guard lock(lock_);
  SlowRequests::Memory& memory = *requests_.memory_;
  if (memory.mapping.inherited()) memory.mapping.adopt();
  if (process_ != ::getpid()) {  // a forked child, whose numbers begin anew
    process_ = ::getpid();
    std::fill(next_.begin(), next_.end(), 0);
    lost_ = 0;
  }
  std::vector<SlowRequest> active;
  std::vector<SlowRequest> all;
  const std::uint64_t now_ns = requests_.clock_.monotonic_ns();
  for (std::size_t slot = 0; slot < memory.size; ++slot) take_active(slot, now_ns, active);
  for (std::size_t slot = 0; slot < memory.size; ++slot) take_completed(slot, all);
  const std::size_t completed = all.size();
  for (SlowRequest& request : active) {
    const bool since_completed =
        std::any_of(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(completed), [&](const SlowRequest& other) {
          return other.thread_id == request.thread_id && other.sequence == request.sequence;
        });
    if (!since_completed) all.push_back(std::move(request));
  }
  return all;
}

}  // namespace sluice::wsgi
