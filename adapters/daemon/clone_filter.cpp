// SPDX-License-Identifier: Apache-2.0
#include "adapters/daemon/clone_filter.hpp"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <iterator>

namespace sluice::daemon {
namespace {

#if defined(__x86_64__) || defined(__aarch64__)

#if defined(__x86_64__)
constexpr std::uint32_t kNative = AUDIT_ARCH_X86_64;
constexpr std::uint32_t kCompanion = AUDIT_ARCH_I386;
/// Programs of the x32 ABI set this bit in the number of a call.
constexpr std::uint32_t kNumberMask = ~0x40000000U;
#else
constexpr std::uint32_t kNative = AUDIT_ARCH_AARCH64;
constexpr std::uint32_t kCompanion = AUDIT_ARCH_ARM;
constexpr std::uint32_t kNumberMask = ~0U;
#endif

/// Numbers of the calls. That of clone3() is the same on all architectures.
constexpr std::uint32_t kClone = SYS_clone;
constexpr std::uint32_t kCompanionClone = 120;
constexpr std::uint32_t kClone3 = 435;

/// The flags of clone() are its first argument on these architectures; a filter reads 32 bits at a time.
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
constexpr std::uint32_t kFlagsAt = offsetof(seccomp_data, args);
#else
constexpr std::uint32_t kFlagsAt = offsetof(seccomp_data, args) + sizeof(std::uint32_t);
#endif

constexpr sock_filter load(std::uint32_t at) { return {BPF_LD | BPF_W | BPF_ABS, 0, 0, at}; }
constexpr sock_filter mask(std::uint32_t bits) { return {BPF_ALU | BPF_AND | BPF_K, 0, 0, bits}; }
constexpr sock_filter answer(std::uint32_t with) { return {BPF_RET | BPF_K, 0, 0, with}; }

/// Jumps over so many instructions when the loaded value is `value`, or over `otherwise`.
constexpr sock_filter if_equal(std::uint32_t value, std::uint8_t then, std::uint8_t otherwise) {
  return {BPF_JMP | BPF_JEQ | BPF_K, then, otherwise, value};
}

constexpr sock_filter if_any_bit(std::uint32_t bits, std::uint8_t then, std::uint8_t otherwise) {
  return {BPF_JMP | BPF_JSET | BPF_K, then, otherwise, bits};
}

constexpr sock_filter kProgram[] = {
    load(offsetof(seccomp_data, arch)),
    if_equal(kNative, 1, 0),
    if_equal(kCompanion, 4, 9),
    load(offsetof(seccomp_data, nr)),  // the native architecture
    mask(kNumberMask),
    if_equal(kClone, 4, 0),
    if_equal(kClone3, 6, 5),
    load(offsetof(seccomp_data, nr)),  // the companion
    if_equal(kCompanionClone, 1, 0),
    if_equal(kClone3, 3, 2),
    load(kFlagsAt),  // clone()
    if_any_bit(CLONE_PARENT, 2, 0),
    answer(SECCOMP_RET_ALLOW),
    answer(SECCOMP_RET_ERRNO | ENOSYS),
    answer(SECCOMP_RET_ERRNO | EPERM),
};

long install(unsigned flags) noexcept {
  sock_fprog program{.len = std::size(kProgram), .filter = const_cast<sock_filter*>(kProgram)};
  return ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

#endif

}  // namespace

absl::Status refuse_siblings() noexcept {
#if defined(__x86_64__) || defined(__aarch64__)
  // Kernels before 5.16 slow a process with a filter down, unless the flag says not to; those before 4.17 lack the
  // flag.
  if (install(SECCOMP_FILTER_FLAG_SPEC_ALLOW) == 0) return absl::OkStatus();
  if (errno == EINVAL && install(0) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, "seccomp()");
#else
  return absl::UnimplementedError("there is no filter for this architecture");
#endif
}

}  // namespace sluice::daemon
