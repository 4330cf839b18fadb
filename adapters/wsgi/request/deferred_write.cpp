// SPDX-License-Identifier: Apache-2.0
#include "adapters/wsgi/request/deferred_write.hpp"

#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"

namespace sluice::wsgi {

void log_client_gone(const Exchange& exchange) noexcept {
  exchange.log(LogLevel::kDebug, "SLC0123: the client closed the connection before the end of its response.");
}

void log_short_response(const Exchange& exchange) noexcept {
  exchange.log(
      LogLevel::kDebug,
      "SLC0124: the response is shorter than its Content-Length or could not be written in full; the connection "
      "is closed so that the client can tell.");
}

void DeferredWrite::send(Exchange& exchange, Measurement& measurement) const {
  const std::string_view block(data);
  const absl::Span<const std::string_view> blocks(&block, block.empty() ? 0 : 1);
  const absl::Status status = measurement.measure_write(data.size(), [&] { return exchange.write(blocks, complete); });
  if (absl::IsCancelled(status)) {
    log_client_gone(exchange);
  } else if (!status.ok()) {
    exchange.log(LogLevel::kError, absl::StrCat("SLC0125: the end of a response could not be written: ",
                                                status.message(), "; the connection is closed."));
    exchange.break_off();
  } else if (!complete) {
    log_short_response(exchange);
    exchange.break_off();
  }
}

}  // namespace sluice::wsgi
