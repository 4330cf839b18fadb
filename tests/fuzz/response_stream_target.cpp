// SPDX-License-Identifier: Apache-2.0
// Fuzzes the server's session with a daemon process on a real socket: frames in any order, heads that break rules,
// bodies of any length, and bytes that are not frames. The output to the client is checked against the frames.
#include <apr_general.h>
#include <sys/socket.h>
#include <unistd.h>
#include <util_filter.h>

#include <cstring>

#include "adapters/apache/request/daemon_session.hpp"
#include "adapters/daemon/channel.hpp"
#include "adapters/daemon/wire.hpp"
#include "tests/fuzz/exchange_stand_in.hpp"
#include "tests/fuzz/head_oracle.hpp"
#include "tests/fuzz/input.hpp"

namespace {

using namespace sluice;
using namespace sluice::daemon;
using namespace sluice::fuzz;

/// The expected result of the frames. Uncertain from the first frame on that breaks the protocol.
struct Expected {
  bool certain = true;
  std::optional<wsgi::ResponseHead> head;
  std::string body;
  bool over = false;
  bool ended = false;
  bool broken = false;
  bool again = false;
  int status = OK;
  bool body_asked = false;
  bool lines_follow = false;
  std::size_t lines = 0;
};

void add_frame(std::string& stream, FrameType type, std::string_view payload) {
  stream += bytes_of(frame_header(type, payload.size()));
  stream += payload;
}

/// Returns a head that keeps all rules, sometimes with a length.
wsgi::ResponseHead sound_head(Input& input) {
  wsgi::ResponseHead head{.status = 200, .status_line = "200 OK", .headers = {{"X-A", "1"}}};
  if (input.flag()) head.headers.emplace_back("Content-Length", std::to_string(input.choice(40)));
  return head;
}

void add_response(Input& input, std::string& stream, Expected& expected) {
  const bool sound = input.choice(3) != 0;
  const wsgi::ResponseHead head = sound ? sound_head(input) : head_of(input);
  add_frame(stream, FrameType::kResponse, *encode(head));
  if (!sound || expected.head || expected.over) expected.certain = false;
  if (expected.certain) expected.head = head;
}

void add_data(Input& input, std::string& stream, Expected& expected) {
  const std::string data = input.choice(15) == 15 ? std::string(input.integer(2) % 20'000, 'd') : input.text(40);
  add_frame(stream, FrameType::kData, data);
  if (data.empty() || !expected.head || expected.over) expected.certain = false;
  expected.body += data;
}

void add_end(FrameType type, std::string& stream, Expected& expected) {
  add_frame(stream, type, {});
  const bool retry = type == FrameType::kRetry;
  if (expected.over || expected.head.has_value() == retry || (retry && expected.body_asked)) expected.certain = false;
  expected.over = true;
  expected.ended = type == FrameType::kEnd || type == FrameType::kEndBeforeLog;
  expected.lines_follow = type == FrameType::kBreak || type == FrameType::kEndBeforeLog;
  expected.broken = type == FrameType::kBreak;
  expected.again = retry;
}

void add_failure(Input& input, std::string& stream, Expected& expected) {
  const std::uint32_t status =
      input.flag() ? kFailureStatuses[input.choice(7)] : static_cast<std::uint32_t>(input.integer(4));
  add_frame(stream, FrameType::kFailed, encode_failure(status));
  if (expected.over || expected.head || !is_failure_status(status)) expected.certain = false;
  expected.over = true;
  expected.status = static_cast<int>(status);
}

void add_read_request(Input& input, std::string& stream, Expected& expected) {
  add_frame(stream, FrameType::kReadRequest, encode(ReadRequest{.least = input.number(), .most = input.number()}));
  // The body goes to a socket that is not read, in an order relative to other frames that the system chooses.
  expected.certain = false;
  expected.body_asked = true;
}

/// Lines are passed on until the session is over, and after the end of a response that announces them.
void add_line(Input& input, std::string& stream, Expected& expected) {
  const bool sound = input.choice(3) != 0;
  const std::string payload = encode(LogLine{.level = LogLevel::kInfo, .text = input.text(40)});
  add_frame(stream, FrameType::kLog, sound ? payload : payload.substr(0, payload.size() / 2));
  if (!sound || (expected.over && !expected.lines_follow)) expected.certain = false;
  ++expected.lines;
}

std::string stream_of(Input& input, Expected& expected) {
  std::string stream;
  for (std::size_t i = input.choice(12); i > 0; --i) {
    switch (input.choice(11)) {
      case 0:
      case 1:
        add_response(input, stream, expected);
        break;
      case 2:
      case 3:
        add_data(input, stream, expected);
        break;
      case 4:
      case 5:
        add_end(FrameType::kEnd, stream, expected);
        break;
      case 6:
        add_end(input.flag() ? FrameType::kBreak : FrameType::kRetry, stream, expected);
        break;
      case 7:
        add_failure(input, stream, expected);
        break;
      case 8:
        add_read_request(input, stream, expected);
        break;
      case 9:
        add_line(input, stream, expected);
        break;
      case 10:
        add_end(FrameType::kEndBeforeLog, stream, expected);
        break;
      default:
        stream += bytes_of({static_cast<std::uint32_t>(input.choice(30)), static_cast<std::uint32_t>(input.number())});
        stream += input.text(20);
        expected.certain = false;
    }
  }
  return stream;
}

/// A connection whose other end has sent a whole stream, sends no more, and accepts everything.
class Connection {
 public:
  explicit Connection(const std::string& stream) {
    int ends[2];
    require(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "a pair of sockets");
    own_ = ends[0];
    other_ = ends[1];
    const auto sent = ::send(other_, stream.data(), stream.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    require(stream.empty() || sent == static_cast<ssize_t>(stream.size()), "a stream fits the buffer of a socket");
    ::shutdown(other_, SHUT_WR);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() { ::close(other_); }

  /// Returns the session's end, which the caller must close.
  [[nodiscard]] int own() const { return own_; }

 private:
  int own_ = -1;
  int other_ = -1;
};

std::optional<std::uint64_t> promised(const wsgi::ResponseHead& head) {
  std::optional<std::uint64_t> length;
  for (const auto& [name, value] : head.headers) {
    if (lowered(name) == "content-length") length = std::stoull(value);
  }
  return length;
}

/// Checks properties that hold for any stream.
void check_bounds(const apache::DaemonSession::Answer& answer, const request_rec& request) {
  const ExchangeRecord& record = exchange_record();
  require(record.log_lines <= 1, "a failure has one line in the log");
  require(!record.head || (answer.status == OK && !answer.again), "a response that was begun is not begun again");
  const int status = answer.status;
  const bool known =
      status == OK || status == 502 || status == 504 || is_failure_status(static_cast<std::uint32_t>(status));
  require(known, "a status for Apache is one of a list");
  require(record.head || status != OK || answer.again || record.lost || !answer.redirect.empty(),
          "a request gets an answer");
  require(!record.head || answer.redirect.empty(), "a response that is passed on is not replaced");
  if (!record.head) return;
  require_sound(*record.head, promised(*record.head));
  const auto length = promised(*record.head);
  require(!length || record.written.size() <= *length, "a body is not longer than its promise");
  const bool sends = request.header_only == 0 && record.head->status >= 200 && record.head->status != 204 &&
                     record.head->status != 304;
  require(!record.ended || !sends || !length || record.written.size() == *length,
          "a whole body is as long as promised");
  require(record.ended || record.broken || record.lost, "a response ends or breaks off");
}

/// Returns true when the body breaks the promise of its head, which ends the session before later lines.
bool breaks_promise(const Expected& expected) {
  const auto length = expected.head ? promised(*expected.head) : std::nullopt;
  return length && (expected.body.size() > *length || (expected.ended && expected.body.size() < *length));
}

void check_certain(const Expected& expected, const apache::DaemonSession::Answer& answer, const request_rec& request) {
  const ExchangeRecord& record = exchange_record();
  require(answer.again == expected.again, "a request is given back");
  require(record.lines <= expected.lines, "no line is passed on twice");
  require(record.lost || breaks_promise(expected) || record.lines == expected.lines, "each line is passed on");
  if (expected.again) return;
  if (!expected.head) {
    require(answer.status == (expected.over ? expected.status : 502),
            "a failure has its status, the end of a process 502");
    return;
  }
  const auto length = promised(*expected.head);
  const std::size_t size = std::min<std::size_t>(expected.body.size(), length.value_or(SIZE_MAX));
  require(expected.body.substr(0, record.written.size()) == record.written, "the body is the daemon's");
  if (record.lost) return;
  require(record.written.size() == size, "all of the body comes, up to its promise");
  const bool whole =
      !length || expected.body.size() == *length || (request.header_only != 0 && expected.body.size() < *length);
  require(record.ended == (expected.ended && whole), "a response ends when the daemon ends it, as long as promised");
}

void reset_record(Input& input) {
  exchange_record() = {};
  exchange_record().body.assign(input.integer(1), 'b');
  exchange_record().body_breaks = input.flag();
  if (input.choice(7) == 7) exchange_record().writes_until_gone = input.choice(3);
}

}  // namespace

/// The parts of a request that a session reads: no field, no filter that changes the body, and the defaults of the
/// configuration.
class RequestStandIn {
 public:
  RequestStandIn() {
    apr_initialize();
    apr_pool_create(&pool_, nullptr);
    frec_.ftype = AP_FTYPE_NETWORK;
    frec_.name = "core";
    filter_.frec = &frec_;
    configs_[0] = &config_;
  }
  RequestStandIn(const RequestStandIn&) = delete;
  RequestStandIn& operator=(const RequestStandIn&) = delete;
  ~RequestStandIn() { apr_pool_destroy(pool_); }

  void fill(request_rec& request) {
    request.pool = pool_;
    request.headers_in = apr_table_make(pool_, 1);
    request.err_headers_out = apr_table_make(pool_, 1);
    request.output_filters = &filter_;
    request.per_dir_config = reinterpret_cast<ap_conf_vector_t*>(configs_);
  }

 private:
  apr_pool_t* pool_ = nullptr;
  ap_filter_rec_t frec_{};
  ap_filter_t filter_{};
  apache::DirectoryConfig config_{};
  void* configs_[1] = {};
};

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  reset_record(input);
  request_rec request{};
  request.header_only = input.choice(3) == 3 ? 1 : 0;
  char filename[] = "/srv/app.wsgi";
  request.filename = filename;
  RequestStandIn stand_in;
  stand_in.fill(request);
  Expected expected;
  const std::string stream = stream_of(input, expected);
  apache::ApacheExchange exchange(&request);
  const Connection connection(stream);
  Channel channel(connection.own(), Sender::kDaemon, 0);
  apache::DaemonSession session(&request, "group", exchange, channel, input.flag());
  const auto answer = session.run("", false);
  check_bounds(answer, request);
  if (expected.certain) check_certain(expected, answer, request);
  return 0;
}
