// SPDX-License-Identifier: Apache-2.0
// A Unix datagram socket that never blocks. While the service is absent, slow or refuses datagrams, these are lost. The
// log has one line when that begins and one when it ends.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "sluice/log.hpp"

namespace sluice::telemetry {

/// Used by one thread at a time.
class Sender {
 public:
  Sender(std::string path, LogSink log);
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;
  ~Sender();

  /// Begins a series of datagrams, whose success end_series() evaluates. When the queue of the service is full, send()
  /// retries with pauses of 1 ms, at most `retries` times in the series.
  void begin_series(int retries) noexcept;

  /// Sends a datagram.
  void send(std::string_view datagram) noexcept;

  /// Logs a change of the state: a failure at once, its end after a few series that succeeded.
  void end_series();

 private:
  enum class State : std::uint8_t { kGood, kAbsent, kFull, kRefused };

  [[nodiscard]] static State state_of(int error) noexcept;
  void change(State to, int error);

  std::string path_;
  LogSink log_;
  int socket_ = -1;
  State state_ = State::kGood;
  int error_ = 0;  ///< An errno of this series; 0 for none.
  int good_series_ = 0;
  int retries_left_ = 0;
  std::uint64_t lost_ = 0;  ///< Datagrams lost since the failure began.
};

}  // namespace sluice::telemetry
