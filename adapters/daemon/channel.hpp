// SPDX-License-Identifier: Apache-2.0
// The transport of the protocol in wire.hpp: frames over a Unix socket. Every wait is bounded by deadlines.hpp.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/container/inlined_vector.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "adapters/daemon/deadlines.hpp"
#include "adapters/daemon/wire.hpp"

namespace sluice::daemon {

/// The header of a received frame. The sender may send this type, and the size is within the limits of the type.
struct Frame {
  FrameType type;
  std::uint32_t size;  ///< Bytes of payload that follow.
};

/// Frames that go out in one write: their headers, and views of their payloads, which outlive the batch.
class FrameBatch {
 public:
  static constexpr std::size_t kFramesMax = 3;

  FrameBatch() = default;
  FrameBatch(const FrameBatch&) = delete;
  FrameBatch& operator=(const FrameBatch&) = delete;

  /// Adds a frame whose payload is `parts`, one after the other. At most kFramesMax frames fit.
  FrameBatch& add(FrameType type, absl::Span<const std::string_view> parts);
  FrameBatch& add(FrameType type, std::string_view payload = {}) { return add(type, {&payload, 1}); }
  /// Adds only the header of a frame whose payload of `size` bytes is sent afterwards.
  FrameBatch& add_header(FrameType type, std::size_t size);

  /// The bytes of all frames.
  [[nodiscard]] absl::Span<const std::string_view> parts() const noexcept { return parts_; }

 private:
  static constexpr std::size_t kPartsInline = 16;

  std::array<FrameHeader, kFramesMax> headers_{};
  std::size_t count_ = 0;
  absl::InlinedVector<std::string_view, kPartsInline> parts_;
};

/// One end of a connection. One thread may send while another thread receives.
///
/// Errors of all members: Cancelled when the other end has closed the connection, DeadlineExceeded when a deadline has
/// passed, DataLoss when the other end violates the protocol, and Internal with the text of errno otherwise.
class Channel {
 public:
  /// Takes ownership of a blocking socket. A wait for the other end to send or to accept a byte lasts `silence_seconds`
  /// at most; 0 means no limit.
  Channel(int socket, Sender peer, int silence_seconds) noexcept;
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;
  ~Channel();

  /// Sets the end of the exchange, a time of monotonic_ns(). Every wait ends then, and no call to the socket is made
  /// after it, even if data is available.
  void end_at(std::uint64_t deadline_ns) noexcept { end_ns_ = deadline_ns; }
  [[nodiscard]] bool ended() const noexcept;

  /// Connects the socket. Blocks while the backlog of the listener is full, at most until the deadline.
  absl::Status connect(const char* path, std::uint64_t deadline_ns);

  /// Sends the frames in one write, as far as the socket takes them. Blocks.
  absl::Status send(const FrameBatch& frames);
  /// Sends one frame. Blocks.
  absl::Status send(FrameType type, std::string_view payload = {}) { return send(FrameBatch().add(type, payload)); }

  /// Sends bytes of encoded frames, as far as the socket takes them at once, and returns their number. Does not block.
  [[nodiscard]] absl::StatusOr<std::size_t> send_at_once(std::string_view frames) noexcept;
  /// Sends bytes of encoded frames. Blocks.
  absl::Status send_encoded(std::string_view frames);

  /// Sends `size` bytes of a file, as the payload of a frame whose header was sent before. DataLoss when the file ends
  /// before that. Blocks.
  absl::Status send_file(int descriptor, std::uint64_t offset, std::uint64_t size);

  /// Receives the header of the next frame. A frame other than kData has to be complete within the silence limit,
  /// counted from its first byte. Blocks.
  [[nodiscard]] absl::StatusOr<Frame> next();

  /// Returns at least one and at most `size` bytes of the payload, as a view into the channel that is valid until the
  /// next call. Blocks while no byte has arrived.
  [[nodiscard]] absl::StatusOr<std::string_view> some(std::size_t size);

  /// Receive exactly this many bytes of the payload. Block.
  absl::Status read(absl::Span<char> into);
  [[nodiscard]] absl::StatusOr<std::string> read(std::size_t size);

  /// Makes further sends of the other end fail, as if this end had closed the connection. What has arrived can still be
  /// received.
  void refuse_more() noexcept;

  /// Returns the number of bytes that have been received and not been read.
  [[nodiscard]] std::size_t buffered() const noexcept { return end_ - begin_; }

  /// Returns true when a byte, or the end of the connection, has arrived. Does not block.
  [[nodiscard]] bool readable() const noexcept { return readable_within(0); }
  /// Waits up to this many milliseconds until readable(), and returns whether it is.
  [[nodiscard]] bool readable_within(int milliseconds) const noexcept;

  /// Returns true when the last receiving call failed because the other end closed the connection before it had read
  /// everything that was sent.
  [[nodiscard]] bool left_unread() const noexcept { return left_unread_; }

  /// Consumes the next frame when it has this type and no payload and has already been received. Returns false, and
  /// consumes nothing, otherwise.
  [[nodiscard]] bool take_if(FrameType type);

 private:
  absl::Status send_parts(absl::Span<const std::string_view> parts);
  absl::Status fill();
  [[nodiscard]] absl::StatusOr<std::size_t> bounded(std::uint64_t now_ns, std::uint64_t deadline_ns,
                                                    absl::FunctionRef<ssize_t()> call);
  [[nodiscard]] std::uint64_t silence_end_ns(std::uint64_t now_ns) const noexcept;

  int socket_;
  Sender peer_;
  std::uint64_t silence_ns_;
  std::uint64_t end_ns_ = kNever;
  std::uint64_t frame_end_ns_ = kNever;  ///< Deadline for the rest of the current frame; kNever when it has none.
  std::unique_ptr<char[]> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  bool left_unread_ = false;
  std::atomic<bool> shut_down_{false};  ///< A deadline has ended the connection.
};

}  // namespace sluice::daemon
