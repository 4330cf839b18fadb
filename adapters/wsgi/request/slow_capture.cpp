// SPDX-License-Identifier: Apache-2.0
#include "adapters/wsgi/request/slow_capture.hpp"

#include <unistd.h>

#include <array>
#include <string_view>
#include <utility>

#include "sluice/clock.hpp"

namespace sluice::wsgi {
namespace {

constexpr auto kVariables = std::to_array<std::pair<std::string_view, RequestText>>({
    {"REQUEST_METHOD", RequestText::kMethod},
    {"SERVER_NAME", RequestText::kHost},
    {"SCRIPT_NAME", RequestText::kScriptName},
    {"PATH_INFO", RequestText::kPathInfo},
    {"SERVER_PROTOCOL", RequestText::kProtocol},
    {"REMOTE_ADDR", RequestText::kPeerAddress},
    {"HTTP_USER_AGENT", RequestText::kUserAgent},
});

}  // namespace

void SlowCapture::describe(const Exchange& exchange, const DispatchedRequest& dispatched, const ServerFacts& facts) {
  cpu_start_ = thread_cpu();
  RequestTexts texts;
  const auto text = [&texts](RequestText which) -> std::string_view& { return texts[static_cast<std::size_t>(which)]; };
  // Views suffice, because begin() copies the texts.
  exchange.each_variable([&](std::string_view key, std::string_view value) {
    for (const auto& [name, which] : kVariables) {
      if (key == name) text(which) = value;
    }
  });
  if (board_ != nullptr) {
    const std::uint64_t accepted_ns = measurement_.timestamps.accepted_ns;
    board_->begin(measurement_.slot, accepted_ns != 0 ? accepted_ns : monotonic_ns(), text(RequestText::kMethod),
                  text(RequestText::kScriptName), text(RequestText::kPathInfo));
  }
  if (measurement_.slow == nullptr) return;
  if (!facts.capture_user_agent) text(RequestText::kUserAgent) = {};
  text(RequestText::kId) = exchange.id();
  text(RequestText::kScheme) = exchange.https() ? "https" : "http";
  const long pid = dispatched.server_pid != 0 ? dispatched.server_pid : ::getpid();
  measurement_.slow->begin(measurement_.slot, measurement_.timestamps, texts, static_cast<std::uint64_t>(pid));
}

void SlowCapture::withdraw() const noexcept {
  if (board_ != nullptr) board_->end(measurement_.slot);
  if (measurement_.slow != nullptr) measurement_.slow->cancel(measurement_.slot);
}

void SlowCapture::conclude() const noexcept {
  if (board_ != nullptr) board_->end(measurement_.slot);
  if (measurement_.slow == nullptr) return;
  const ThreadCpu now = thread_cpu();
  Completion done = measurement_.done;
  sequential_phases(measurement_.timestamps, done);  // sequential phases show where the time was spent
  measurement_.slow->finish(
      measurement_.slot, done,
      {.user_us = now.user_us - cpu_start_.user_us, .system_us = now.system_us - cpu_start_.system_us},
      measurement_.timestamps.returned_ns);
}

}  // namespace sluice::wsgi
