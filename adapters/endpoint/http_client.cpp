// SPDX-License-Identifier: Apache-2.0
#include "http_client.hpp"

#include <curl/curl.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cstddef>

#include "absl/strings/str_cat.h"

namespace sluice::inline v0_1::endpoint {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLongestRetryAfter = std::chrono::hours(1);
constexpr milliseconds kLongestWait = std::chrono::hours(1);
constexpr std::string_view kTokenCharacters =
    "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

struct EndEasy {
  void operator()(CURL* easy) const noexcept { curl_easy_cleanup(easy); }
};
struct EndMulti {
  void operator()(CURLM* multi) const noexcept { curl_multi_cleanup(multi); }
};
struct EndList {
  void operator()(curl_slist* list) const noexcept { curl_slist_free_all(list); }
};
struct EndUrl {
  void operator()(CURLU* url) const noexcept { curl_url_cleanup(url); }
};

/// Takes the body of a response, of which nothing is needed. The time of the attempt bounds how much comes.
std::size_t discard(char*, std::size_t size, std::size_t count, void*) { return size * count; }

/// Opens the socket of a connection, which programs that this process executes do not inherit.
curl_socket_t open_socket(void*, curlsocktype, curl_sockaddr* address) {
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/// Returns a URL for an error message: without a name and a password, which stand before an `@`.
std::string shown(const std::string& url) { return url.substr(url.rfind('@') + 1); }

absl::Status checked(const HttpRequest& request) {
  const std::unique_ptr<CURLU, EndUrl> url(curl_url());
  if (url == nullptr) return absl::ResourceExhaustedError("libcurl cannot start");
  if (curl_url_set(url.get(), CURLUPART_URL, request.url.c_str(), 0) != CURLUE_OK) {
    return absl::InvalidArgumentError(absl::StrCat("not a URL: ", shown(request.url)));
  }
  char* scheme = nullptr;
  curl_url_get(url.get(), CURLUPART_SCHEME, &scheme, 0);
  const std::string name = scheme == nullptr ? "" : scheme;
  curl_free(scheme);
  if (name != "http" && name != "https") {
    return absl::InvalidArgumentError(absl::StrCat("the URL is neither of http nor of https: ", shown(request.url)));
  }
  for (const auto& [field, value] : request.headers) {
    const bool token = !field.empty() && field.find_first_not_of(kTokenCharacters) == std::string::npos;
    if (!token || value.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) {
      return absl::InvalidArgumentError(absl::StrCat("not a header field: ", field));  // the value may be a secret
    }
  }
  return absl::OkStatus();
}

/// One connection, kept between requests.
class HttpTransport : public Transport {
 public:
  static absl::StatusOr<std::unique_ptr<Transport>> make(const HttpRequest& request) {
    auto transport = std::make_unique<HttpTransport>();
    if (absl::Status status = transport->set_up(request); !status.ok()) return status;
    return transport;
  }

  HttpTransport() = default;
  ~HttpTransport() override {
    if (easy_ != nullptr) curl_multi_remove_handle(multi_.get(), easy_.get());
  }

  Attempt send(Batch& batch, SteadyClock::time_point deadline) override {
    while (!batch.empty()) {
      Attempt attempt = post(batch.front(), deadline);
      if (!attempt.status.ok()) return attempt;
      batch.erase(batch.begin());
    }
    return {};
  }

  /// The deadline is stored before the wake-up, and the loop below reads it after a wake-up.
  void hurry(SteadyClock::time_point deadline) override {
    hurried_.store(deadline.time_since_epoch().count(), std::memory_order_relaxed);  // ordered by the wake-up
    curl_multi_wakeup(multi_.get());
  }

 private:
  absl::Status set_up(const HttpRequest& request);
  Attempt post(const std::string& body, SteadyClock::time_point deadline);
  [[nodiscard]] CURLcode perform(SteadyClock::time_point deadline);
  [[nodiscard]] Attempt judged(CURLcode code);
  [[nodiscard]] SteadyClock::time_point end_of(SteadyClock::time_point deadline) const {
    const SteadyClock::duration hurried(hurried_.load(std::memory_order_relaxed));  // read again after each wake-up
    return std::min(deadline, SteadyClock::time_point(hurried));
  }

  std::unique_ptr<CURLM, EndMulti> multi_;
  std::unique_ptr<CURL, EndEasy> easy_;
  std::unique_ptr<curl_slist, EndList> fields_;
  std::atomic<SteadyClock::rep> hurried_{SteadyClock::time_point::max().time_since_epoch().count()};
};

absl::Status HttpTransport::set_up(const HttpRequest& request) {
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);  // thread-safe by the rules of the language
  multi_.reset(curl_multi_init());
  easy_.reset(curl_easy_init());
  if (ready != CURLE_OK || multi_ == nullptr || easy_ == nullptr) {
    return absl::ResourceExhaustedError("libcurl cannot start");
  }
  std::vector<std::string> lines = {absl::StrCat("Content-Type: ", request.content_type), "Expect:"};
  for (const auto& [name, value] : request.headers)
    lines.push_back(absl::StrCat(name, value.empty() ? ";" : ": ", value));
  for (const std::string& line : lines) {
    curl_slist* const longer = curl_slist_append(fields_.get(), line.c_str());
    if (longer == nullptr) return absl::ResourceExhaustedError("libcurl has no memory");
    static_cast<void>(fields_.release());
    fields_.reset(longer);
  }
  CURL* const easy = easy_.get();
  curl_easy_setopt(easy, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_POST, 1L);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, fields_.get());
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "sluice");
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &discard);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, &open_socket);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);  // or the end would wait for a name that does not resolve
  return absl::OkStatus();
}

Attempt HttpTransport::post(const std::string& body, SteadyClock::time_point deadline) {
  curl_easy_setopt(easy_.get(), CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  curl_easy_setopt(easy_.get(), CURLOPT_POSTFIELDS, body.data());
  if (curl_multi_add_handle(multi_.get(), easy_.get()) != CURLM_OK) {
    return {.status = absl::ResourceExhaustedError("libcurl has no memory")};
  }
  const CURLcode code = perform(deadline);
  Attempt attempt = judged(code);
  curl_multi_remove_handle(multi_.get(), easy_.get());
  return attempt;
}

/// Runs the request until it is done or its time is over.
CURLcode HttpTransport::perform(SteadyClock::time_point deadline) {
  while (true) {
    int running = 0;
    if (curl_multi_perform(multi_.get(), &running) != CURLM_OK) return CURLE_OUT_OF_MEMORY;
    if (running == 0) {
      int left = 0;
      const CURLMsg* const message = curl_multi_info_read(multi_.get(), &left);
      return message == nullptr ? CURLE_OUT_OF_MEMORY : message->data.result;
    }
    const auto wait = std::chrono::ceil<milliseconds>(end_of(deadline) - SteadyClock::now());
    if (wait <= milliseconds::zero()) return CURLE_OPERATION_TIMEDOUT;
    curl_multi_poll(multi_.get(), nullptr, 0, static_cast<int>(std::min(wait, kLongestWait).count()), nullptr);
  }
}

/// Judges by the status of the answer once it is there, even if the rest of the answer did not come: a message that the
/// receiver took would be counted twice if it were sent again.
Attempt HttpTransport::judged(CURLcode code) {
  long status = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
  if (status < 200) {
    const bool told = code != CURLE_OK;
    return {.status = absl::UnavailableError(told ? curl_easy_strerror(code) : "the receiver gave no final answer")};
  }
  if (status / 100 == 2) return {};
  const std::string message = absl::StrCat("the receiver answered ", status);
  if (status != 429 && status != 502 && status != 503 && status != 504) {
    return {.status = absl::FailedPreconditionError(message), .may_retry = false};
  }
  curl_off_t seconds = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_RETRY_AFTER, &seconds);
  const auto longest = std::chrono::duration_cast<std::chrono::seconds>(kLongestRetryAfter).count();
  return {.status = absl::UnavailableError(message),
          .may_retry = true,
          .after = std::chrono::seconds(std::clamp<curl_off_t>(seconds, 0, longest))};
}

}  // namespace

absl::StatusOr<std::unique_ptr<Transport>> http_transport(const HttpRequest& request) {
  if (absl::Status status = checked(request); !status.ok()) return status;
  return HttpTransport::make(request);
}

}  // namespace sluice::endpoint
