// The connection between a worker of the server and a thread of a daemon process: frames over a Unix socket, one
// request a connection. The server sends the head of the request and, when it is asked, pieces of its body; the daemon
// answers with the head of the response, blocks of its body, and an end. A response without its end is known to be
// broken.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace sluice::daemon {

enum class FrameType : std::uint32_t {
  // Of the server.
  kRequest = 1,    ///< A request head, see request_head.hpp.
  kBody = 2,       ///< Of the request; empty at its end.
  kBodyError = 3,  ///< The body cannot be had whole; the payload says why.
  // Of the daemon.
  kWant = 16,    ///< Of the body at least so much and at most so much, two numbers, in any number of frames.
  kHead = 17,    ///< Of the response, see response_head.hpp.
  kData = 18,    ///< Of the response.
  kEnd = 19,     ///< The response is whole.
  kBreak = 20,   ///< The response ends here, and is not whole.
  kFailed = 21,  ///< Nothing of a response was sent: the payload is the status to answer with.
  kRetry = 22,   ///< Nothing was done for the request: this process is about to end.
};

struct FrameHeader {
  std::uint32_t type;
  std::uint32_t size;  ///< Of the payload that follows.
};

inline constexpr std::uint32_t kPayloadMax = 1U << 30;
/// What a worker of the server reads of a body in one go.
inline constexpr std::uint32_t kPiece = 64 * 1024;

/// One end of a connection. Not thread-safe. Every wait for the other end is bounded by the timeout of the socket.
class Channel {
 public:
  /// Takes the socket over.
  explicit Channel(int socket) noexcept : socket_(socket) {}
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;
  ~Channel();

  [[nodiscard]] int socket() const noexcept { return socket_; }

  /// Sends everything in one go. Cancelled when the other end is gone, DeadlineExceeded when it takes nothing for too
  /// long. Blocks.
  absl::Status send(absl::Span<const std::string_view> parts);

  /// The next frame's header. Cancelled at the end of the connection, DeadlineExceeded after the timeout, DataLoss if
  /// it is no frame. Blocks.
  [[nodiscard]] absl::StatusOr<FrameHeader> next();

  /// Something has arrived, or the end of the connection.
  [[nodiscard]] bool readable() const noexcept;

  /// The next frame, if it has arrived already and has no payload, is this one: then it is taken.
  [[nodiscard]] bool take_if(FrameType type);

  /// Some of the payload at hand, at most `size` bytes: a view into the channel, until the next call. Blocks.
  [[nodiscard]] absl::StatusOr<std::string_view> some(std::size_t size);

  /// Exactly so much of the payload. Blocks.
  absl::Status read(absl::Span<char> into);
  [[nodiscard]] absl::StatusOr<std::string> read(std::size_t size);

 private:
  absl::Status fill();
  [[nodiscard]] std::size_t buffered() const noexcept { return end_ - begin_; }

  int socket_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

/// A header as bytes.
[[nodiscard]] std::string_view bytes_of(const FrameHeader& header) noexcept;

/// Writes numbers and strings one after the other. Both ends are of one machine and one build.
class Packer {
 public:
  Packer& add(std::uint64_t number) {
    packed_.append(reinterpret_cast<const char*>(&number), sizeof number);
    return *this;
  }
  Packer& add(std::string_view text) {
    add(std::uint64_t{text.size()});
    packed_.append(text);
    return *this;
  }
  [[nodiscard]] std::string_view packed() const noexcept { return packed_; }

 private:
  std::string packed_;
};

/// Reads them again. Once something does not fit, everything is empty and whole() is false.
class Unpacker {
 public:
  explicit Unpacker(std::string_view packed) noexcept : rest_(packed) {}
  [[nodiscard]] std::uint64_t number() noexcept;
  [[nodiscard]] std::string_view text() noexcept;
  [[nodiscard]] bool at_end() const noexcept { return rest_.empty(); }
  [[nodiscard]] bool whole() const noexcept { return whole_; }

 private:
  std::string_view rest_;
  bool whole_ = true;
};

}  // namespace sluice::daemon
