#include "adapters/daemon/heads.hpp"

#include "adapters/daemon/channel.hpp"

namespace sluice::daemon {
namespace {

constexpr std::uint64_t kReloading = 1;
constexpr std::uint64_t kHttps = 2;
constexpr std::uint64_t kHeadOnly = 4;
constexpr std::uint64_t kHasBody = 8;
constexpr std::uint64_t kBodyWhole = 16;

}  // namespace

std::string pack(const RequestHead& head) {
  const std::uint64_t flags = (head.script_reloading ? kReloading : 0) | (head.https ? kHttps : 0) |
                              (head.head_only ? kHeadOnly : 0) | (head.has_body ? kHasBody : 0) |
                              (head.body_whole ? kBodyWhole : 0);
  Packer packer;
  packer.add(head.accepted_ns)
      .add(head.queued_ns)
      .add(std::uint64_t{head.tries})
      .add(static_cast<std::uint64_t>(head.script_mtime_us))
      .add(flags)
      .add(head.application_group)
      .add(head.callable)
      .add(head.script)
      .add(head.id)
      .add(head.client)
      .add(head.body);
  for (const auto& [key, value] : head.variables) packer.add(key).add(value);
  return std::string(packer.packed());
}

bool unpack(std::string_view packed, RequestHead& head) {
  Unpacker unpacker(packed);
  head.accepted_ns = unpacker.number();
  head.queued_ns = unpacker.number();
  head.tries = static_cast<std::uint32_t>(unpacker.number());
  head.script_mtime_us = static_cast<std::int64_t>(unpacker.number());
  const std::uint64_t flags = unpacker.number();
  head.script_reloading = (flags & kReloading) != 0;
  head.https = (flags & kHttps) != 0;
  head.head_only = (flags & kHeadOnly) != 0;
  head.has_body = (flags & kHasBody) != 0;
  head.body_whole = (flags & kBodyWhole) != 0;
  head.application_group = unpacker.text();
  head.callable = unpacker.text();
  head.script = unpacker.text();
  head.id = unpacker.text();
  head.client = unpacker.text();
  head.body = unpacker.text();
  while (!unpacker.at_end()) {
    const std::string_view key = unpacker.text();
    head.variables.emplace_back(key, unpacker.text());
  }
  return unpacker.whole();
}

std::string pack(const wsgi::ResponseHead& head) {
  Packer packer;
  packer.add(static_cast<std::uint64_t>(head.status)).add(head.status_line);
  for (const auto& [name, value] : head.headers) packer.add(name).add(value);
  return std::string(packer.packed());
}

bool unpack(std::string_view packed, wsgi::ResponseHead& head) {
  Unpacker unpacker(packed);
  head.status = static_cast<int>(unpacker.number());
  head.status_line = unpacker.text();
  while (!unpacker.at_end()) {
    const std::string_view name = unpacker.text();
    head.headers.emplace_back(name, unpacker.text());
  }
  return unpacker.whole() && head.status >= 100 && head.status <= 999;
}

}  // namespace sluice::daemon
