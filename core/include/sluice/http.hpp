// SPDX-License-Identifier: Apache-2.0
// The schema of HTTP servers: the class of the status, the duration, the bytes of both bodies.
//
//   sluice::http::Recorder recorder({.threads = 8});
//   sluice::Reader reader = recorder.add_reader();
//   sluice::http::Worker worker = recorder.attach();              // once a thread
//   sluice::http::InFlight request = worker.begin();              // for each request
//   request.finish({.status = 200, .response_bytes = 512});       // the duration is from begin() to here
//   sluice::Result<sluice::Window> window = reader.drain();       // on any other thread
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "sluice/fine_buckets.hpp"
#include "sluice/labels.hpp"
#include "sluice/recorder.hpp"
#include "sluice/schema.hpp"

/// The schema of HTTP servers.
namespace sluice::inline v0_1::http {

/// \addtogroup record_api
/// @{

/// The measurements of one request.
struct Request {
  int status = 200;  ///< Status code. 0 (no response was started) and codes outside 100 to 599 count as 5xx.
  std::uint64_t duration_ns = kSinceBegin;  ///< Duration in nanoseconds; by default from begin() to finish().
  std::uint64_t request_bytes = 0;          ///< Bytes of the request body.
  std::uint64_t response_bytes = 0;         ///< Bytes of the response body.
};

/// Number of status classes.
inline constexpr std::size_t kStatusClasses = 5;

/// Returns 0 for 1xx to 4 for 5xx. A number that is not an HTTP status counts as 5xx.
constexpr std::size_t status_class(int status) noexcept {
  const unsigned from_100 = static_cast<unsigned>(status) - 100;
  return from_100 < 100 * kStatusClasses ? from_100 / 100 : kStatusClasses - 1;
}

/// The labels of a series by the semantic conventions of OpenTelemetry: `http.request.method`, `http.route` and
/// `http.response.status_code`. Refers to the text of its arguments.
class SeriesLabels {
 public:
  /// Makes the labels of a method, of a route and of a status. `route` is the template that was matched, such as
  /// `/users/{id}`, never the path; empty: there is no such label. `status` is that of the response; 0: no such label.
  /// A method that the conventions do not know becomes `_OTHER`, so that clients cannot choose how many series there
  /// are.
  SeriesLabels(std::string_view method, std::string_view route, int status = 0) noexcept
      : labels_{Label{"http.request.method", known_method(method)}, Label{"http.route", route},
                Label{"http.response.status_code", {}, LabelType::kInteger}} {
    if (status >= 100 && status <= 999) {
      for (int i = 2, rest = status; i >= 0; --i, rest /= 10) digits_[i] = static_cast<char>('0' + rest % 10);
      labels_[2].value = {digits_, sizeof digits_};
    }
  }
  SeriesLabels(const SeriesLabels&) = delete;
  SeriesLabels& operator=(const SeriesLabels&) = delete;

  /// Returns the labels, for Recorder::series(), which leaves out those without a value.
  operator Labels() const noexcept { return labels_; }  // NOLINT(google-explicit-constructor): a view of itself

 private:
  static constexpr std::string_view known_method(std::string_view method) noexcept {
    for (const std::string_view name :
         {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}) {
      if (method == name) return name;
    }
    return "_OTHER";
  }

  char digits_[3] = {};
  Label labels_[3];
};

/// A recorder of HTTP requests.
using Recorder = sluice::Recorder<Request>;
/// The right of a thread to record in it.
using Worker = sluice::Worker<Request>;
/// One request in flight.
using InFlight = sluice::Request<Request>;

/// @}

}  // namespace sluice::http

namespace sluice::inline v0_1 {

/// \addtogroup record_api
/// @{

/// The record of a request that ends without a response: it has no status, so it counts as 5xx.
template <>
inline constexpr http::Request abandoned<http::Request>{.status = 0};

/// The fields of a request, with the names of OpenTelemetry's conventions.
template <>
inline constexpr auto schema<http::Request> =
    fields(classes<http::kStatusClasses, http::status_class>("status_class", &http::Request::status)
               .names("1xx", "2xx", "3xx", "4xx", "5xx"),
           histogram("request.duration", Unit::kNanoseconds, &http::Request::duration_ns, buckets::kFine)
               .help("Duration of requests.")
               .otel_bounds(),
           counter("request.body", Unit::kBytes, &http::Request::request_bytes).help("Bytes of request bodies."),
           counter("response.body", Unit::kBytes, &http::Request::response_bytes).help("Bytes of response bodies."))
        .prefix("http.server");

/// @}

}  // namespace sluice
