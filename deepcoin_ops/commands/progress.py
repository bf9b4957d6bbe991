"""How a flatten is watched from a terminal: lines and a bar. Its console may lose its reader; see `streams`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as ProgressBar
from rich.table import Column

from deepcoin_ops.commands.layout import plain
from deepcoin_ops.domain.showing import show_usdt
from deepcoin_ops.flattening.progress import Progress

_LEAST_FOR_A_BAR = 120


@contextmanager
def show_progress(console: Console) -> Iterator[Callable[[Progress], None]]:
    """A line for each thing that happens and, on a terminal, a bar with the share of the notional accepted.

    In a narrow window the figures have the line to themselves: they would be cut otherwise.
    """
    figures = TextColumn("{task.description}", table_column=Column(overflow="fold"))
    picture = (TextColumn("notional accepted"), BarColumn(), TaskProgressColumn())
    columns = (*(picture if console.width >= _LEAST_FOR_A_BAR else ()), figures, TimeElapsedColumn())
    with ProgressBar(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None)

        def show(progress: Progress) -> None:
            console.print(plain(progress.text), soft_wrap=True)
            if progress.total_notional_usdt:
                answered, total = progress.answered_notional_usdt, progress.total_notional_usdt
                told = f"{show_usdt(answered)} of {show_usdt(total)} USDT, {progress.sends} sent"
                bar.update(task, completed=float(answered), total=float(total), description=told)

        yield show
