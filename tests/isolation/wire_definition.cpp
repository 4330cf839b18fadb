// SPDX-License-Identifier: Apache-2.0
// Prints the protocol between the server and its daemon processes as JSON, from the tables that both ends are compiled
// with, so that tests can generate frames that are right, and frames that are wrong in a known way.
#include <cstdio>

#include "adapters/daemon/wire.hpp"

namespace {

using namespace sluice::daemon;

const char* name_of(FieldType type) {
  switch (type) {
    case FieldType::kU32:
      return "u32";
    case FieldType::kU64:
      return "u64";
    case FieldType::kText:
      return "text";
    case FieldType::kPairs:
      return "pairs";
    case FieldType::kBytes:
      return "bytes";
  }
  return "";
}

void print(const FrameDefinition& frame, bool last) {
  std::printf("    {\"name\": \"%s\", \"type\": %u, \"sender\": \"%s\", \"least\": %u, \"most\": %u, \"fields\": [",
              frame.name, static_cast<unsigned>(frame.type), frame.sender == Sender::kServer ? "server" : "daemon",
              frame.least, frame.most);
  for (const FieldDefinition& field : frame.fields) {
    std::printf("%s[\"%s\", \"%s\"]", &field == frame.fields.data() ? "" : ", ", field.name, name_of(field.type));
  }
  std::printf("]}%s\n", last ? "" : ",");
}

}  // namespace

int main() {
  std::printf("{\n  \"header\": [[\"type\", \"u32\"], [\"size\", \"u32\"]],\n");
  std::printf("  \"limits\": {\"piece\": %u, \"reason\": %u, \"variables\": %u, \"response_fields\": %u, ", kPieceMax,
              kReasonMax, kVariablesMax, kResponseFieldsMax);
  std::printf("\"authentication_code_bytes\": %zu},\n  \"failure_statuses\": [", kAuthenticationCodeBytes);
  for (const std::uint32_t& status : kFailureStatuses) {
    std::printf("%s%u", &status == kFailureStatuses ? "" : ", ", status);
  }
  std::printf("],\n  \"frames\": [\n");
  for (const FrameDefinition& frame : kFrames) print(frame, &frame == std::end(kFrames) - 1);
  std::printf("  ]\n}\n");
  return 0;
}
