// SPDX-License-Identifier: Apache-2.0
// The version of these headers, and that of the library that a program is linked with. docs/stability.md says what they
// promise.
#pragma once

#include <compare>

/// \addtogroup record_api
/// @{

#define SLUICE_VERSION_MAJOR 0  ///< First number of the version.
#define SLUICE_VERSION_MINOR 1  ///< Second number of the version.
#define SLUICE_VERSION_PATCH 0  ///< Third number of the version.

/// The version of the headers as one number, for `#if SLUICE_VERSION >= SLUICE_MAKE_VERSION(0, 2, 0)`.
#define SLUICE_VERSION SLUICE_MAKE_VERSION(SLUICE_VERSION_MAJOR, SLUICE_VERSION_MINOR, SLUICE_VERSION_PATCH)
/// A version as one number. The second and the third number are below 1000.
#define SLUICE_MAKE_VERSION(major, minor, patch) ((major)*1000000 + (minor)*1000 + (patch))

/// @}

namespace sluice::inline v0_1 {

/// \addtogroup record_api
/// @{

/// A version. Versions are ordered.
struct Version {
  int major_number = 0;  ///< First number.
  int minor_number = 0;  ///< Second number.
  int patch_number = 0;  ///< Third number.

  /// Compares the first numbers that differ.
  // NOLINTNEXTLINE(modernize-use-nullptr): the check takes the 0 that the generated comparison has for a pointer
  friend constexpr auto operator<=>(const Version&, const Version&) = default;
};

/// The version of the headers that a source was compiled with.
inline constexpr Version kHeaderVersion{SLUICE_VERSION_MAJOR, SLUICE_VERSION_MINOR, SLUICE_VERSION_PATCH};

/// Returns the version of the library that the program is linked with, which can be another one than kHeaderVersion
/// where the library is a shared one.
[[nodiscard]] Version library_version() noexcept;

/// @}

}  // namespace sluice
