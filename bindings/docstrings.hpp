// SPDX-License-Identifier: Apache-2.0
// The docstrings of the module mod_wsgi. The lists of keys are generated from the tables of schema.hpp.
#pragma once

namespace sluice::bindings {

struct Docstrings {
  const char* module;
  const char* start_recording_metrics;
  const char* request_metrics;
  const char* process_metrics;
  const char* server_metrics;
  const char* slow_requests;
  const char* metrics_reader;
  const char* metrics_reader_type;
  const char* reader_read;
  const char* reader_close;
  const char* quantile;
  const char* subscribe_events;
  const char* subscribe_shutdown;
  const char* subscribe_signals;
  const char* request_timeout;
};

/// Returns the docstrings, which live as long as the process.
[[nodiscard]] const Docstrings& docstrings();

}  // namespace sluice::bindings
