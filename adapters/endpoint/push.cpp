// SPDX-License-Identifier: Apache-2.0
#include "sluice/push.hpp"

#include <utility>

#include "datagrams.hpp"
#include "http_client.hpp"
#include "push_loop.hpp"

namespace sluice::inline v0_1 {
namespace {

absl::StatusOr<Pusher> started(endpoint::BatchSource source,
                               absl::StatusOr<std::unique_ptr<endpoint::Transport>> transport,
                               const PushSchedule& schedule) {
  if (absl::Status status = endpoint::checked(schedule); !status.ok()) return status;
  if (!transport.ok()) return transport.status();
  auto loop = std::make_unique<Pusher::Loop>(std::move(source), *std::move(transport), schedule);
  if (absl::Status status = loop->start(); !status.ok()) return status;
  return Pusher(std::move(loop));
}

}  // namespace

absl::StatusOr<Pusher> push_otlp(OtlpSource source, OtlpPushOptions options) {
  if (source == nullptr) return absl::InvalidArgumentError("there is no function that returns bodies");
  auto one_body = [source = std::move(source)]() -> absl::StatusOr<endpoint::Batch> {
    absl::StatusOr<std::string> body = source();
    if (!body.ok()) return body.status();
    return endpoint::Batch{*std::move(body)};
  };
  return started(std::move(one_body),
                 endpoint::http_transport({.url = std::move(options.url),
                                           .content_type = std::string(encode::content_type(options.encoding)),
                                           .headers = std::move(options.headers)}),
                 options.schedule);
}

absl::StatusOr<Pusher> push_statsd(StatsdSource source, const StatsdPushOptions& options) {
  if (source == nullptr) return absl::InvalidArgumentError("there is no function that returns packets");
  auto packets = [source = std::move(source)]() -> absl::StatusOr<endpoint::Batch> {
    endpoint::Batch batch;
    if (absl::Status status = source([&](std::string_view packet) { batch.emplace_back(packet); }); !status.ok()) {
      return status;
    }
    return batch;
  };
  return started(std::move(packets), endpoint::datagram_transport(options), options.schedule);
}

}  // namespace sluice
