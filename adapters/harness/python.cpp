// SPDX-License-Identifier: Apache-2.0
// The extension module of the `sluice` package: the harness for tests in Python.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "adapters/harness/harness.hpp"
#include "bindings/module.hpp"

namespace py = pybind11;

namespace sluice::harness {
namespace {

void throw_if(const absl::Status& status) {
  if (!status.ok()) throw py::value_error(std::string(status.message()));
}

long long integer(const char* name, py::handle value) {
  if (PyLong_Check(value.ptr()) == 0) {
    throw py::type_error(std::string(name) + " must be an int, not " + Py_TYPE(value.ptr())->tp_name);
  }
  int overflow = 0;
  const long long number = PyLong_AsLongLongAndOverflow(value.ptr(), &overflow);
  if (overflow != 0) throw py::value_error(std::string(name) + " is out of range");
  return number;
}

std::uint64_t amount(const char* name, py::handle value) {
  const long long number = integer(name, value);
  if (number < 0) throw py::value_error(std::string(name) + " must not be negative");
  return static_cast<std::uint64_t>(number);
}

/// Converts a duration from microseconds to nanoseconds. Throws ValueError when it is out of range.
std::uint64_t nanoseconds(const char* name, py::handle value) {
  const std::uint64_t us = amount(name, value);
  if (us > UINT64_MAX / 1000) throw py::value_error(std::string(name) + " is out of range");
  return us * 1000;
}

/// Converts a status, which is any integer. Integers that are no HTTP status become 0.
int status_code(py::handle value) {
  if (PyLong_Check(value.ptr()) == 0) throw py::type_error("status must be an int");
  int overflow = 0;
  const long long number = PyLong_AsLongLongAndOverflow(value.ptr(), &overflow);
  return overflow == 0 && number >= 0 && number < 1000 ? static_cast<int>(number) : 0;
}

/// Sets the measurement with this name, if it is one of durations in microseconds or of amounts.
bool set_number(wsgi::Completion& done, const std::string& name, py::handle value) {
  bool known = false;
  const auto set_if = [&](std::string_view candidate, std::uint64_t wsgi::Completion::*member) {
    if (name != candidate) return;
    done.*member = amount(name.c_str(), value);
    known = true;
  };
  const auto set_phase = [&]<std::size_t kPhase>(std::integral_constant<std::size_t, kPhase>) {
    constexpr auto kMember = std::get<kPhase>(wsgi::kPhaseMembers);
    if constexpr (std::is_same_v<decltype(done.*kMember), std::uint64_t&>) set_if(wsgi::kPhaseLabels[kPhase], kMember);
  };
  [&]<std::size_t... kPhase>(std::index_sequence<kPhase...>) {
    (set_phase(std::integral_constant<std::size_t, kPhase>()), ...);
  }
  (std::make_index_sequence<wsgi::kPhases>());
  for (const wsgi::Amount& counted : wsgi::kAmounts) set_if(counted.name, counted.member);
  return known;
}

void set(wsgi::Completion& done, const std::string& name, py::handle value) {
  if (name == "status") {
    done.status = status_code(value);
  } else if (name == "cpu") {
    done.cpu_ns = nanoseconds("cpu", value);
  } else if (name == "gil_waits") {
    for (const py::handle wait : value) {
      const std::uint64_t wait_ns = nanoseconds("gil_waits", wait);
      if (wait_ns > UINT64_MAX - done.gil_waits.total) throw py::value_error("the sum of gil_waits is out of range");
      done.gil_waits.add(wait_ns);
    }
  } else if (!set_number(done, name, value)) {
    throw py::type_error("a request has no measurement named '" + name + "'");
  }
}

wsgi::Completion completion(const py::kwargs& measured) {
  wsgi::Completion done;
  for (const auto& [name, value] : measured) set(done, py::cast<std::string>(name), value);
  return done;
}

/// Returns a text as UTF-8. Throws TypeError for other types, and ValueError for a text that UTF-8 cannot encode.
std::string text(const char* name, py::handle value) {
  if (PyUnicode_Check(value.ptr()) == 0) {
    throw py::type_error(std::string(name) + " must be a str, not " + Py_TYPE(value.ptr())->tp_name);
  }
  Py_ssize_t size = 0;
  const char* const bytes = PyUnicode_AsUTF8AndSize(value.ptr(), &size);
  if (bytes == nullptr) throw py::error_already_set();
  return {bytes, static_cast<std::size_t>(size)};
}

/// Removes the texts of a request from its measurements and views them. `storage` owns them.
wsgi::RequestTexts take_texts(py::kwargs& measured, std::vector<std::string>& storage) {
  wsgi::RequestTexts texts;
  storage = {"GET", "/"};
  std::size_t next = 0;
  for (const auto& [name, which] :
       {std::pair{"method", wsgi::RequestText::kMethod}, {"path", wsgi::RequestText::kPathInfo}}) {
    std::string& value = storage[next++];
    if (measured.contains(name)) value = text(name, measured.attr("pop")(name));
    texts[static_cast<std::size_t>(which)] = value;
  }
  return texts;
}

/// Converts a threshold from seconds. None means no threshold.
std::optional<std::uint64_t> threshold_us(const py::object& seconds) {
  if (seconds.is_none()) return std::nullopt;
  const double value = PyFloat_AsDouble(seconds.ptr());
  if (value == -1.0 && PyErr_Occurred() != nullptr) throw py::error_already_set();
  if (!(value >= 0.0) || value > 1e9) throw py::value_error("slow_requests must be a number of seconds, not negative");
  return static_cast<std::uint64_t>(value * 1e6);
}

wsgi::Mode mode_of(const std::string& name) {
  if (name == "embedded") return wsgi::Mode::kEmbedded;
  if (name == "daemon") return wsgi::Mode::kDaemon;
  throw py::value_error("mode must be 'embedded' or 'daemon', not '" + name + "'");
}

std::size_t slot_number(py::handle slot) {
  const long long number = integer("slot", slot);
  return number < 0 ? 0 : static_cast<std::size_t>(number);
}

/// A request in flight as seen by a test. The host owns the request, so dropping this object does not end it.
class PythonRequest {
 public:
  PythonRequest(std::shared_ptr<Harness> host, std::size_t slot) : host_(std::move(host)), slot_(slot) {}

  void finish(const py::kwargs& measured) {
    const wsgi::Completion done = completion(measured);
    // Another thread may finish the request at the same time, so this one claims it first.
    if (finished_.exchange(true)) throw py::value_error("the request has been finished already");
    const absl::Status status = host_->finish(slot_, done);
    if (!status.ok()) finished_ = false;
    throw_if(status);
  }

 private:
  std::shared_ptr<Harness> host_;
  std::size_t slot_;
  std::atomic<bool> finished_{false};
};

/// A harness with its module object, which shares the ownership of the harness.
class PythonHost {
 public:
  PythonHost(py::handle threads, const std::string& mode, bool external_reporter, const py::object& slow_requests) {
    const long long number = integer("threads", threads);
    if (number < 1 || number > std::numeric_limits<std::uint16_t>::max()) {
      throw py::value_error("threads must be from 1 to 65535");
    }
    host_ = std::make_shared<Harness>(Harness::Options{.threads = static_cast<std::size_t>(number),
                                                       .mode = mode_of(mode),
                                                       .external_reporter = external_reporter,
                                                       .slow_threshold_us = threshold_us(slow_requests)});
    module_ = bindings::make_module(*host_, "");
    if (!module_) throw py::error_already_set();
    // The module may outlive this object, so it owns the harness, too.
    auto share = std::make_unique<std::shared_ptr<Harness>>(host_);
    const py::capsule keeper(share.release(),
                             [](void* owned) { delete static_cast<std::shared_ptr<Harness>*>(owned); });
    module_.attr("_host") = keeper;
  }

  [[nodiscard]] py::object module() { return module_; }

  void advance_us(py::handle us) { throw_if(host_->advance_us(amount("us", us))); }

  void request(py::handle slot, py::kwargs measured) {
    std::vector<std::string> storage;
    const wsgi::RequestTexts texts = take_texts(measured, storage);
    throw_if(host_->request(slot_number(slot), completion(measured), texts));
  }

  std::unique_ptr<PythonRequest> begin(py::handle slot, const std::string& method, const std::string& path) {
    const std::size_t number = slot_number(slot);
    wsgi::RequestTexts texts;
    texts[static_cast<std::size_t>(wsgi::RequestText::kMethod)] = method;
    texts[static_cast<std::size_t>(wsgi::RequestText::kPathInfo)] = path;
    throw_if(host_->begin(number, texts));
    return std::make_unique<PythonRequest>(host_, number);
  }

 private:
  std::shared_ptr<Harness> host_;
  py::object module_;
};

/// Returns the object of C++ behind `self`. Throws TypeError when `self` is of another type, and when it was made
/// without its constructor, as T.__new__(T) does: pybind11 would pass memory that nobody has initialized.
template <class T>
T& constructed(const py::object& self) {
  if (!py::isinstance<T>(self)) throw py::type_error("self is of another type");
  if (!reinterpret_cast<py::detail::instance*>(self.ptr())->get_value_and_holder().holder_constructed()) {
    throw py::type_error("the object was made without its constructor");
  }
  return self.cast<T&>();
}

/// Binds a member function of T.
template <class T, class Result, class... Arguments>
auto method(Result (T::*member)(Arguments...)) {
  return [member](const py::object& self, Arguments... arguments) -> Result {
    return (constructed<T>(self).*member)(std::move(arguments)...);
  };
}

/// Refuses to copy or pickle an object, which has a host that cannot be in two places.
py::object refuse_copy(const py::object& self) {
  throw py::type_error(std::string("cannot copy or pickle a ") + Py_TYPE(self.ptr())->tp_name);
}

}  // namespace
}  // namespace sluice::harness

PYBIND11_MODULE(sluice_core, module, py::mod_gil_not_used(), py::multiple_interpreters::per_interpreter_gil()) {
  using sluice::harness::method;
  using sluice::harness::PythonHost;
  using sluice::harness::PythonRequest;
  using sluice::harness::refuse_copy;
  module.doc() = "The harness of Sluice in C++. Use sluice.testing.";

  py::class_<PythonRequest>(module, "Request", "A request in flight on a slot of a Host.")
      .def("__reduce__", refuse_copy)
      .def("finish", method(&PythonRequest::finish),
           "finish(**measurements): Complete the request now. Raise ValueError and record nothing for a value that is "
           "out\n"
           "of range, a daemon phase in embedded mode, or a request that is finished already.");

  py::class_<PythonHost>(module, "Host", "A host for tests, whose clock moves only when the test moves it.")
      .def(py::init<py::handle, const std::string&, bool, const py::object&>(), py::arg("threads") = 4,
           py::arg("mode") = "embedded", py::arg("external_reporter") = false, py::arg("slow_requests") = py::none())
      .def("__reduce__", refuse_copy)
      .def_property_readonly("mod_wsgi", method(&PythonHost::module),
                             "The module object that an application would import as mod_wsgi.")
      .def("advance_us", method(&PythonHost::advance_us), py::arg("us"),
           "Move the monotonic and the wall clock on by this many microseconds. Raise ValueError for a negative\n"
           "number, and beyond the year 2262.")
      .def("request", method(&PythonHost::request), py::arg("slot"),
           "request(slot, **measurements): Begin and complete a request on a slot, numbered from 1, at the current "
           "instant.")
      .def("begin", method(&PythonHost::begin), py::arg("slot"), py::kw_only(), py::arg("method") = "GET",
           py::arg("path") = "/",
           "Begin a request on a slot, numbered from 1. slow_requests() reports its method and path. Raise ValueError "
           "for a slot that does not exist or is busy.");
}

/// Initializes the module _core. Refuses sub-interpreters before Python 3.12, where they would wait forever in
/// pybind11, whose thread states know only one interpreter.
extern "C" PYBIND11_EXPORT PyObject* PyInit__core() {
#if PY_VERSION_HEX < 0x030C0000
  if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
    PyErr_SetString(PyExc_ImportError, "sluice can be imported in sub-interpreters from Python 3.12 on only");
    return nullptr;
  }
#endif
  return PyInit_sluice_core();
}
