"""How large an image may be shown: what grids of tiles the markers can describe."""

from typing import Any

from smvl.layouts.tokens import MAX_GRID


def check_longest_edge(longest_edge: Any, tile: int, advice: str = "") -> None:
    """Raise `ValueError` for a longest edge that is not of whole tiles, or of more than there are markers for.

    Args:
        tile: its side in pixels.
        advice: what to do, for who cannot see it from the name.
    """
    if type(longest_edge) is not int or longest_edge % tile or not tile <= longest_edge <= MAX_GRID * tile:
        raise ValueError(
            f"longest_edge is {longest_edge!r} and the tile is {tile} pixels; longest_edge must be 1 to {MAX_GRID} whole tiles "
            f"({tile} to {MAX_GRID * tile}).{advice and f' {advice}'}"
        )


def check_most_tiles(most_tiles: Any) -> None:
    """Raise `ValueError` for a number of tiles that no image can have."""
    if type(most_tiles) is not int or most_tiles < 1:
        raise ValueError(f"at most {most_tiles!r} tiles for an image; expected a whole number of at least 1.")
