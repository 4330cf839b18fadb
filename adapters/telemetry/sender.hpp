// A Unix datagram socket that is never waited for. A receiver that is absent, comes back, is slow or refuses costs what
// is sent meanwhile and a line in the log when that begins and when it is over.
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

  /// The first of a series: what follows is sent or lost by itself, and judged by end_series().
  void begin_series() noexcept;

  /// Does not block. Where the receiver's queue is full it is tried again for a moment, which all datagrams of a series
  /// share.
  void send(std::string_view datagram) noexcept;

  /// Logs if the state has changed: trouble at once, its end after a few series that went out whole.
  void end_series();

 private:
  enum class State : std::uint8_t { kGood, kAbsent, kFull, kRefused };

  [[nodiscard]] static State state_of(int error) noexcept;
  void change(State to, int error);

  std::string path_;
  LogSink log_;
  int socket_ = -1;
  State state_ = State::kGood;
  int error_ = 0;  ///< Of this series; 0: none.
  int good_series_ = 0;
  std::uint64_t patience_until_ns_ = 0;
  std::uint64_t lost_ = 0;  ///< Since the trouble began.
};

}  // namespace sluice::telemetry
