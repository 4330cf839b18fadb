# SPDX-License-Identifier: Apache-2.0
"""Checks paths through machine code, read from the output of `objdump --disassemble --demangle`.

`faults(machine, text, entry, leaves, outside)` follows every way through the function `entry`, and through those of `leaves` where it
calls them, and lists what a wait-free path of plain loads and stores must not hold. Ways end where a function of `outside`
is called: what such a one does is not part of the path, and what only a way behind it reaches is not either. A loop is a
fault, but in the functions of `counting` one that reads no memory is none: it waits for nobody.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .machines import Instruction, Machine

FUNCTION = re.compile(r"^[0-9a-f]+ <(.*)>:$")
INSTRUCTION = re.compile(r"^ +([0-9a-f]+):\t(\S.*?)\s*$")
TARGET = re.compile(r"(?:^|, )([0-9a-f]+) <(.*)>$")


@dataclass(frozen=True)
class Code:
    instructions: dict[int, Instruction]
    entries: dict[str, int]  # addresses by function

    def name_at(self, address: int) -> str | None:
        return next((name for name, entry in self.entries.items() if entry == address), None)


def parse(machine: Machine, text: str) -> Code:
    instructions: dict[int, Instruction] = {}
    entries: dict[str, int] = {}
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if function := FUNCTION.match(line):
            entries[function[1]] = int(line.split()[0], 16)
        elif match := INSTRUCTION.match(line):
            after = INSTRUCTION.match(lines[number + 1]) if number + 1 < len(lines) else None
            words, operands = _split(match[2].partition(machine.comment)[0].strip(), machine.prefixes)
            address = int(match[1], 16)
            following = int(after[1], 16) if after else None
            instructions[address] = Instruction(address, words, operands, match[2], following)
    return Code(instructions, entries)


def _split(text: str, prefixes: frozenset[str]) -> tuple[tuple[str, ...], str]:
    words, rest = [], text
    while rest:
        word, _, rest = rest.replace("\t", " ").partition(" ")
        words.append(word)
        rest = rest.strip()
        if word not in prefixes:
            break
    return tuple(words), rest


def is_one_of(name: str, functions: Sequence[str]) -> bool:
    """Return whether a demangled name, which may have arguments, the suffix of a clone and @plt, is one of these."""
    plain = name.removesuffix("@plt")
    return any(re.search(rf"(?:^|[ :]){re.escape(function)}(?:<.*>)?(?:::\w+)?(?:\(|$| \[)", plain) for function in functions)


class Walk:
    """The paths of one function, and the findings on them."""

    def __init__(
        self,
        machine: Machine,
        code: Code,
        entry: str,
        leaves: Sequence[str],
        outside: Sequence[str],
        counting: Sequence[str],
    ) -> None:
        self.machine = machine
        self.code = code
        self.counting = counting
        self.leaves = leaves
        self.outside = outside
        self.faults: list[str] = []
        self.followed: dict[int, set[int]] = {}  # leaves that were called, and the addresses that they reach
        start = next((at for name, at in code.entries.items() if name.partition("(")[0] == entry), None)
        if start is None:
            self.faults.append(f"there is no function {entry}")
            return
        self.reached = self._function(start)

    def _function(self, start: int) -> set[int]:
        """Return the addresses reached from here, depth first, so that an edge to an open address closes a loop."""
        done: set[int] = set()
        on_way: set[int] = set()
        self.followed.setdefault(start, done)
        stack: list[tuple[int, Iterator[int]]] = [(start, iter(self._next(start)))]
        on_way.add(start)
        while stack:
            address, following = stack[-1]
            for successor in following:
                if successor in on_way:
                    if not self._counts(start, successor, address):
                        self._fault(self.code.instructions[address], "goes back in a loop")
                elif successor not in done:
                    on_way.add(successor)
                    stack.append((successor, iter(self._next(successor))))
                    break
            else:
                stack.pop()
                on_way.discard(address)
                done.add(address)
        return done

    def _counts(self, function: int, first: int, last: int) -> bool:
        """Return whether the function may have a loop: nothing in it reads memory or calls."""
        if not is_one_of(self.code.name_at(function) or "", self.counting):
            return False
        body = [instruction for address, instruction in self.code.instructions.items() if first <= address <= last]
        return not any(self.machine.reads_memory(instruction) or self.machine.calls(instruction) for instruction in body)

    def _fault(self, instruction: Instruction, what: str) -> None:
        self.faults.append(f"{instruction.address:x}: {instruction.text}: {what}")

    def _next(self, address: int) -> list[int]:
        """Check one instruction; return the addresses that may follow it."""
        instruction = self.code.instructions.get(address)
        if instruction is None:
            self.faults.append(f"{address:x}: not part of the disassembly")
            return []
        if fault := self.machine.fault(instruction):
            self._fault(instruction, fault)
        straight = [] if instruction.following is None else [instruction.following]
        if self.machine.stops(instruction):
            return []
        if self.machine.calls(instruction):
            return self._call(instruction, straight)
        if self.machine.jumps(instruction):
            return self._jump(instruction)
        if self.machine.branches(instruction):
            return self._branch(instruction, straight)
        return straight

    def _jump(self, instruction: Instruction) -> list[int]:
        target = TARGET.search(instruction.operands)
        if target is None:
            self._fault(instruction, "an indirect jump")
            return []
        where = int(target[1], 16)
        elsewhere = self.code.name_at(where)
        if elsewhere is not None and not elsewhere.endswith(".cold") and "[clone .cold]" not in elsewhere:
            return self._call(instruction, [])  # a tail call
        return [where]

    def _branch(self, instruction: Instruction, straight: list[int]) -> list[int]:
        target = TARGET.search(instruction.operands)
        if target is None:
            self._fault(instruction, "a branch that cannot be read")
            return straight
        where = int(target[1], 16)
        elsewhere = self.code.name_at(where)
        if elsewhere is not None and is_one_of(elsewhere, self.outside):
            return straight
        return [*straight, where]

    def _call(self, instruction: Instruction, straight: list[int]) -> list[int]:
        target = TARGET.search(instruction.operands)
        if target is None:
            self._fault(instruction, "an indirect call")
            return straight
        if is_one_of(target[2], self.outside):
            return []
        if not is_one_of(target[2], self.leaves):
            self._fault(instruction, "a call")
            return straight
        where = int(target[1], 16)
        if where not in self.followed:
            self._function(where)
        return straight


def walk(
    machine: Machine,
    text: str,
    entry: str,
    leaves: Sequence[str] = (),
    outside: Sequence[str] = (),
    counting: Sequence[str] = (),
) -> Walk:
    return Walk(machine, parse(machine, text), entry, leaves, outside, counting)


def faults(
    machine: Machine,
    text: str,
    entry: str,
    leaves: Sequence[str] = (),
    outside: Sequence[str] = (),
    counting: Sequence[str] = (),
) -> list[str]:
    return walk(machine, text, entry, leaves, outside, counting).faults
