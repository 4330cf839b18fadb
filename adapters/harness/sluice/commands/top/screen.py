# SPDX-License-Identifier: Apache-2.0
"""``sluice top`` redrawn in place in a terminal, by Textual, which the extra ``top`` of the package installs.

Texts of the server are given to Textual as `Text`, never as markup, and have no control characters by then.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.message import Message
from textual.widgets import DataTable, Footer, Static

from sluice.commands.top.details import PHASES, figure_lines, histogram_lines, process_lines, slow_lines
from sluice.commands.top.table import HISTORY_TITLE, WIDEST_HISTORY, Column, cells, chosen, history_cell, sort_key
from sluice.monitor.text import format_rate
from sluice.monitor.watch import Watch, poll_all
from sluice.monitor.window import GroupWindow, Window

__all__ = ["Panel", "Top", "show"]

_HISTORY_WIDTH = 12
_TABLE_WIDTH = 120
_SORTS = ("GROUP", "REQ/S", "CAPACITY", "OLDEST", "P99", "MEMORY")
_VIEWS = ("requests", "processes", "histogram")


def show(watches: Sequence[Watch], interval: float) -> int:
    """Shows the servers until the user quits. Returns the exit status."""
    app = Top(watches, interval)
    app.run()
    return app.return_code or 0


class Panel(Vertical):
    """One server: a line of totals, the table of its groups, and below it what was chosen of the selected group."""

    def __init__(self, watch: Watch, interval: float) -> None:
        super().__init__()
        self.view = "requests"
        self.phase = "request"
        self.sort = "GROUP"
        self._watch = watch
        self._interval = interval
        self._window: Window | None = None
        self._names: list[str] = []

    def compose(self) -> ComposeResult:
        yield Static(id="head", markup=False)
        yield DataTable(id="groups", cursor_type="row", cell_padding=0, zebra_stripes=False)
        yield Static(id="figures", markup=False)
        yield Static(id="title", markup=False)
        with VerticalScroll(id="scroll", can_focus=False):
            yield Static(id="details", markup=False)

    def update(self) -> None:
        """Takes over the last window. Keeps the last values on screen after an error."""
        if self._watch.window is not None:
            self._window = self._watch.window
        elif self._watch.restarted:
            self._window = None
        self.draw()

    def draw(self) -> None:
        if not self._is_whole:
            return
        self.query_one("#head", Static).update(Text(self._head(), style="bold" if self._watch.error is None else "bold red"))
        if self._window is not None:
            self._draw_table(self._window)
        self.draw_details()

    def draw_details(self) -> None:
        """Draws what is below the table."""
        if not self._is_whole:
            return
        group = self.selected
        width = max(self.size.width - 2, 1)
        figures = [] if group is None else figure_lines(group, width)
        self.query_one("#figures", Static).update(Text("\n".join(figures), no_wrap=True))
        title, lines = self._details(group, width)
        self.query_one("#title", Static).update(Text(title, no_wrap=True))
        self.query_one("#details", Static).update(Text("\n".join(lines), no_wrap=True))

    @property
    def _is_whole(self) -> bool:
        """False while the panel is made or taken down, when a reading or a new size may come, too."""
        return all(self.query(f"#{part}") for part in ("head", "groups", "figures", "title", "details"))

    @property
    def selected(self) -> GroupWindow | None:
        """The group at the cursor."""
        row = self.query_one(DataTable).cursor_row
        if self._window is None or not 0 <= row < len(self._names):
            return None
        return next((group for group in self._window.groups if group.name == self._names[row]), None)

    def _head(self) -> str:
        watch = self._watch
        if watch.error is not None:
            return watch.error
        if self._window is None:
            return f"{watch.address.text}  {'the server was started anew' if watch.restarts else 'waiting for the second reading'}"
        total = self._window.total
        restarts = f"  started anew {watch.restarts} times" if watch.restarts else ""
        return (
            f"{watch.address.text}  {format_rate(total.rate)} requests/s  "
            f"{total.after.active_requests}/{total.after.threads_limit} busy  {total.after.processes} processes{restarts}"
        )

    def _draw_table(self, window: Window) -> None:
        table = self.query_one(DataTable)
        selected = self._names[table.cursor_row] if 0 <= table.cursor_row < len(self._names) else None
        groups = list(window.groups)
        if self.sort != "GROUP":
            groups.sort(key=sort_key(self.sort), reverse=True)
        width = max(self.size.width - 4, 20)
        history_width = min(max(width - _TABLE_WIDTH, _HISTORY_WIDTH), WIDEST_HISTORY)
        width -= history_width + 1
        columns = chosen(width)
        table.clear(columns=True)
        for column, title in zip(columns, cells(columns, None, width)):
            table.add_column(Text(title, style="bold reverse" if column.title == self.sort else "bold"), width=len(title) + 1)
        table.add_column(Text(HISTORY_TITLE.rjust(history_width), style="bold"), width=history_width)
        for group in groups:
            texts = cells(columns, group, width)
            styled = [Text(text, style=_style(column, group)) for text, column in zip(texts, columns)]
            history = history_cell(self._watch.history(group.name), self._interval, history_width)
            table.add_row(*styled, Text(history, style="green"))
        self._names = [group.name for group in groups]
        if selected in self._names:
            table.move_cursor(row=self._names.index(selected), animate=False)

    def _details(self, group: GroupWindow | None, width: int) -> tuple[str, list[str]]:
        if self._window is None:
            return "", []
        if self.view == "processes" and group is not None:
            return f"Processes of {group.name}", process_lines(group, width)
        if self.view == "histogram" and group is not None:
            return f"Durations of {group.name}: {self.phase} (h: next phase)", histogram_lines(group, self.phase, width)
        slow = self._window.reading.slow_requests
        if slow is None:
            return "Slowest requests in flight", ["the server lists none: see WSGIMetricsSlowRequests"]
        return "Slowest requests in flight", slow_lines(slow, width) or ["none"]


class Top(App[None]):
    """All servers, side by side."""

    ENABLE_COMMAND_PALETTE = False
    TITLE = "sluice top"
    CSS = """
    Panel { width: 1fr; height: 1fr; border: round $primary; }
    Panel #head { height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
    Panel #groups { height: auto; max-height: 50%; margin-top: 1; background: $background; }
    Panel #figures { height: auto; color: $text-muted; margin-top: 1; }
    Panel #title { height: 1; text-style: bold; margin-top: 1; }
    Panel #scroll { height: 1fr; }
    Panel #details { height: auto; }
    """
    BINDINGS: ClassVar[list[Binding | tuple[str, str] | tuple[str, str, str]]] = [
        Binding("r", "view('requests')", "requests"),
        Binding("enter,o", "view('processes')", "processes", priority=True, key_display="o"),
        Binding("h", "histogram", "histogram"),
        Binding("s", "sort", "sort"),
        Binding("p", "pause", "pause"),
        Binding("space,pagedown", "scroll(1)", "more", priority=True, key_display="space"),
        Binding("b,pageup", "scroll(-1)", "back", priority=True, show=False),
        Binding("q", "quit", "quit"),
        Binding("ctrl+c", "quit", show=False),
    ]

    class Polled(Message):
        """Handles one completed poll of all servers."""

    def __init__(self, watches: Sequence[Watch], interval: float) -> None:
        super().__init__()
        self.paused = False
        self._watches = list(watches)
        self._interval = interval
        self._ended = threading.Event()

    def compose(self) -> ComposeResult:
        with Horizontal():
            for watch in self._watches:
                yield Panel(watch, self._interval)
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        self.theme = "textual-dark"
        # The default of the signal would leave the terminal without an echo, and with reports of the mouse.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.exit, None, 128 + signal.SIGTERM)
        # A thread of its own, which does not keep the program from ending while a server takes its time.
        threading.Thread(target=self._poll, daemon=True).start()

    def on_unmount(self) -> None:
        self._ended.set()

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw_all)

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        panel = event.data_table.parent
        if isinstance(panel, Panel):
            panel.draw_details()

    def action_view(self, view: str) -> None:
        for panel in self.query(Panel):
            panel.view = view
            panel.query_one(VerticalScroll).scroll_home(animate=False)
            panel.draw_details()

    def action_histogram(self) -> None:
        for panel in self.query(Panel):
            if panel.view == "histogram":
                panel.phase = PHASES[(PHASES.index(panel.phase) + 1) % len(PHASES)]
        self.action_view("histogram")

    def action_sort(self) -> None:
        for panel in self.query(Panel):
            panel.sort = _SORTS[(_SORTS.index(panel.sort) + 1) % len(_SORTS)]
            panel.draw()

    def action_pause(self) -> None:
        """Stops the display, not the readings, so that the history has no gap."""
        self.paused = not self.paused
        self.sub_title = "paused" if self.paused else ""
        for panel in self.query(Panel):
            panel.border_subtitle = self.sub_title

    def action_scroll(self, pages: int) -> None:
        for panel in self.query(Panel):
            scroll = panel.query_one(VerticalScroll)
            scroll.scroll_relative(y=pages * max(scroll.size.height - 1, 1), animate=False)

    def _poll(self) -> None:
        while not self._ended.is_set():
            poll_all(self._watches)
            with contextlib.suppress(RuntimeError):  # the program has ended meanwhile
                self.post_message(self.Polled())
            self._ended.wait(self._interval)

    def on_top_polled(self) -> None:
        if self.paused or self._ended.is_set():
            return
        for panel in self.query(Panel):
            panel.update()

    def _draw_all(self) -> None:
        for panel in self.query(Panel):
            panel.draw()


def _style(column: Column, group: GroupWindow) -> str:
    """Returns the style of a cell: red for what is wrong, yellow for what may become so."""
    shares = {"CAPACITY": group.capacity, "GIL": group.gil_share * 2, "5XX": group.error_share * 2}
    share = shares.get(column.title, 0.0)
    if share >= 0.9:
        return "bold red"
    return "yellow" if share >= 0.6 else ""
