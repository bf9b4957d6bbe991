"""How a flatten is watched from a terminal: lines and a bar, which may disappear without disturbing it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as ProgressBar

from deepcoin_ops.commands.layout import plain
from deepcoin_ops.flattening.progress import Progress


class WatcherConsole(Console):
    """A console whose reader may go away: that must not end a flatten."""

    def on_broken_pipe(self) -> None:
        """Fall silent, where the default would end the process."""
        self.quiet = True


@contextmanager
def show_progress(console: Console) -> Iterator[Callable[[Progress], None]]:
    """A line for each thing that happens and, on a terminal, a bar with the share of the notional accepted."""
    columns = (TextColumn("notional accepted"), BarColumn(), TaskProgressColumn(), TextColumn("{task.description}"))
    with ProgressBar(*columns, TimeElapsedColumn(), console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None)

        def show(progress: Progress) -> None:
            console.print(plain(progress.text), soft_wrap=True)
            if progress.total_notional_usdt:
                answered, total = progress.answered_notional_usdt, progress.total_notional_usdt
                told = f"{answered:,.0f} of {total:,.0f} USDT, {progress.sends} sent"
                bar.update(task, completed=float(answered), total=float(total), description=told)

        yield show
