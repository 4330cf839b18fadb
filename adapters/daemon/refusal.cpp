// SPDX-License-Identifier: Apache-2.0
#include "adapters/daemon/refusal.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdint>
#include <string>

#include "adapters/daemon/channel.hpp"
#include "adapters/daemon/deadlines.hpp"
#include "adapters/daemon/wire.hpp"
#include "sluice/clock.hpp"
#include "sluice/units.hpp"

namespace sluice::daemon {
namespace {

constexpr std::uint64_t kRefusalNs = 60 * kNsPerSecond;
constexpr int kTickMs = 200;
/// The time for one request. The server sends its head at once.
constexpr std::uint64_t kRequestNs = 2 * kNsPerSecond;
constexpr std::uint32_t kServiceUnavailable = 503;
/// The server asks other processes of the group first: that many, and for that time. Where a script has changed, most
/// of them leave the request to yet others.
constexpr std::uint32_t kTriesElsewhere = 20;
constexpr std::uint64_t kElsewhereNs = 200'000'000;

/// Returns true if the server is to ask another process.
bool goes_elsewhere(const RequestHead& head) noexcept {
  const std::uint64_t now_ns = monotonic_ns();
  return head.tries < kTriesElsewhere || now_ns - std::min(head.timestamps.queued_ns, now_ns) < kElsewhereNs;
}

/// Reads the head of a request, because the server would otherwise take its end for that of a process that has not seen
/// the request, and answers.
void refuse(int socket) {
  Channel channel(socket, Sender::kServer, 0);
  channel.end_at(monotonic_ns() + kRequestNs);
  const absl::StatusOr<Frame> frame = channel.next();
  if (!frame.ok()) return;
  const absl::StatusOr<std::string> payload = channel.read(frame->size);
  if (!payload.ok()) return;
  // Whether the request is signed does not matter, because nothing is done for it.
  if (RequestHead head; decode(*payload, head) && goes_elsewhere(head)) {
    static_cast<void>(channel.send(FrameType::kRetry));
    return;
  }
  static_cast<void>(channel.send(FrameType::kFailed, encode_failure(kServiceUnavailable)));
}

}  // namespace

void refuse_requests(int listener, Heartbeat* heartbeat, absl::FunctionRef<bool()> ending) {
  if (!DeadlineWatcher::start()) listener = -1;
  const std::uint64_t until_ns = monotonic_ns() + kRefusalNs;
  while (!ending() && monotonic_ns() < until_ns) {
    if (heartbeat != nullptr) heartbeat->beat();
    pollfd arrival = {.fd = listener, .events = POLLIN, .revents = 0};
    if (::poll(&arrival, 1, kTickMs) <= 0) continue;
    // Another process of the group may have accepted the connection, so this waits for a tick at most.
    const BlockingScope scope(monotonic_ns() + static_cast<std::uint64_t>(kTickMs) * 1'000'000);
    const int socket = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket >= 0) refuse(socket);
  }
}

}  // namespace sluice::daemon
