// SPDX-License-Identifier: Apache-2.0
// How a call that can fail while requests are recorded and drained says so. The standard library has such a type from
// C++23 on only, and that of Abseil takes longer to compile than all the rest; this one has the members of Abseil's.
#pragma once

#include <cassert>
#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

namespace sluice::inline v0_1 {

/// \addtogroup read_api
/// @{

/// Why a call failed. The numbers are those of gRPC, and so of absl::StatusCode.
enum class StatusCode : std::uint8_t {
  kOk = 0,                  ///< The call succeeded.
  kAlreadyExists = 6,       ///< Another one has what was asked for.
  kFailedPrecondition = 9,  ///< The object is not in a state for this call.
  kOutOfRange = 11,         ///< There is no such thing.
  kUnavailable = 14,        ///< Not now: the same call may succeed later.
};

/// Whether a call succeeded, and why not.
class [[nodiscard]] Status {
 public:
  /// Makes the status of a call that succeeded.
  constexpr Status() noexcept = default;
  /// Makes a status with a text that lives as long as the program.
  constexpr Status(StatusCode code, std::string_view message) noexcept : message_(message), code_(code) {}

  /// Returns true if the call succeeded.
  [[nodiscard]] constexpr bool ok() const noexcept { return code_ == StatusCode::kOk; }
  /// Returns the reason.
  [[nodiscard]] constexpr StatusCode code() const noexcept { return code_; }
  /// Returns the reason for a person to read: a static text, empty if the call succeeded.
  [[nodiscard]] constexpr std::string_view message() const noexcept { return message_; }

 private:
  std::string_view message_;
  StatusCode code_ = StatusCode::kOk;
};

namespace detail {
/// \throws std::runtime_error with the message.
[[noreturn]] void throw_status(const Status& status);
}  // namespace detail

/// The value that a call returns, or why there is none.
template <class T>
class [[nodiscard]] Result {
 public:
  /// Makes a result with a value.
  Result(T value) noexcept(std::is_nothrow_move_constructible_v<T>)
      : value_(std::move(value)) {}  // NOLINT(*-explicit-*)
  /// Makes a result without a value. The status is not ok.
  Result(Status status) noexcept : status_(status) { assert(!status.ok()); }  // NOLINT(*-explicit-*)

  /// Returns true if there is a value.
  [[nodiscard]] bool ok() const noexcept { return value_.has_value(); }
  /// Returns why there is no value.
  [[nodiscard]] const Status& status() const noexcept { return status_; }

  /// Returns the value. \throws std::runtime_error with the message of the status if there is none.
  [[nodiscard]] T& value() & {
    check();
    return *value_;
  }
  /// Returns the value. \throws std::runtime_error with the message of the status if there is none.
  [[nodiscard]] const T& value() const& {
    check();
    return *value_;
  }
  /// Moves the value out. \throws std::runtime_error with the message of the status if there is none.
  [[nodiscard]] T&& value() && {
    check();
    return *std::move(value_);
  }

  /// Returns the value, which is there.
  [[nodiscard]] T& operator*() & noexcept { return *value_; }
  /// Returns the value, which is there.
  [[nodiscard]] const T& operator*() const& noexcept { return *value_; }
  /// Moves the value out, which is there.
  [[nodiscard]] T&& operator*() && noexcept { return *std::move(value_); }
  /// Returns the value, which is there.
  [[nodiscard]] T* operator->() noexcept { return &*value_; }
  /// Returns the value, which is there.
  [[nodiscard]] const T* operator->() const noexcept { return &*value_; }

 private:
  void check() const {
    if (!ok()) detail::throw_status(status_);
  }

  std::optional<T> value_;
  Status status_;
};

/// @}

}  // namespace sluice
