"""How a range that a device refuses is divided, and what is learned from the parts. Pure.

A refused range is halved between tags until the parts that work and the tag that does not are found. What works is put
together again as far as the refusal is explained: one bad tag among a hundred leaves two requests, not seven.
"""

from collections.abc import Sequence
from itertools import groupby

from streamforge.adapters.register_plan import Request, request_of


def halves(request: Request) -> tuple[Request, Request] | None:
    """The request in two, cut in the middle between tags; None where all its points are the same registers."""
    groups = [
        list(group)
        for _, group in groupby(sorted(request.points, key=lambda p: (p.start, p.end)), key=lambda p: (p.start, p.end))
    ]
    if len(groups) < 2:
        return None
    middle = len(groups) // 2
    left, right = ([point for group in part for point in group] for part in (groups[:middle], groups[middle:]))
    return request_of(left), request_of(right)


def together(left: Sequence[Request], right: Sequence[Request], refused: Sequence[Request]) -> tuple[Request, ...]:
    """What to ask from now on in place of a refused range, from what its two halves came to.

    Two halves that both work as a whole are kept apart: the cut itself (a hole between them, or their common length)
    is what the device refuses. Where one of them explains the refusal, the parts next to the cut are joined again.
    """
    last, first = left[-1], right[0]
    is_the_cut = len(left) == len(right) == 1 and last not in refused and first not in refused
    if is_the_cut or last in refused or first in refused:
        return (*left, *right)
    return (*left[:-1], request_of((*last.points, *first.points)), *right[1:])
