// SPDX-License-Identifier: Apache-2.0
// server PORT METRICS-PORT: a gRPC service that records its calls with an interceptor, which sees the calls of every
// method. The library runs a call on any of its threads, so all calls share one worker. Prometheus scrapes
// METRICS-PORT under /metrics.
//
// Recorded, too, are calls that the library answers by itself with UNIMPLEMENTED: those of methods that no service has,
// and those whose message cannot be parsed. What is no call, such as bytes that are not HTTP/2, is not recorded.
#include <grpcpp/grpcpp.h>
#include <grpcpp/support/server_interceptor.h>

#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "greeter.grpc.pb.h"
#include "sluice/fine_buckets.hpp"
#include "sluice/recorder.hpp"
#include "sluice/schema.hpp"
#include "sluice/serve.hpp"

namespace {

/// The measurements of one call.
struct Call {
  int code = grpc::CANCELLED;
  std::uint64_t duration_ns = sluice::kSinceBegin;
};

constexpr std::size_t kCodes = 17;

/// Returns the number of a status of gRPC. Services may end calls with numbers of their own, which clients see as
/// UNKNOWN.
constexpr std::size_t known_code(int code) {
  return code >= 0 && static_cast<std::size_t>(code) < kCodes ? static_cast<std::size_t>(code)
                                                              : std::size_t{grpc::UNKNOWN};
}

}  // namespace

template <>
inline constexpr Call sluice::abandoned<Call>{.code = grpc::CANCELLED};

template <>
inline constexpr auto sluice::schema<Call> =
    sluice::fields(sluice::classes<kCodes, known_code>("code", &Call::code)
                       .names("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND",
                              "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
                              "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS",
                              "UNAUTHENTICATED"),
                   sluice::histogram("duration", sluice::Unit::kNanoseconds, &Call::duration_ns, sluice::buckets::kFine)
                       .help("Duration of calls."))
        .prefix("rpc.server");

namespace {

using Worker = sluice::Worker<Call>;

/// Records one call, from the moment at which the library knows it until its status is sent.
class Recording final : public grpc::experimental::Interceptor {
 public:
  explicit Recording(Worker& worker) : call_(worker.begin()) {}

  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    using grpc::experimental::InterceptionHookPoints;
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_STATUS)) {
      call_.finish({.code = methods->GetSendStatus().error_code()});
    }
    methods->Proceed();
  }

 private:
  sluice::Request<Call> call_;  // one that ends without a status is abandoned, which counts as CANCELLED
};

class RecordingFactory final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  explicit RecordingFactory(Worker& worker) : worker_(worker) {}
  grpc::experimental::Interceptor* CreateServerInterceptor(grpc::experimental::ServerRpcInfo*) override {
    return new Recording(worker_);
  }

 private:
  Worker& worker_;
};

class Service final : public greeter::Greeter::CallbackService {
  grpc::ServerUnaryReactor* Hello(grpc::CallbackServerContext* context, const greeter::HelloRequest* request,
                                  greeter::HelloReply* reply) override {
    reply->set_text("Hello " + request->name() + "!");
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status(static_cast<grpc::StatusCode>(request->code()), ""));
    return reactor;
  }
};

}  // namespace

int main(int count, char** values) {
  if (count != 3) return EXIT_FAILURE;
  sluice::Recorder<Call> recorder({.threads = 1});
  Worker worker = recorder.attach_shared();
  const auto endpoint = sluice::serve(recorder, {.port = static_cast<std::uint16_t>(std::atoi(values[2]))});
  if (!endpoint.ok()) {
    std::cerr << "server: " << endpoint.status().message() << '\n';
    return EXIT_FAILURE;
  }

  Service service;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(std::string("127.0.0.1:") + values[1], grpc::InsecureServerCredentials());
  builder.RegisterService(&service);
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> factories;
  factories.push_back(std::make_unique<RecordingFactory>(worker));
  builder.experimental().SetInterceptorCreators(std::move(factories));
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) return EXIT_FAILURE;
  server->Wait();
}
