// SPDX-License-Identifier: Apache-2.0
#include "adapters/wsgi/request/environ.hpp"

#include <string_view>

#include "adapters/wsgi/python/names.hpp"
#include "bindings/dict_builder.hpp"
#include "bindings/module.hpp"

namespace sluice::wsgi {

using bindings::DictBuilder;
using bindings::Object;
using bindings::steal;

namespace {

Object boolean(bool value) { return bindings::borrow(value ? Py_True : Py_False); }

Object triple(const int (&parts)[3]) { return steal(Py_BuildValue("(iii)", parts[0], parts[1], parts[2])); }

/// PATH is the server's own, and wsgi.url_scheme replaces HTTPS.
bool is_hidden(std::string_view key) { return key == "PATH" || key == "HTTPS"; }

/// Whether the server has set an entry of this name. A configuration can set variables with a dot in their names, which
/// must not replace entries such as wsgi.input.
bool is_reserved(Names& names, PyObject* environ, std::string_view key) {
  if (key.find('.') == std::string_view::npos) return false;
  const Object name = names.of(key);
  return name && PyDict_Contains(environ, name.ptr()) == 1;
}

/// The entries that are the same for all requests.
Object make_base(InterpreterObjects& objects, const ServerFacts& facts) {
  Names& names = objects.names;
  return DictBuilder()
      .set(names.of("wsgi.version"), steal(Py_BuildValue("(ii)", 1, 0)))
      .set(names.of("wsgi.input_terminated"), boolean(true))
      .set(names.of("wsgi.errors"), objects.request_errors)
      .set(names.of("wsgi.file_wrapper"), objects.file_wrapper_type)
      .set(names.of("wsgi.multithread"), boolean(facts.multithread))
      .set(names.of("wsgi.multiprocess"), boolean(facts.multiprocess))
      .set(names.of("wsgi.run_once"), boolean(facts.run_once))
      .set(names.of("mod_wsgi.version"), triple(bindings::kInterfaceVersion))
      .set(names.of("apache.version"), triple(facts.server_version))
      .take();
}

}  // namespace

Object make_environ(const RequestContext& context, PyObject* input) {
  InterpreterObjects& objects = context.objects;
  Names& names = objects.names;
  PyObject* base = objects.environ.get();
  if (base == nullptr) base = objects.environ.keep(make_base(objects, context.facts));
  if (base == nullptr) return {};
  DictBuilder environ(steal(PyDict_Copy(base)));
  context.exchange.each_variable([&](std::string_view key, std::string_view value) {
    if (environ.dict() == nullptr || is_hidden(key) || is_reserved(names, environ.dict(), key)) return;
    if (!names.set(environ.dict(), key, value)) environ.fail();
  });
  if (void* const request = context.exchange.native_request()) {
    environ.set(names.of("apache.request_rec"), steal(PyCapsule_New(request, nullptr, nullptr)));
  }
  return environ.set(names.of("wsgi.url_scheme"), names.of(context.exchange.https() ? "https" : "http"))
      .set(names.of("wsgi.input"), bindings::borrow(input))
      .set(names.of("mod_wsgi.thread_id"), steal(PyLong_FromSize_t(context.thread_id)))
      .take();
}

bool add_instants(const RequestContext& context, PyObject* environ) {
  Names& names = context.objects.names;
  const Measurement& measurement = context.measurement;
  const Timestamps& timestamps = measurement.timestamps;
  const auto seconds = [&](std::uint64_t instant_ns) {
    return steal(PyFloat_FromDouble(measurement.wall_time(instant_ns)));
  };
  DictBuilder builder(bindings::borrow(environ));
  builder.set(names.of("mod_wsgi.request_start"), seconds(timestamps.accepted_ns))
      .set(names.of("mod_wsgi.queue_start"), seconds(timestamps.queued_ns))
      .set(names.of("mod_wsgi.daemon_start"), seconds(timestamps.dispatched_ns))
      .set(names.of("mod_wsgi.application_start"), seconds(timestamps.entered_ns));
  return builder.dict() != nullptr;
}

}  // namespace sluice::wsgi
