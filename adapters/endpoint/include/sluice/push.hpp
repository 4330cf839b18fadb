// SPDX-License-Identifier: Apache-2.0
// Pushers: threads that send metrics to a receiver of OTLP or StatsD at an interval. Part of the target
// sluice::endpoint.
//
//   absl::StatusOr<sluice::Pusher> pusher = sluice::push_otlp(recorder, "shop", {.url =
//   "http://127.0.0.1:4318/v1/metrics"});
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sluice/encode/otlp.hpp"
#include "sluice/encode/statsd.hpp"
#include "sluice/recorder.hpp"
#include "sluice/registry.hpp"

namespace sluice::inline v0_1 {

/// \addtogroup endpoint_api
/// @{

/// When a pusher sends. No time is longer than a year.
struct PushSchedule {
  std::chrono::milliseconds interval{60'000};       ///< Time between two batches, at least 1 ms.
  std::chrono::milliseconds timeout{10'000};        ///< Time that one attempt may take.
  std::chrono::milliseconds first_pause{1'000};     ///< Pause after a failed attempt; doubled with each further one.
  std::chrono::milliseconds longest_pause{60'000};  ///< Longest pause. A pause is shortened by up to a half, at random.
  std::chrono::milliseconds flush{5'000};           ///< Time that the destructor may take to send the rest.
  std::size_t queue = 8;  ///< Most batches that wait, at least 1. The source is not called while so many do.
};

/// The messages of a pusher since it was made: bodies of OTLP, packets of StatsD.
struct PushCounts {
  std::uint64_t taken = 0;      ///< Messages that the source returned.
  std::uint64_t delivered = 0;  ///< Messages that the receiver took; for datagrams, that were sent and not refused.
  std::uint64_t dropped = 0;    ///< Messages that the receiver refused for good, or that were left at the end.
  std::uint64_t waiting = 0;    ///< Messages that wait to be sent.
  std::uint64_t failures = 0;   ///< Failed attempts, and failed calls of the source.
};

/// A thread that takes batches of messages from a source and sends them. Move-only. The destructor takes and sends a
/// last batch, for as long as PushSchedule::flush says. In a forked child the pusher sends nothing, has
/// no counts, and its destructor does nothing.
class Pusher {
 public:
  /// Takes over a pusher.
  Pusher(Pusher&&) noexcept;
  /// Ends this pusher and takes over another one.
  Pusher& operator=(Pusher&&) noexcept;
  ~Pusher();

  /// Takes a batch now and sends all that waits, without regard to a pause. \return DeadlineExceeded if messages still
  /// wait after `timeout`, with the error of the last attempt in the message; if nothing waits, but the source failed
  /// or the receiver refused a message, the first of these errors; FailedPrecondition in a forked child, and for a
  /// pusher that was moved from.
  absl::Status flush(std::chrono::milliseconds timeout);

  /// Returns the counts. Any thread.
  [[nodiscard]] PushCounts counts() const;

  /// Returns the error of the last attempt or of the last call of the source; OK if it succeeded. Any thread.
  [[nodiscard]] absl::Status last_error() const;

  /// The thread and its state.
  class Loop;
  /// Makes a pusher of a loop.
  explicit Pusher(std::unique_ptr<Loop> loop) noexcept;

 private:
  std::unique_ptr<Loop> loop_;
};

/// Returns the body of the next request. Called on the thread of the pusher. An error is kept for last_error().
using OtlpSource = std::function<absl::StatusOr<std::string>()>;

/// Settings of push_otlp().
struct OtlpPushOptions {
  std::string url = "http://127.0.0.1:4318/v1/metrics";             ///< Address of the receiver, http or https.
  encode::OtlpEncoding encoding = encode::OtlpEncoding::kProtobuf;  ///< Encoding of the bodies.
  std::vector<std::pair<std::string, std::string>> headers = {};    ///< Header fields, as for authentication.
  std::vector<std::pair<std::string, std::string>> resource = {};   ///< Attributes of the resource of bodies made here.
  PushSchedule schedule = {};                                       ///< When requests are sent.
};

/// Starts a pusher of OTLP over HTTP. Attempts that could not reach the receiver, or were answered with 429, 502, 503
/// or 504, are repeated, after the time of Retry-After where that is longer than the pause, up to an hour; other
/// errors drop the message. Redirections are not followed. Proxies are taken from the environment, as libcurl does.
/// \return InvalidArgument for a URL, a header field or a time that cannot be used; ResourceExhausted if no thread can
/// be started.
[[nodiscard]] absl::StatusOr<Pusher> push_otlp(OtlpSource source, OtlpPushOptions options = {});

/// Starts a pusher of the windows of a recorder, which must outlive it, as deltas with the attribute `service.name`,
/// and of gauges. Their functions are called on the thread of the pusher, perhaps twice for a message; their texts must
/// outlive it too. A receiver adds up what comes from one resource, so processes of one service need different
/// attributes, see OtlpPushOptions::resource.
/// \return As above; InvalidArgument also for an attribute that has no name, or that of another one.
/// \throws std::bad_alloc
[[nodiscard]] absl::StatusOr<Pusher> push_otlp(RecorderBase& recorder, const std::string& service_name,
                                               OtlpPushOptions options = {}, std::vector<encode::Gauge> gauges = {});

/// Does the same with the readings of a registry, by process group: their sums, which OTLP calls cumulative. The state
/// of the registry must outlive the pusher. For a process that may call Registry::read().
/// \return As above; FailedPrecondition if the registry is not open.
/// \throws std::bad_alloc
[[nodiscard]] absl::StatusOr<Pusher> push_otlp(const Registry& registry, const std::string& service_name,
                                               OtlpPushOptions options = {}, std::vector<encode::Gauge> gauges = {});

/// Calls the function with each packet of the next batch. Called on the thread of the pusher.
using StatsdSource = std::function<absl::Status(absl::FunctionRef<void(std::string_view)>)>;

/// Settings of push_statsd().
struct StatsdPushOptions {
  /// Name or address of the receiver. A name is resolved once, when it starts; where one of its addresses cannot be
  /// reached or refuses datagrams, the next is used.
  std::string host = "127.0.0.1";
  std::uint16_t port = 8125;   ///< Port of the receiver, UDP.
  std::string unix_path = {};  ///< Path of a Unix datagram socket to send to, instead of a host and a port.
  PushSchedule schedule = {.interval = std::chrono::milliseconds(10'000)};  ///< When batches are sent.
};

/// Starts a pusher of StatsD. Datagrams are not acknowledged: the loss of one is seen only where its receiver's kernel
/// refuses it, and then the rest of the batch waits for the next attempt. Nothing blocks: while the kernel's buffer is
/// full, messages wait.
/// \return InvalidArgument for an option that cannot be used; NotFound for a name without an address;
/// ResourceExhausted if no thread can be started.
[[nodiscard]] absl::StatusOr<Pusher> push_statsd(StatsdSource source, const StatsdPushOptions& options = {});

/// Starts a pusher of the windows of a recorder, which must outlive it, and of gauges as above.
/// \return As above.
/// \throws std::bad_alloc
[[nodiscard]] absl::StatusOr<Pusher> push_statsd(RecorderBase& recorder, encode::StatsdDialect dialect,
                                                 const StatsdPushOptions& options = {},
                                                 std::vector<encode::Gauge> gauges = {});

/// Does the same with what the processes of a registry count from now on, by process group. The state of the registry
/// must outlive the pusher. For a process that may call Registry::read().
/// \return As above; otherwise the error of Registry::read(), whose reading is where the counts begin.
/// \throws std::bad_alloc
[[nodiscard]] absl::StatusOr<Pusher> push_statsd(const Registry& registry, encode::StatsdDialect dialect,
                                                 const StatsdPushOptions& options = {},
                                                 std::vector<encode::Gauge> gauges = {});

/// @}

}  // namespace sluice
