// SPDX-License-Identifier: Apache-2.0
#include "adapters/daemon/wire.hpp"
#include "adapters/daemon/log_queue.hpp"

#include <random>
#include <string>

#include "tests/catch.hpp"

namespace {

using namespace sluice::daemon;
using sluice::wsgi::ResponseHead;

RequestHead request() {
  RequestHead head;
  head.generation = 3;
  head.timestamps.accepted_ns = 1;
  head.timestamps.queued_ns = 2;
  head.script_mtime_us = -5;
  head.server_pid = 77;
  head.tries = 4;
  head.log_levels = log_level_bit(sluice::LogLevel::kError) | log_level_bit(sluice::LogLevel::kCritical);
  head.https = true;
  head.has_body = true;
  head.application_group = "group";
  head.callable = "application";
  head.script = "/srv/app.wsgi";
  head.id = "id";
  head.client = "127.0.0.1:80";
  head.body = "some of it";
  head.variables = {{"REQUEST_METHOD", "GET"}, {"EMPTY", ""}};
  return head;
}

ResponseHead response(std::size_t fields) {
  ResponseHead head{.status = 200, .status_line = "200 OK", .headers = {}};
  for (std::size_t i = 0; i < fields; ++i) head.headers.emplace_back("X-Field-" + std::to_string(i), "some value");
  return head;
}

}  // namespace

TEST_CASE("wire: a request head is decoded as it was encoded") {
  const std::string payload = encode(request()).value();
  RequestHead head;
  REQUIRE(decode(payload, head));
  CHECK(head.generation == 3);
  CHECK(generation_of(payload) == 3);
  CHECK(head.script_mtime_us == -5);
  CHECK(head.server_pid == 77);
  CHECK(head.tries == 4);
  CHECK(head.log_levels == request().log_levels);
  CHECK(head.https);
  CHECK(head.has_body);
  CHECK_FALSE(head.body_whole);
  CHECK(head.script == "/srv/app.wsgi");
  CHECK(head.body == "some of it");
  CHECK(head.variables == request().variables);
  CHECK(encode(head).value() == payload);
}

TEST_CASE("wire: no prefix of a head and no longer one is a head") {
  const std::string payload = encode(request()).value();
  RequestHead head;
  for (std::size_t size = 0; size < payload.size(); ++size) CHECK_FALSE(decode(payload.substr(0, size), head));
  CHECK_FALSE(decode(payload + '\0', head));
  const std::string answer = encode(response(3)).value();
  ResponseHead decoded;
  for (std::size_t size = 0; size < answer.size(); ++size) CHECK_FALSE(decode(answer.substr(0, size), decoded));
  CHECK_FALSE(decode(answer + '\0', decoded));
}

TEST_CASE("wire: a head with a level of the log that there is not is no head") {
  RequestHead head = request();
  for (const std::uint32_t levels : {kAllLogLevels + 1, UINT32_MAX}) {
    head.log_levels = levels;
    RequestHead decoded;
    CHECK_FALSE(decode(encode(head).value(), decoded));
  }
  for (std::uint32_t levels = 0; levels <= kAllLogLevels; ++levels) {
    head.log_levels = levels;
    RequestHead decoded;
    CHECK(decode(encode(head).value(), decoded));
  }
}

TEST_CASE("wire: a line for the log is decoded as it was encoded, cut to the limit of its frame") {
  const std::string text(kLogTextMax + 1, 'x');
  const std::string payload = encode(LogLine{.level = sluice::LogLevel::kInfo, .text = text});
  LogLine line;
  REQUIRE(decode(payload, line));
  CHECK(line.level == sluice::LogLevel::kInfo);
  CHECK(line.text == text.substr(0, kLogTextMax));
  for (const std::size_t size : {std::size_t{0}, std::size_t{7}, payload.size() - 1}) {
    CHECK_FALSE(decode(std::string_view(payload).substr(0, size), line));
  }
  CHECK_FALSE(decode(payload + '\0', line));
  const std::string level = std::move(Encoder().add(5U).add(std::string_view("text"))).take();
  CHECK_FALSE(decode(level, line));
}

TEST_CASE("log queue: lines come back in their order, also after one was sent in part") {
  LogQueue queue;
  CHECK_FALSE(queue.waiting());
  queue.add(sluice::LogLevel::kError, "first");
  queue.add(sluice::LogLevel::kInfo, "second");
  REQUIRE(queue.waiting());
  std::deque<std::string> frames = queue.take(true);
  REQUIRE(frames.size() == 2);
  CHECK_FALSE(queue.waiting());
  LogLine line;
  REQUIRE(decode_frame(frames[0], line));
  CHECK(line.text == "first");
  queue.add(sluice::LogLevel::kError, "third");
  const std::string rest = frames[0].erase(0, 9);
  CHECK_FALSE(decode_frame(rest, line));
  queue.put_back(std::move(frames));
  frames = queue.take(true);
  REQUIRE(frames.size() == 3);
  CHECK(frames[0] == rest);
  REQUIRE(decode_frame(frames[2], line));
  CHECK(line.text == "third");
}

TEST_CASE("log queue: frames that are put back again and again do not pile up") {
  LogQueue queue;
  const std::string text(1000, 'x');
  for (int i = 0; i < 10'000; ++i) {
    queue.add(sluice::LogLevel::kError, text);
    queue.put_back(queue.take(false));
  }
  std::size_t bytes = 0;
  for (const std::string& frame : queue.take(true)) bytes += frame.size();
  CHECK(bytes <= LogQueue::kWaitingMax + kLogTextMax);
}

TEST_CASE("log queue: lines beyond its limit are counted, in a line of their own") {
  LogQueue queue;
  const std::string text(kLogTextMax, 'x');
  for (std::size_t i = 0; i < 2 * LogQueue::kWaitingMax / kLogTextMax; ++i) queue.add(sluice::LogLevel::kError, text);
  const std::deque<std::string> frames = queue.take(true);
  LogLine line;
  REQUIRE(decode_frame(frames.back(), line));
  CHECK(line.text.find(std::to_string(2 * LogQueue::kWaitingMax / kLogTextMax - (frames.size() - 1)) + " line(s)") !=
        std::string_view::npos);
}

TEST_CASE("wire: a changed byte never reads beyond the payload and never grows what is decoded") {
  const std::string payload = encode(request()).value();
  std::mt19937 random(14);
  for (int round = 0; round < 20'000; ++round) {
    std::string changed = payload;
    for (int i = 0; i < 3; ++i) changed[random() % changed.size()] = static_cast<char>(random());
    RequestHead head;
    if (!decode(changed, head)) continue;
    std::size_t size = head.body.size() + head.script.size();
    for (const auto& [key, value] : head.variables) size += key.size() + value.size();
    REQUIRE(size <= changed.size());
  }
}

TEST_CASE("wire: what exceeds the limit of its frame is not encoded") {
  RequestHead head = request();
  const std::string piece(kPieceMax, 'x');
  head.body = piece;
  CHECK(encode(head));
  const std::string longer(kPieceMax + 1, 'x');
  head.body = longer;
  CHECK_FALSE(encode(head));
  head.body = {};
  const std::string huge(kRequestMax, 'x');
  head.variables.emplace_back("HUGE", huge);
  CHECK_FALSE(encode(head));
  head.variables.assign(kVariablesMax + 1, {"", ""});
  CHECK_FALSE(encode(head));
  CHECK(encode(response(16'000)));
  CHECK_FALSE(encode(response(kResponseFieldsMax + 1)));
  ResponseHead large = response(1);
  large.headers[0].second.assign(kResponseMax, 'x');
  CHECK_FALSE(encode(large));
}

TEST_CASE("wire: a count that the payload has no room for allocates nothing") {
  std::string payload = std::move(Encoder().add(200U).add(std::string_view("200 OK")).add(UINT32_MAX)).take();
  ResponseHead head;
  CHECK_FALSE(decode(payload, head));
  CHECK(head.headers.capacity() == 0);
}

TEST_CASE("wire: a frame is known by its type, its sender and its size") {
  for (const FrameDefinition& frame : kFrames) {
    const auto header = [&](std::size_t size) { return frame_header(frame.type, size); };
    const Sender other = frame.sender == Sender::kServer ? Sender::kDaemon : Sender::kServer;
    CHECK(find_frame(header(frame.least), frame.sender) == &frame);
    CHECK(find_frame(header(frame.most), frame.sender) == &frame);
    CHECK(find_frame(header(frame.least), other) == nullptr);
    CHECK(find_frame(header(std::size_t{frame.most} + 1), frame.sender) == nullptr);
    if (frame.least > 0) CHECK(find_frame(header(frame.least - 1U), frame.sender) == nullptr);
  }
  for (const std::uint32_t type : {0U, 4U, 15U, 23U, UINT32_MAX}) {
    CHECK(find_frame({type, 0}, Sender::kServer) == nullptr);
    CHECK(find_frame({type, 0}, Sender::kDaemon) == nullptr);
  }
}

TEST_CASE("wire: a read request asks for something, and for no less than it needs") {
  ReadRequest read_request;
  CHECK(decode(encode(ReadRequest{.least = 1, .most = 1}), read_request));
  CHECK_FALSE(decode(encode(ReadRequest{.least = 0, .most = 10}), read_request));
  CHECK_FALSE(decode(encode(ReadRequest{.least = 2, .most = 1}), read_request));
}

TEST_CASE("wire: a failure has one of the statuses that daemon processes send") {
  std::uint32_t status = 0;
  for (const std::uint32_t failure : kFailureStatuses) CHECK(decode_failure(encode_failure(failure), status));
  for (const std::uint32_t forged : {0U, 100U, 101U, 200U, 204U, 304U, 401U, 502U, 600U, UINT32_MAX, UINT32_MAX - 2}) {
    CHECK_FALSE(decode_failure(encode_failure(forged), status));
  }
}

TEST_CASE("wire: the reason of an error of the body is cut") {
  const std::string payload = encode(BodyError{.status = 413, .reason = std::string(1000, 'x')});
  BodyError error;
  REQUIRE(decode(payload, error));
  CHECK(error.reason.size() == kReasonMax);
  CHECK_FALSE(decode(encode(BodyError{.status = 200, .reason = ""}), error));
}
