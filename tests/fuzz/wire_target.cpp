// SPDX-License-Identifier: Apache-2.0
// Fuzzes the frames between the server and its daemon processes, in both directions. A decoder must accept exactly the
// output of the encoder, and return the same values, but reject it with a byte missing or added.
#include "adapters/daemon/wire.hpp"

#include "tests/fuzz/head_oracle.hpp"
#include "tests/fuzz/input.hpp"

namespace {

using namespace sluice;
using namespace sluice::daemon;
using namespace sluice::fuzz;

/// A copy on the heap, so that AddressSanitizer detects a read past the end.
class Copy {
 public:
  explicit Copy(std::string_view bytes) : bytes_(bytes.begin(), bytes.end()) {}
  [[nodiscard]] std::string_view view() const { return {bytes_.data(), bytes_.size()}; }

 private:
  std::vector<char> bytes_;
};

void require_framed(FrameType type, std::size_t size, Sender sender) {
  const Sender other = sender == Sender::kServer ? Sender::kDaemon : Sender::kServer;
  require(find_frame(frame_header(type, size), sender) != nullptr, "a payload fits its frame");
  require(find_frame(frame_header(type, size), other) == nullptr, "a frame has one sender");
}

void check_any_bytes(std::string_view bytes) {
  const Copy copy(bytes);
  const std::string_view payload = copy.view();
  RequestHead request;
  if (decode(payload, request)) {
    const auto again = encode(request);
    require(again && again->substr(kAuthenticationCodeBytes) == payload.substr(kAuthenticationCodeBytes),
            "a request that is accepted is one that is written");
    require(generation_of(payload) == request.generation, "the generation is the head's");
  }
  wsgi::ResponseHead response;
  if (decode(payload, response)) {
    require(encode(response) == payload, "a response that is accepted is one that is written");
  }
  BodyError error;
  if (decode(payload, error)) require(encode(error) == payload, "an error that is accepted is one that is written");
  ReadRequest read_request;
  if (decode(payload, read_request)) {
    require(encode(read_request) == payload && read_request.least >= 1 && read_request.most >= read_request.least,
            "a read request is sound");
  }
  LogLine line;
  if (decode(payload, line)) {
    require(encode(line) == payload && line.text.size() <= kLogTextMax,
            "a line that is accepted is one that is written");
  }
  std::uint32_t status = 0;
  if (decode_failure(payload, status)) {
    require(encode_failure(status) == payload && status >= 400 && status <= 599, "a failure has a status of one");
  }
  if (payload.size() >= 8) {
    Input input(reinterpret_cast<const std::uint8_t*>(payload.data()), payload.size());
    const FrameHeader header{static_cast<std::uint32_t>(input.integer(4)),
                             static_cast<std::uint32_t>(input.integer(4))};
    for (const Sender sender : {Sender::kServer, Sender::kDaemon}) {
      const FrameDefinition* const frame = find_frame(header, sender);
      require(frame == nullptr || frame->sender == sender, "a frame has its sender");
      require(frame == nullptr || (header.size >= frame->least && header.size <= frame->most), "a frame has its size");
      require(frame == nullptr || header.size <= 16U << 20U, "no frame is longer than 16 MiB");
    }
  }
}

/// Checks that no shorter or longer payload is accepted. `Head` refers to the payload.
template <class Head>
void require_whole(const std::string& payload, Input& input) {
  Head head;
  const Copy shorter(std::string_view(payload).substr(0, input.integer(2) % payload.size()));
  require(!decode(shorter.view(), head), "a payload that is cut off is refused");
  const Copy longer(payload + '\0');
  require(!decode(longer.view(), head), "a payload with a byte more is refused");
}

void check_written_request(Input& input) {
  std::vector<std::string> texts(6 + 2 * input.choice(8));
  for (auto& text : texts) text = input.text(60);
  RequestHead head{.generation = input.number(),
                   .timestamps = {.accepted_ns = input.number(), .queued_ns = input.number()},
                   .script_mtime_us = static_cast<std::int64_t>(input.integer(8)),
                   .server_pid = static_cast<std::uint32_t>(input.integer(4)),
                   .tries = static_cast<std::uint32_t>(input.integer(4)),
                   .log_levels = static_cast<std::uint32_t>(input.integer(1)) & kAllLogLevels,
                   .script_reloading = input.flag(),
                   .https = input.flag(),
                   .head_only = input.flag(),
                   .has_body = input.flag(),
                   .body_whole = input.flag(),
                   .application_group = texts[0],
                   .callable = texts[1],
                   .script = texts[2],
                   .id = texts[3],
                   .client = texts[4],
                   .body = texts[5],
                   .variables = {}};
  for (std::size_t i = 6; i < texts.size(); i += 2) head.variables.emplace_back(texts[i], texts[i + 1]);
  const auto payload = encode(head);
  require(payload.has_value(), "a small request is written");
  require_framed(FrameType::kRequest, payload->size(), Sender::kServer);
  RequestHead read;
  require(decode(*payload, read), "a request is read again");
  require(read.generation == head.generation && read.timestamps.accepted_ns == head.timestamps.accepted_ns &&
              read.timestamps.queued_ns == head.timestamps.queued_ns && read.script_mtime_us == head.script_mtime_us &&
              read.server_pid == head.server_pid && read.tries == head.tries && read.log_levels == head.log_levels,
          "the numbers of a request come back");
  require(read.script_reloading == head.script_reloading && read.https == head.https &&
              read.head_only == head.head_only && read.has_body == head.has_body && read.body_whole == head.body_whole,
          "the flags of a request come back");
  require(read.application_group == head.application_group && read.callable == head.callable &&
              read.script == head.script && read.id == head.id && read.client == head.client &&
              read.body == head.body && read.variables == head.variables,
          "the texts of a request come back");
  require_whole<RequestHead>(*payload, input);
}

void check_written_response(Input& input) {
  const wsgi::ResponseHead head = head_of(input);
  const auto payload = encode(head);
  require(payload.has_value(), "a small response is written");
  if (head.status_line.size() >= 3) require_framed(FrameType::kResponse, payload->size(), Sender::kDaemon);
  wsgi::ResponseHead read;
  const bool accepted = decode(*payload, read);
  require(accepted == (head.status >= 0 && head.status <= 999), "a response has a status of three digits at most");
  if (!accepted) return;
  require(read.status == head.status && read.status_line == head.status_line && read.headers == head.headers,
          "a response comes back");
  require_whole<wsgi::ResponseHead>(*payload, input);
}

void check_written_rest(Input& input) {
  const std::string reason(input.integer(2) % 400, 'r');
  const BodyError error{.status = static_cast<std::uint32_t>(input.integer(2)), .reason = reason};
  const std::string payload = encode(error);
  require_framed(FrameType::kBodyError, payload.size(), Sender::kServer);
  BodyError read;
  if (!decode(payload, read)) return;
  require(read.status == error.status && read.reason == reason.substr(0, kReasonMax), "an error comes back");
  require_whole<BodyError>(payload, input);
}

void check_written_line(Input& input) {
  const std::string text(input.integer(2) % (2 * kLogTextMax), 'l');
  const LogLine line{.level = static_cast<LogLevel>(input.choice(3)), .text = text};
  const std::string payload = encode(line);
  require_framed(FrameType::kLog, payload.size(), Sender::kDaemon);
  LogLine read;
  require(decode(payload, read), "a line is read again");
  require(read.level == line.level && read.text == text.substr(0, kLogTextMax), "a line comes back");
  require_whole<LogLine>(payload, input);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  switch (input.choice(4)) {
    case 0:
      check_any_bytes(input.rest());
      break;
    case 1:
      check_written_request(input);
      break;
    case 2:
      check_written_response(input);
      break;
    case 3:
      check_written_line(input);
      break;
    default:
      check_written_rest(input);
  }
  return 0;
}
