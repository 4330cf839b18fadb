// SPDX-License-Identifier: Apache-2.0
#include "adapters/daemon/wire.hpp"

#include <algorithm>
#include <cstring>
#include <iterator>

namespace sluice::daemon {
namespace {

constexpr std::uint32_t kReloading = 1;
constexpr std::uint32_t kHttps = 2;
constexpr std::uint32_t kHeadOnly = 4;
constexpr std::uint32_t kHasBody = 8;
constexpr std::uint32_t kBodyWhole = 16;
constexpr std::uint32_t kAllFlags = 31;

/// The shortest pair: two empty texts, each with its length.
constexpr std::size_t kPairLeast = 2 * sizeof(std::uint32_t);

std::uint32_t flags_of(const RequestHead& head) noexcept {
  return (head.script_reloading ? kReloading : 0) | (head.https ? kHttps : 0) | (head.head_only ? kHeadOnly : 0) |
         (head.has_body ? kHasBody : 0) | (head.body_whole ? kBodyWhole : 0);
}

/// Returns the size of a payload in which the fields of fixed size and the lengths take `fixed` bytes.
template <class Pairs>
std::size_t size_of(std::size_t fixed, std::initializer_list<std::string_view> texts, const Pairs& pairs) noexcept {
  std::size_t size = fixed;
  for (const std::string_view text : texts) size += text.size();
  for (const auto& [name, value] : pairs) size += kPairLeast + name.size() + value.size();
  return size;
}

template <class Pairs>
void add_pairs(Encoder& encoder, const Pairs& pairs) {
  encoder.add(static_cast<std::uint32_t>(pairs.size()));
  for (const auto& [name, value] : pairs) encoder.add(std::string_view(name)).add(std::string_view(value));
}

constexpr std::size_t fixed_bytes(std::span<const FieldDefinition> fields) noexcept {
  std::size_t size = 0;
  for (const FieldDefinition& field : fields) {
    if (field.type == FieldType::kU64) size += sizeof(std::uint64_t);
    if (field.type != FieldType::kU64 && field.type != FieldType::kBytes) size += sizeof(std::uint32_t);
  }
  return size;
}

/// The length of the shortest status line, as in "200".
constexpr std::size_t kStatusLineLeast = 3;

constexpr const FrameDefinition& definition(FrameType type) noexcept {
  return *std::find_if(std::begin(kFrames), std::end(kFrames),
                       [type](const FrameDefinition& frame) { return frame.type == type; });
}
static_assert(definition(FrameType::kRequest).least == fixed_bytes(kRequestFields));
static_assert(definition(FrameType::kBodyError).least == fixed_bytes(kBodyErrorFields));
static_assert(definition(FrameType::kReadRequest).least == fixed_bytes(kReadRequestFields));
static_assert(definition(FrameType::kResponse).least == fixed_bytes(kResponseFields) + kStatusLineLeast);
static_assert(definition(FrameType::kFailed).least == fixed_bytes(kFailedFields));
static_assert(definition(FrameType::kLog).least == fixed_bytes(kLogFields));

}  // namespace

bool is_failure_status(std::uint32_t status) noexcept {
  return std::find(std::begin(kFailureStatuses), std::end(kFailureStatuses), status) != std::end(kFailureStatuses);
}

const FrameDefinition* find_frame(const FrameHeader& header, Sender sender) noexcept {
  for (const FrameDefinition& frame : kFrames) {
    if (static_cast<std::uint32_t>(frame.type) != header.type) continue;
    return frame.sender == sender && header.size >= frame.least && header.size <= frame.most ? &frame : nullptr;
  }
  return nullptr;
}

std::string_view bytes_of(const FrameHeader& header) noexcept {
  return {reinterpret_cast<const char*>(&header), sizeof header};
}

FrameHeader frame_header(FrameType type, std::size_t size) noexcept {
  return {static_cast<std::uint32_t>(type), static_cast<std::uint32_t>(size)};
}

void Decoder::fail() noexcept {
  rest_ = {};
  fits_ = false;
}

bool Decoder::read(void* into, std::size_t size) noexcept {
  if (rest_.size() < size) {
    fail();
    return false;
  }
  std::memcpy(into, rest_.data(), size);
  rest_.remove_prefix(size);
  return true;
}

std::uint32_t Decoder::u32() noexcept {
  std::uint32_t number = 0;
  return read(&number, sizeof number) ? number : 0;
}

std::uint64_t Decoder::u64() noexcept {
  std::uint64_t number = 0;
  return read(&number, sizeof number) ? number : 0;
}

std::string_view Decoder::text(std::size_t most) noexcept {
  const std::size_t size = u32();
  if (size > rest_.size() || size > most) {
    fail();
    return {};
  }
  const std::string_view text = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return text;
}

std::uint32_t Decoder::pairs(std::uint32_t most) noexcept {
  const std::uint32_t count = u32();
  if (count <= most && count <= rest_.size() / kPairLeast) return count;
  fail();
  return 0;
}

std::optional<std::string> encode(const RequestHead& head) {
  const std::size_t size =
      size_of(fixed_bytes(kRequestFields),
              {head.application_group, head.callable, head.script, head.id, head.client, head.body}, head.variables);
  if (size > kRequestMax || head.body.size() > kPieceMax || head.variables.size() > kVariablesMax) return std::nullopt;
  Encoder encoder(size);
  encoder.add(std::uint64_t{0})
      .add(head.generation)
      .add(head.timestamps.accepted_ns)
      .add(head.timestamps.queued_ns)
      .add(static_cast<std::uint64_t>(head.script_mtime_us))
      .add(head.server_pid)
      .add(head.tries)
      .add(flags_of(head))
      .add(head.log_levels)
      .add(head.application_group)
      .add(head.callable)
      .add(head.script)
      .add(head.id)
      .add(head.client)
      .add(head.body);
  add_pairs(encoder, head.variables);
  return std::move(encoder).take();
}

bool decode(std::string_view payload, RequestHead& head) {
  if (payload.size() > kRequestMax) return false;
  Decoder decoder(payload);
  static_cast<void>(decoder.u64());  // skips the authentication code, which verify() has checked
  head.generation = decoder.u64();
  head.timestamps = {};
  head.timestamps.accepted_ns = decoder.u64();
  head.timestamps.queued_ns = decoder.u64();
  head.script_mtime_us = static_cast<std::int64_t>(decoder.u64());
  head.server_pid = decoder.u32();
  head.tries = decoder.u32();
  const std::uint32_t flags = decoder.u32();
  head.script_reloading = (flags & kReloading) != 0;
  head.https = (flags & kHttps) != 0;
  head.head_only = (flags & kHeadOnly) != 0;
  head.has_body = (flags & kHasBody) != 0;
  head.body_whole = (flags & kBodyWhole) != 0;
  head.log_levels = decoder.u32();
  head.application_group = decoder.text();
  head.callable = decoder.text();
  head.script = decoder.text();
  head.id = decoder.text();
  head.client = decoder.text();
  head.body = decoder.text(kPieceMax);
  const std::uint32_t count = decoder.pairs(kVariablesMax);
  head.variables.clear();
  head.variables.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::string_view key = decoder.text();
    head.variables.emplace_back(key, decoder.text());
  }
  return decoder.complete() && (flags & ~kAllFlags) == 0 && (head.log_levels & ~kAllLogLevels) == 0;
}

std::uint64_t generation_of(std::string_view payload) noexcept {
  Decoder decoder(payload);
  static_cast<void>(decoder.u64());
  return decoder.u64();
}

std::optional<std::string> encode(const wsgi::ResponseHead& head) {
  const std::size_t size = size_of(fixed_bytes(kResponseFields), {head.status_line}, head.headers);
  if (size > kResponseMax || head.headers.size() > kResponseFieldsMax) return std::nullopt;
  Encoder encoder(size);
  encoder.add(static_cast<std::uint32_t>(head.status)).add(std::string_view(head.status_line));
  add_pairs(encoder, head.headers);
  return std::move(encoder).take();
}

bool decode(std::string_view payload, wsgi::ResponseHead& head) {
  if (payload.size() > kResponseMax) return false;
  Decoder decoder(payload);
  const std::uint32_t status = decoder.u32();
  head.status = status <= 999 ? static_cast<int>(status) : 0;
  head.status_line = decoder.text();
  const std::uint32_t count = decoder.pairs(kResponseFieldsMax);
  head.headers.clear();
  head.headers.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::string_view name = decoder.text();
    head.headers.emplace_back(name, decoder.text());
  }
  return decoder.complete() && status <= 999;
}

std::string encode(const BodyError& error) {
  Encoder encoder;
  return std::move(encoder.add(error.status).add(error.reason.substr(0, kReasonMax))).take();
}

bool decode(std::string_view payload, BodyError& error) {
  Decoder decoder(payload);
  error.status = decoder.u32();
  error.reason = decoder.text(kReasonMax);
  return decoder.complete() && (error.status == 0 || is_failure_status(error.status));
}

std::string encode(const ReadRequest& request) {
  Encoder encoder;
  return std::move(encoder.add(request.least).add(request.most)).take();
}

bool decode(std::string_view payload, ReadRequest& request) {
  Decoder decoder(payload);
  request.least = decoder.u64();
  request.most = decoder.u64();
  return decoder.complete() && request.least >= 1 && request.most >= request.least;
}

std::string encode(const LogLine& line) {
  const std::string_view text = line.text.substr(0, kLogTextMax);
  Encoder encoder(fixed_bytes(kLogFields) + text.size());
  return std::move(encoder.add(static_cast<std::uint32_t>(line.level)).add(text)).take();
}

bool decode(std::string_view payload, LogLine& line) {
  Decoder decoder(payload);
  const std::uint32_t level = decoder.u32();
  line.text = decoder.text(kLogTextMax);
  if (!decoder.complete() || level > static_cast<std::uint32_t>(LogLevel::kCritical)) return false;
  line.level = static_cast<LogLevel>(level);
  return true;
}

std::string encode_failure(std::uint32_t status) { return std::move(Encoder().add(status)).take(); }

bool decode_failure(std::string_view payload, std::uint32_t& status) {
  Decoder decoder(payload);
  status = decoder.u32();
  return decoder.complete() && is_failure_status(status);
}

}  // namespace sluice::daemon
