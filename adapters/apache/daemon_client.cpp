#include "adapters/apache/daemon_client.hpp"

#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "adapters/daemon/channel.hpp"
#include "adapters/daemon/heads.hpp"
#include "sluice/clock.hpp"

namespace sluice::apache {

using daemon::Channel;
using daemon::FrameHeader;
using daemon::FrameType;

namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
/// Processes that are about to end may each be met once, and again while they are.
constexpr int kTriesMax = 1000;

/// The daemon's answer to one attempt.
struct Answer {
  bool again = false;  ///< It did nothing: another process is to be asked.
  int status = OK;
};

std::string_view view_of(const std::vector<char>& bytes, std::size_t size) { return {bytes.data(), size}; }

FrameHeader frame_of(FrameType type, std::size_t size) {
  return {static_cast<std::uint32_t>(type), static_cast<std::uint32_t>(size)};
}

/// Connects, and waits while the backlog is full. -1 with errno set after the connect timeout.
int connect_to(const DaemonGroup& group) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, group.socket, sizeof address.sun_path - 1);
  const std::uint64_t limit_ns = static_cast<std::uint64_t>(group.group.connect_timeout) * kSecond;
  const std::uint64_t begun_ns = monotonic_ns();
  useconds_t pause_us = 1'000;
  while (true) {
    const int descriptor = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor < 0) return -1;
    if (::connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return descriptor;
    const int error = errno;
    ::close(descriptor);
    errno = error;
    if (error != EAGAIN && error != EINTR) return -1;
    if (monotonic_ns() - begun_ns >= limit_ns) {
      errno = ETIMEDOUT;
      return -1;
    }
    ::usleep(pause_us);
    pause_us = std::min<useconds_t>(pause_us * 2, 50'000);
  }
}

/// Every wait from now on is bounded.
void bound_waits(int descriptor, const daemon::Group& group) {
  const int blocking = 0;
  static_cast<void>(::ioctl(descriptor, FIONBIO, &blocking));
  const timeval timeout = {group.socket_timeout, 0};
  ::setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  ::setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
}

struct Arrived {
  std::size_t size = 0;
  bool whole = false;  ///< That was the end of the body.
};

/// Reads what has arrived. An error comes out again when more is asked for.
Arrived add_arrived(ApacheExchange& exchange, absl::Span<char> into) {
  Arrived arrived;
  while (arrived.size < into.size()) {
    const absl::StatusOr<std::size_t> more = exchange.read_arrived(into.subspan(arrived.size));
    if (!more.ok()) break;
    arrived.whole = *more == 0;
    if (arrived.whole) break;
    arrived.size += *more;
  }
  return arrived;
}

/// One request on one connection.
class Dialogue {
 public:
  Dialogue(request_rec* request, const DaemonGroup& group, ApacheExchange& exchange, int descriptor)
      : request_(request), group_(group), exchange_(exchange), channel_(descriptor) {}

  [[nodiscard]] Answer run(std::string_view head) {
    const FrameHeader frame = frame_of(FrameType::kRequest, head.size());
    if (absl::Status sent = channel_.send({daemon::bytes_of(frame), head}); !sent.ok()) return broken(sent);
    while (!over_) {
      const absl::StatusOr<FrameHeader> next = channel_.next();
      if (!next.ok()) return broken(next.status());
      if (absl::Status taken = take(*next); !taken.ok()) return broken(taken);
    }
    return answer_;
  }

 private:
  absl::Status take(const FrameHeader& frame) {
    switch (static_cast<FrameType>(frame.type)) {
      case FrameType::kWant:
        return unless_gone(pass_body(frame));
      case FrameType::kHead:
        return take_head(frame);
      case FrameType::kData:
        return take_data(frame);
      case FrameType::kEnd:
        end();
        return absl::OkStatus();
      case FrameType::kBreak:
        over_ = true;
        if (begun_) exchange_.break_off();
        return absl::OkStatus();
      case FrameType::kFailed:
        return take_failure(frame);
      case FrameType::kRetry:
        over_ = true;
        answer_.again = true;
        return absl::OkStatus();
      default:
        return absl::DataLossError("not a frame of a daemon process");
    }
  }

  absl::Status pass_body(const FrameHeader& frame) {
    const absl::StatusOr<std::string> packed = channel_.read(frame.size);
    if (!packed.ok()) return packed.status();
    daemon::Unpacker unpacker(*packed);
    const std::uint64_t least = unpacker.number();
    const std::uint64_t most = unpacker.number();
    if (!unpacker.whole() || !unpacker.at_end() || most < least) return absl::DataLossError("not two numbers");
    std::uint64_t sent = 0;
    bool ended = false;
    while (!ended && sent < least) {
      piece_.resize(std::min<std::uint64_t>(most - sent, daemon::kPiece));
      const absl::StatusOr<std::size_t> size = exchange_.read(absl::MakeSpan(piece_), 1);
      if (!size.ok()) return pass_error(size.status());
      ended = *size == 0;
      const std::size_t more = ended ? 0 : add_arrived(exchange_, absl::MakeSpan(piece_).subspan(*size)).size;
      // It says nothing while it waits for the body: it has given up, and what it says instead comes next.
      if (channel_.readable()) return absl::OkStatus();
      if (absl::Status status = reply(FrameType::kBody, view_of(piece_, *size + more)); !status.ok()) return status;
      sent += *size + more;
    }
    return absl::OkStatus();
  }

  absl::Status pass_error(const absl::Status& status) {
    daemon::Packer packer;
    const absl::string_view why = status.message();
    packer.add(static_cast<std::uint64_t>(exchange_.input_error())).add(std::string_view(why.data(), why.size()));
    return reply(FrameType::kBodyError, packer.packed());
  }

  absl::Status reply(FrameType type, std::string_view payload) {
    const FrameHeader frame = frame_of(type, payload.size());
    return channel_.send({daemon::bytes_of(frame), payload});
  }

  /// What the daemon said before it went is there still.
  static absl::Status unless_gone(const absl::Status& status) {
    return absl::IsCancelled(status) ? absl::OkStatus() : status;
  }

  absl::Status take_head(const FrameHeader& frame) {
    const absl::StatusOr<std::string> packed = channel_.read(frame.size);
    if (!packed.ok()) return packed.status();
    wsgi::ResponseHead head;
    if (begun_ || !daemon::unpack(*packed, head)) return absl::DataLossError("not the head of a response");
    begun_ = true;
    return exchange_.begin_response(head);
  }

  absl::Status take_data(const FrameHeader& frame) {
    if (!begun_) return absl::DataLossError("a response without a head");
    std::size_t left = frame.size;
    while (left > 0) {
      const absl::StatusOr<std::string_view> part = channel_.some(left);
      if (!part.ok()) return part.status();
      left -= part->size();
      const bool last = left == 0 && channel_.take_if(FrameType::kEnd);
      over_ = last;
      if (!write({&*part, 1}, last)) return absl::OkStatus();
    }
    return absl::OkStatus();
  }

  void end() {
    over_ = true;
    if (begun_) static_cast<void>(write({}, true));
  }

  /// False if the client is gone: then there is nothing more to do.
  bool write(absl::Span<const std::string_view> blocks, bool last) {
    const absl::Status status = exchange_.write(blocks, last);
    if (status.ok()) return true;
    over_ = true;
    if (!absl::IsCancelled(status)) exchange_.break_off();
    return false;
  }

  absl::Status take_failure(const FrameHeader& frame) {
    std::uint64_t status = 0;
    if (frame.size != sizeof status) return absl::DataLossError("not a status");
    if (absl::Status read = channel_.read({reinterpret_cast<char*>(&status), sizeof status}); !read.ok()) return read;
    over_ = true;
    answer_.status = static_cast<int>(status);
    return absl::OkStatus();
  }

  /// The daemon process died, hangs, or sent what nobody understands.
  Answer broken(const absl::Status& status) {
    const char* const name = group_.group.name;
    const bool timeout = absl::IsDeadlineExceeded(status);
    const char* const what = timeout  ? "Timeout when reading the response of"
                             : begun_ ? "Truncated response received from"
                                      : "Truncated or oversized response headers received from";
    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, request_, "%s daemon process '%s': %s", what, name, request_->filename);
    if (begun_) {
      exchange_.break_off();
      return {};
    }
    return {.again = false, .status = timeout ? HTTP_GATEWAY_TIME_OUT : HTTP_BAD_GATEWAY};
  }

  request_rec* request_;
  const DaemonGroup& group_;
  ApacheExchange& exchange_;
  Channel channel_;
  std::vector<char> piece_;
  Answer answer_;
  bool begun_ = false;  ///< The response has a head.
  bool over_ = false;
};

/// What has arrived of the body goes along with the head.
void add_arrived_body(ApacheExchange& exchange, daemon::RequestHead& head, std::string& body) {
  head.has_body = exchange.has_body();
  if (!head.has_body) return;
  body.resize(daemon::kPiece);
  const Arrived arrived = add_arrived(exchange, absl::MakeSpan(body));
  head.body_whole = arrived.whole;
  body.resize(arrived.size);
  head.body = body;
}

/// When the script was changed last: a process that was made meanwhile may have loaded a newer one.
std::int64_t modified_us(request_rec* request) {
  apr_finfo_t found;
  const apr_status_t status = apr_stat(&found, request->filename, APR_FINFO_MTIME, request->pool);
  return status == APR_SUCCESS ? found.mtime : request->finfo.mtime;
}

}  // namespace

int serve_in_daemon(request_rec* request, const DaemonGroup& group, ApacheExchange& exchange,
                    const wsgi::Assignment& assignment) {
  daemon::RequestHead head{.accepted_ns = assignment.accepted_ns,
                           .queued_ns = 0,
                           .application_group = assignment.application_group,
                           .callable = assignment.callable,
                           .script = assignment.script.path,
                           .script_mtime_us = assignment.script.mtime_us,
                           .script_reloading = wsgi::Scripts::reloads(assignment.script.on_change),
                           .https = exchange.https(),
                           .head_only = request->header_only != 0,
                           .id = exchange.id(),
                           .client = {},
                           .body = {},
                           .variables = {}};
  exchange.each_variable(
      [&](std::string_view key, std::string_view value) { head.variables.emplace_back(key, value); });
  const std::string client = std::string(request->useragent_ip) + ":" + std::to_string(request->useragent_addr->port);
  head.client = client;
  exchange.merge_repeated_fields();
  std::string body;
  add_arrived_body(exchange, head, body);
  head.queued_ns = monotonic_ns();
  for (int tries = 0; tries < kTriesMax; ++tries) {
    head.tries = static_cast<std::uint32_t>(tries) + 1;
    if (tries > 0) head.script_mtime_us = modified_us(request);
    const std::string packed = daemon::pack(head);
    const int descriptor = connect_to(group);
    if (descriptor < 0) {
      ap_log_rerror(APLOG_MARK, APLOG_ERR, errno, request, "Unable to connect to daemon process '%s' on '%s'",
                    group.group.name, group.socket);
      return HTTP_SERVICE_UNAVAILABLE;
    }
    bound_waits(descriptor, group.group);
    const Answer answer = Dialogue(request, group, exchange, descriptor).run(packed);
    if (!answer.again) return answer.status;
    ::usleep(static_cast<useconds_t>(std::min(tries, 10)) * 1'000);
  }
  ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, request, "No daemon process of '%s' takes the request", group.group.name);
  return HTTP_SERVICE_UNAVAILABLE;
}

}  // namespace sluice::apache
