// SPDX-License-Identifier: Apache-2.0
// Tests the types that say how a call failed.
#include "sluice/status.hpp"

#include <memory>
#include <stdexcept>
#include <string>

#include "sluice/absl.hpp"
#include "tests/catch.hpp"

using sluice::Result;
using sluice::Status;
using sluice::StatusCode;

namespace {
constexpr Status kTaken(StatusCode::kAlreadyExists, "the slot is taken");
}

TEST_CASE("status: a default one is ok and has no text") {
  CHECK(Status().ok());
  CHECK(Status().message().empty());
  CHECK(!kTaken.ok());
  CHECK(kTaken.message() == "the slot is taken");
}

TEST_CASE("status: Abseil's has the same code and text") {
  for (const StatusCode code : {StatusCode::kAlreadyExists, StatusCode::kOutOfRange, StatusCode::kUnavailable}) {
    const absl::Status status = to_absl(Status(code, "text"));
    CHECK(static_cast<int>(status.code()) == static_cast<int>(code));
    CHECK(status.message() == "text");
  }
  CHECK(to_absl(Status()).ok());
  CHECK(absl::IsAlreadyExists(to_absl(kTaken)));
  CHECK(absl::IsOutOfRange(to_absl(Status(StatusCode::kOutOfRange, ""))));
  CHECK(absl::IsUnavailable(to_absl(Status(StatusCode::kUnavailable, ""))));
}

TEST_CASE("result: a value is reached in each way, and moved out") {
  Result<std::unique_ptr<int>> result = std::make_unique<int>(7);
  CHECK((result.ok() && result.status().ok()));
  CHECK((**result == 7 && *result.value() == 7 && *result->get() == 7));
  const Result<std::unique_ptr<int>>& unchanged = result;
  CHECK((**unchanged == 7 && *unchanged.value() == 7 && *unchanged->get() == 7));
  const std::unique_ptr<int> out = std::move(result).value();
  CHECK((*out == 7 && *result == nullptr));  // NOLINT(bugprone-use-after-move): what the move left is looked at
}

TEST_CASE("result: one without a value says why") {
  Result<std::string> result = kTaken;
  CHECK(!result.ok());
  CHECK(result.status().code() == StatusCode::kAlreadyExists);
  CHECK_THROWS_AS(result.value(), std::runtime_error);
  CHECK_THROWS_WITH(std::as_const(result).value(), "the slot is taken");
  CHECK_THROWS_WITH(std::move(result).value(), "the slot is taken");
}
