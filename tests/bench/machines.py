# SPDX-License-Identifier: Apache-2.0
"""The instruction sets that machine_code.py reads, each with the instructions that a wait-free path must not have."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Instruction:
    address: int
    words: tuple[str, ...]  # prefixes and the mnemonic
    operands: str
    text: str
    following: int | None  # the next address in the same function

    @property
    def mnemonic(self) -> str:
        return self.words[-1]


class Machine(Protocol):
    comment: str  # the character that begins a comment in a disassembly
    prefixes: frozenset[str]

    def stops(self, instruction: Instruction) -> bool:
        """Return whether the path ends here."""

    def calls(self, instruction: Instruction) -> bool: ...

    def jumps(self, instruction: Instruction) -> bool:
        """Return whether it jumps unconditionally."""

    def branches(self, instruction: Instruction) -> bool:
        """Return whether it jumps on a condition."""

    def reads_memory(self, instruction: Instruction) -> bool:
        """Return whether it may read memory; in doubt, yes."""

    def fault(self, instruction: Instruction) -> str | None:
        """Return a description of its faults."""


class X86:
    comment = "#"
    prefixes = frozenset({"lock", "rep", "repz", "repnz", "bnd", "notrack", "cs", "ds", "data16", "addr32"})
    fences = frozenset({"mfence", "lfence", "sfence", "serialize", "cpuid"})
    kernel = frozenset({"syscall", "sysenter", "int", "int3", "into"})
    conditional = re.compile(r"j(?!mp)[a-z]+$|loop[a-z]*$")

    def stops(self, instruction: Instruction) -> bool:
        return instruction.mnemonic.startswith("ret") or instruction.mnemonic in {"hlt", "ud2"}

    def calls(self, instruction: Instruction) -> bool:
        return instruction.mnemonic in {"call", "callq"}

    def jumps(self, instruction: Instruction) -> bool:
        return instruction.mnemonic in {"jmp", "jmpq"}

    def branches(self, instruction: Instruction) -> bool:
        return self.conditional.match(instruction.mnemonic) is not None

    def reads_memory(self, instruction: Instruction) -> bool:
        """Return whether it may read memory. Only jumps, address computations and plain stores do not."""
        if "(" not in instruction.operands or instruction.mnemonic.startswith(("lea", "nop", "j")):
            return False
        stores = re.fullmatch(r"[^()]+,[^,()]*\([^()]*\)", instruction.operands) is not None
        return not (stores and re.match(r"v?mov", instruction.mnemonic))

    def fault(self, instruction: Instruction) -> str | None:
        words = set(instruction.words)
        if "lock" in words:
            return "a locked instruction"
        if instruction.mnemonic.startswith("xchg") and "(" in instruction.operands:
            return "an exchange with memory, which locks"
        if words & self.fences:
            return "a fence"
        if words & self.kernel:
            return "a way into the kernel"
        if words & {"rep", "repz", "repnz"} and instruction.mnemonic not in ("ret", "retq"):
            return "a repeated instruction"
        if instruction.mnemonic.startswith("xbegin"):
            return "a transaction"
        return None


class Aarch64:
    """Acquire loads (ldar, ldapr) and release stores (stlr) count as plain, because neither waits for another thread."""

    comment = "//"
    prefixes: frozenset[str] = frozenset()
    fences = frozenset({"dmb", "dsb", "isb", "sb", "ssbb", "pssbb", "csdb"})
    kernel = frozenset({"svc", "hvc", "smc", "brk", "hlt"})
    waits = frozenset({"wfe", "wfi", "wfet", "wfit", "yield"})
    exclusive = re.compile(r"(ldx|ldax|stx|stlx)[rp][bh]?$")
    atomic = re.compile(r"(casp?|swpp?|(ld|st)(add|clr|eor|set|[su]max|[su]min))(a|l|al)?[bh]?$")
    conditional = re.compile(r"bc?\.[a-z]{2}$|cbn?z$|tbn?z$")

    def stops(self, instruction: Instruction) -> bool:
        return instruction.mnemonic.startswith("ret") or instruction.mnemonic in {"udf", "brk", "hlt"}

    def calls(self, instruction: Instruction) -> bool:
        return instruction.mnemonic in {"bl", "blr"} or instruction.mnemonic.startswith("blra")

    def jumps(self, instruction: Instruction) -> bool:
        return instruction.mnemonic in {"b", "br"} or instruction.mnemonic.startswith("bra")

    def branches(self, instruction: Instruction) -> bool:
        return self.conditional.match(instruction.mnemonic) is not None

    def reads_memory(self, instruction: Instruction) -> bool:
        return "[" in instruction.operands and not re.match(r"st[rpu]", instruction.mnemonic)

    def fault(self, instruction: Instruction) -> str | None:
        mnemonic = instruction.mnemonic
        if self.exclusive.match(mnemonic):
            return "an exclusive access"
        if self.atomic.match(mnemonic):
            return "an atomic read-modify-write"
        if mnemonic in self.fences:
            return "a fence"
        if mnemonic in self.kernel:
            return "a way into the kernel"
        if mnemonic in self.waits:
            return "a wait"
        return None


MACHINES: dict[str, Machine] = {"x86_64": X86(), "aarch64": Aarch64()}
