// SPDX-License-Identifier: Apache-2.0
// The protocol between a thread of the server and a thread of a daemon process: one request per connection. A frame is
// a header of eight bytes and a payload. The server sends the head of the request, and pieces of its body when the
// daemon process asks for them. The daemon process sends the head of the response, its body, and an end frame. A
// response without an end frame is broken.
//
//   server                                daemon process
//   kRequest                         ->
//                                    <-   kReadRequest   as often as the application reads
//   kBody... or kBodyError           ->
//                                    <-   kResponse, kData..., then kEnd or kBreak
//                                         or, in place of all three, kFailed or kRetry
//
// The daemon process sends kLog frames, the lines that the application writes for the log of the request, between any
// two of its frames. After kEndBeforeLog, which replaces kEnd, and after kBreak only kLog frames follow.
//
// Numbers are in the byte order of the machine, because both ends run on the same one. Encoders and decoders are pure
// functions over bytes. A decoder accepts exactly what an encoder can produce, and reads no byte beyond its input.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "adapters/wsgi/request/response_head.hpp"
#include "adapters/wsgi/schema/timestamps.hpp"
#include "sluice/log.hpp"

namespace sluice::daemon {

enum class FrameType : std::uint32_t {
  kRequest = 1,
  kBody = 2,
  kBodyError = 3,
  kReadRequest = 16,
  kResponse = 17,
  kData = 18,
  kEnd = 19,
  kBreak = 20,
  kFailed = 21,
  kRetry = 22,
  kLog = 23,
  kEndBeforeLog = 24,
};

/// The end that sends a frame.
enum class Sender : std::uint8_t { kServer, kDaemon };

enum class FieldType : std::uint8_t {
  kU32,
  kU64,
  kText,   ///< A length of 32 bits, then that many bytes.
  kPairs,  ///< A count of 32 bits, then that many pairs of texts.
  kBytes,  ///< The rest of the payload.
};

struct FieldDefinition {
  const char* name;
  FieldType type;
};

struct FrameDefinition {
  FrameType type;
  const char* name;
  Sender sender;
  std::uint32_t least;  ///< Bytes of payload.
  std::uint32_t most;   ///< Bytes of payload.
  std::span<const FieldDefinition> fields;
};

/// The largest piece of a request body, in a frame of its own or with the head.
inline constexpr std::uint32_t kPieceMax = 64 * 1024;
inline constexpr std::uint32_t kRequestMax = 1U << 20;
inline constexpr std::uint32_t kResponseMax = 2U << 20;
/// A data frame is never held in memory as a whole, so this limit bounds no memory.
inline constexpr std::uint32_t kDataMax = 16U << 20;
inline constexpr std::uint32_t kReasonMax = 256;
/// The longest text of one line for the log. Longer lines are sent in parts.
inline constexpr std::uint32_t kLogTextMax = 4096;
inline constexpr std::uint32_t kVariablesMax = 1U << 15;
inline constexpr std::uint32_t kResponseFieldsMax = 1U << 15;

inline constexpr FieldDefinition kRequestFields[] = {
    {"authentication_code", FieldType::kU64},
    {"generation", FieldType::kU64},
    {"accepted_ns", FieldType::kU64},
    {"queued_ns", FieldType::kU64},
    {"script_mtime_us", FieldType::kU64},
    {"server_pid", FieldType::kU32},
    {"tries", FieldType::kU32},
    {"flags", FieldType::kU32},
    {"log_levels", FieldType::kU32},
    {"application_group", FieldType::kText},
    {"callable", FieldType::kText},
    {"script", FieldType::kText},
    {"id", FieldType::kText},
    {"client", FieldType::kText},
    {"body", FieldType::kText},
    {"variables", FieldType::kPairs},
};
inline constexpr FieldDefinition kBytesFields[] = {{"bytes", FieldType::kBytes}};
inline constexpr FieldDefinition kBodyErrorFields[] = {{"status", FieldType::kU32}, {"reason", FieldType::kText}};
inline constexpr FieldDefinition kReadRequestFields[] = {{"least", FieldType::kU64}, {"most", FieldType::kU64}};
inline constexpr FieldDefinition kResponseFields[] = {
    {"status", FieldType::kU32}, {"status_line", FieldType::kText}, {"headers", FieldType::kPairs}};
inline constexpr FieldDefinition kFailedFields[] = {{"status", FieldType::kU32}};
inline constexpr FieldDefinition kLogFields[] = {{"level", FieldType::kU32}, {"text", FieldType::kText}};

/// All frames, each with its sender, the limits of its payload, and its fields.
inline constexpr FrameDefinition kFrames[] = {
    // The head of a request. Its code authenticates the rest of the payload.
    {FrameType::kRequest, "request", Sender::kServer, 84, kRequestMax, kRequestFields},
    // A piece of the request body; an empty piece is its end.
    {FrameType::kBody, "body", Sender::kServer, 0, kPieceMax, kBytesFields},
    // The rest of the request body cannot be read. The status is 0 when no HTTP status applies.
    {FrameType::kBodyError, "body_error", Sender::kServer, 8, 8 + kReasonMax, kBodyErrorFields},
    // A request for at least `least` and at most `most` bytes of the request body, in any number of frames.
    {FrameType::kReadRequest, "read_request", Sender::kDaemon, 16, 16, kReadRequestFields},
    // The head of the response.
    {FrameType::kResponse, "response", Sender::kDaemon, 15, kResponseMax, kResponseFields},
    // A part of the response body.
    {FrameType::kData, "data", Sender::kDaemon, 1, kDataMax, kBytesFields},
    // The end of a complete response.
    {FrameType::kEnd, "end", Sender::kDaemon, 0, 0, {}},
    // The end of an incomplete response.
    {FrameType::kBreak, "break", Sender::kDaemon, 0, 0, {}},
    // The answer when there is no response: the status that the server responds with.
    {FrameType::kFailed, "failed", Sender::kDaemon, 4, 4, kFailedFields},
    // The answer of a process that is about to end: it has not started the request, and the server sends it to another
    // process.
    {FrameType::kRetry, "retry", Sender::kDaemon, 0, 0, {}},
    // A line for the log of the request.
    {FrameType::kLog, "log", Sender::kDaemon, 8, 8 + kLogTextMax, kLogFields},
    // The end of a complete response. Lines for the log follow, until the process closes the connection.
    {FrameType::kEndBeforeLog, "end_before_log", Sender::kDaemon, 0, 0, {}},
};

/// The statuses that kFailed can carry. Any other status violates the protocol.
inline constexpr std::uint32_t kFailureStatuses[] = {400, 403, 404, 408, 413, 500, 501, 503, 504};
[[nodiscard]] bool is_failure_status(std::uint32_t status) noexcept;

struct FrameHeader {
  std::uint32_t type;
  std::uint32_t size;  ///< Bytes of payload that follow.
};

/// Returns the definition of the frame with this header. Null when `sender` may not send it, or not with this size.
[[nodiscard]] const FrameDefinition* find_frame(const FrameHeader& header, Sender sender) noexcept;

/// Returns the bytes of a header, as a view of it.
[[nodiscard]] std::string_view bytes_of(const FrameHeader& header) noexcept;
[[nodiscard]] FrameHeader frame_header(FrameType type, std::size_t size) noexcept;

/// Appends numbers and texts to a payload.
class Encoder {
 public:
  explicit Encoder(std::size_t expected_bytes = 0) { bytes_.reserve(expected_bytes); }
  Encoder& add(std::uint32_t number) { return append(&number, sizeof number); }
  Encoder& add(std::uint64_t number) { return append(&number, sizeof number); }
  Encoder& add(std::string_view text) {
    add(static_cast<std::uint32_t>(text.size()));
    return append(text.data(), text.size());
  }
  [[nodiscard]] std::string take() && { return std::move(bytes_); }

 private:
  Encoder& append(const void* bytes, std::size_t size) {
    bytes_.append(static_cast<const char*>(bytes), size);
    return *this;
  }

  std::string bytes_;
};

/// Reads numbers and texts from a payload. After a value that does not fit, all further values are empty and complete()
/// is false.
class Decoder {
 public:
  explicit Decoder(std::string_view bytes) noexcept : rest_(bytes) {}
  [[nodiscard]] std::uint32_t u32() noexcept;
  [[nodiscard]] std::uint64_t u64() noexcept;
  [[nodiscard]] std::string_view text(std::size_t most = SIZE_MAX) noexcept;
  /// Reads the number of pairs that follow. It has to be at most `most`, and the rest has to be long enough for it.
  [[nodiscard]] std::uint32_t pairs(std::uint32_t most) noexcept;
  /// Returns true when all values fitted and no byte is left.
  [[nodiscard]] bool complete() const noexcept { return fits_ && rest_.empty(); }

 private:
  bool read(void* into, std::size_t size) noexcept;
  void fail() noexcept;

  std::string_view rest_;
  bool fits_ = true;
};

/// Returns the bit of a level in a set of levels.
[[nodiscard]] constexpr std::uint32_t log_level_bit(LogLevel level) noexcept {
  return 1U << static_cast<std::uint32_t>(level);
}
inline constexpr std::uint32_t kAllLogLevels = 2 * log_level_bit(LogLevel::kCritical) - 1;

/// The part of a request that a daemon process needs before the body. The views point into the payload, or belong to
/// the caller.
struct RequestHead {
  std::uint64_t generation = 0;   ///< The generation of the key that made the code.
  wsgi::Timestamps timestamps{};  ///< The frame carries accepted_ns and queued_ns; all processes share the clock.
  std::int64_t script_mtime_us = 0;
  std::uint32_t server_pid = 0;  ///< The process that accepted the request.
  std::uint32_t tries = 0;       ///< Number of connections made for the request, including this one.
  /// The bits of the levels whose lines the server writes, so that the daemon process need not make the others.
  std::uint32_t log_levels = kAllLogLevels;
  bool script_reloading = true;
  bool https = false;
  bool head_only = false;  ///< The response has no body on the wire.
  bool has_body = false;
  bool body_whole = false;  ///< `body` is the whole request body.
  std::string_view application_group;
  std::string_view callable;
  std::string_view script;
  std::string_view id;
  std::string_view client;  ///< Address and port of the client, for the log.
  std::string_view body;    ///< The part of the request body that had arrived.
  std::vector<std::pair<std::string_view, std::string_view>> variables;
};

/// Number of bytes at the beginning of a payload of kRequest that hold the code; the code authenticates the rest.
inline constexpr std::size_t kAuthenticationCodeBytes = 8;

/// Returns the payload of kRequest, with a code of zero. Empty when the head exceeds the limits of the frame.
[[nodiscard]] std::optional<std::string> encode(const RequestHead& head);
/// Decodes a payload of kRequest. Returns false when it is not valid. Does not check the code.
[[nodiscard]] bool decode(std::string_view payload, RequestHead& head);
/// Returns the generation in a payload of kRequest, without decoding the rest; 0 when the payload is too short.
[[nodiscard]] std::uint64_t generation_of(std::string_view payload) noexcept;

/// Returns the payload of kResponse. Empty when the head exceeds the limits of the frame.
[[nodiscard]] std::optional<std::string> encode(const wsgi::ResponseHead& head);
/// Decodes a payload of kResponse. Returns false when it is not valid. Does not check the head against the rules of
/// HTTP.
[[nodiscard]] bool decode(std::string_view payload, wsgi::ResponseHead& head);

struct BodyError {
  std::uint32_t status = 0;
  std::string_view reason;
};

/// Returns the payload of kBodyError, with the reason cut to kReasonMax bytes.
[[nodiscard]] std::string encode(const BodyError& error);
[[nodiscard]] bool decode(std::string_view payload, BodyError& error);

struct ReadRequest {
  std::uint64_t least = 0;  ///< At least 1, so that every read makes progress.
  std::uint64_t most = 0;   ///< At least `least`.
};

[[nodiscard]] std::string encode(const ReadRequest& request);
[[nodiscard]] bool decode(std::string_view payload, ReadRequest& request);

struct LogLine {
  LogLevel level = LogLevel::kError;
  std::string_view text;  ///< At most kLogTextMax bytes.
};

[[nodiscard]] std::string encode(const LogLine& line);
[[nodiscard]] bool decode(std::string_view payload, LogLine& line);

/// The payload of kFailed.
[[nodiscard]] std::string encode_failure(std::uint32_t status);
[[nodiscard]] bool decode_failure(std::string_view payload, std::uint32_t& status);

}  // namespace sluice::daemon
