"""Tables that fit the terminal: the widest columns give way, and what is cut off ends in an ellipsis."""

from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

LEAST_WIDTH = 8
PADDING = 2  # of a column without borders


def build_table(
    console: Console, headings: Sequence[str], rows: Sequence[Sequence[Text]], *, yielding: set[str]
) -> Table:
    """A table of one line for each row, no wider than the console; only the columns of `yielding` are made narrower."""
    widths = {
        heading: max([cell_len(heading), *(row[column].cell_len for row in rows)])
        for column, heading in enumerate(headings)
    }
    room = (
        console.width
        - PADDING * len(headings)
        - sum(widths[heading] for heading in headings if heading not in yielding)
    )
    while sum(widths[heading] for heading in yielding) > room:
        widest = max(yielding, key=lambda heading: widths[heading])
        if widths[widest] <= LEAST_WIDTH:
            break
        widths[widest] -= 1
    table = Table(*headings, box=None, header_style="bold")
    for row in rows:
        cells = [text.copy() for text in row]
        for cell, heading in zip(cells, headings, strict=True):
            cell.truncate(widths[heading], overflow="ellipsis")
            cell.no_wrap = True
        table.add_row(*cells)
    return table


def one_line(text: str) -> str:
    """What somebody typed, for one cell: without line breaks and control characters."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())
