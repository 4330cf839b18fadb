// SPDX-License-Identifier: Apache-2.0
#include "adapters/daemon/refusal.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>

#include "adapters/daemon/channel.hpp"
#include "adapters/daemon/deadlines.hpp"
#include "adapters/daemon/wire.hpp"
#include "sluice/clock.hpp"
#include "sluice/units.hpp"
#include "tests/catch.hpp"

namespace {

using namespace sluice;
using namespace sluice::daemon;

/// A listening socket whose requests a thread refuses.
class Refusing {
 public:
  Refusing() {
    std::string pattern = (std::filesystem::temp_directory_path() / "sluice-refusal-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    folder_ = pattern;
    path_ = folder_ / "socket";
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    REQUIRE(path_.native().size() < sizeof(address.sun_path));
    path_.native().copy(address.sun_path, path_.native().size());
    REQUIRE(::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
    REQUIRE(::listen(listener_, 8) == 0);
    thread_ = std::thread([this] { refuse_requests(listener_, nullptr, [this] { return ending_.load(); }); });
  }
  ~Refusing() {
    ending_ = true;
    thread_.join();
    DeadlineWatcher::stop();
    ::close(listener_);
    std::filesystem::remove_all(folder_);
  }

  /// Returns the type of the answer to a request that was sent at `sent_ns`, by its connection number `tries`.
  [[nodiscard]] FrameType answer_to(std::uint32_t tries, std::uint64_t sent_ns) const {
    RequestHead head;
    head.tries = tries;
    head.timestamps.queued_ns = sent_ns;
    Channel channel(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), Sender::kDaemon, 0);
    channel.end_at(monotonic_ns() + 30 * kNsPerSecond);
    REQUIRE(channel.connect(path_.c_str(), monotonic_ns() + 30 * kNsPerSecond).ok());
    REQUIRE(channel.send(FrameType::kRequest, encode(head).value()).ok());
    const absl::StatusOr<Frame> frame = channel.next();
    REQUIRE(frame.ok());
    return frame->type;
  }

 private:
  int listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::filesystem::path folder_;
  std::filesystem::path path_;
  std::atomic<bool> ending_{false};
  std::thread thread_;
};

}  // namespace

TEST_CASE("refusal: a request goes to other processes until many were asked for some time") {
  const Refusing refusing;
  // An instant of the future is as good as now, however slow the machine is.
  const std::uint64_t just_now_ns = monotonic_ns() + 3600 * kNsPerSecond;
  const std::uint64_t long_ago_ns = 1;
  CHECK(refusing.answer_to(1, just_now_ns) == FrameType::kRetry);
  CHECK(refusing.answer_to(19, long_ago_ns) == FrameType::kRetry);
  // Processes whose script has changed leave a request within microseconds.
  CHECK(refusing.answer_to(500, just_now_ns) == FrameType::kRetry);
  CHECK(refusing.answer_to(20, long_ago_ns) == FrameType::kFailed);
}
