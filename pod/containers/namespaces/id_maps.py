"""Maps of user and group IDs, as --uidmap and --gidmap write them. Pure.

A map is a list of (inside, outside, count). Source: podman-run(1), --uidmap: flags before the first number (`u`, `g`:
for users or groups only; `+`: the entry replaces what stands in its way), `@` before an ID of the host, which is
translated to what the user's namespace calls it.
"""

from __future__ import annotations

from pod.errors import PodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    IdMap = list[tuple[int, int, int]]

_HIGHEST = 2**32 - 1  # the ID that stands for none


class Entry:
    """One entry of the command line: where it counts, whether it replaces others, and what it maps."""

    __slots__ = ("extends", "kinds", "pieces")

    def __init__(self, extends: bool, kinds: str, pieces: IdMap) -> None:
        self.extends = extends
        self.kinds = kinds  # "UID", "GID", or both with a blank
        self.pieces = pieces


def read(texts: Iterable[str], kind: str, parent: IdMap | None) -> list[Entry]:
    """Return the entries of one flag's values that count for `kind` (UID or GID).

    `parent` is the map of the user's own namespace, None for root, to whom `@` says nothing new.
    """
    return [entry for text in texts if kind in (entry := _entry(text, kind, parent)).kinds.split()]


def combine(entries: Iterable[Entry], base: IdMap) -> IdMap:
    """Return the map of all entries, in their order, on top of `base`. Raises PodError for ranges that overlap."""
    result = list(base)
    for entry in entries:
        for piece in entry.pieces:
            if entry.extends:
                result = _without(result, piece)
            result.append(piece)
    result.sort()
    _check(result)
    return result


def fill(mapping: IdMap, available: IdMap) -> IdMap:
    """Map the IDs of `available` (inside, outside, count of the user's namespace) that are free, from ID 0 on."""
    free = subtract([(inside, count) for inside, _, count in available], [(host, n) for _, host, n in mapping])
    result = list(mapping)
    position = 0
    for inside, _, count in [*sorted(mapping), (_HIGHEST, 0, 0)]:
        while position < inside and free:
            first, length = free[0]
            taken = min(inside - position, length)
            result.append((position, first, taken))
            position += taken
            free[0:1] = [(first + taken, length - taken)] if length > taken else []
        position = max(position, inside + count)
    return sorted(result)


def subtract(ranges: Iterable[tuple[int, int]], used: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return what of `ranges` (first, count) is in none of `used`, in ascending order."""
    left = sorted(ranges)
    for start, length in used:
        pieces = []
        for first, count in left:
            end, stop = first + count, start + length
            before, after = (first, min(end, start) - first), (max(first, stop), end - max(first, stop))
            pieces += [piece for piece in (before, after) if piece[1] > 0]
        left = pieces
    return left


def to_inner(first: int, count: int, parent: IdMap, kind: str) -> IdMap:
    """Return (position, inner, count) pieces for the host's IDs from `first` on, as the user's namespace calls them.

    Raises PodError for IDs that are not delegated.
    """
    pieces: IdMap = []
    position = 0
    while position < count:
        for inner, host, length in parent:
            if host <= first + position < host + length:
                offset = first + position - host
                taken = min(length - offset, count - position)
                pieces.append((position, inner + offset, taken))
                position += taken
                break
        else:
            raise PodError(
                f"parent ID {kind} {first + position} is not mapped/delegated",
                hint=f"/etc/sub{kind.lower()} must give you that ID",
            )
    return pieces


def allocate(
    wanted: int, available: Sequence[tuple[int, int]], used: Iterable[tuple[int, int]], forced: IdMap
) -> IdMap | None:
    """Map `wanted` IDs of a container from 0 on to IDs that nobody uses, or return None if these do not suffice.

    `forced` pieces are part of the map, whoever uses their IDs as well.
    """
    free = subtract(available, [*used, *((host, count) for _, host, count in forced)])
    gaps = subtract([(0, wanted)], [(inside, count) for inside, _, count in forced])
    total = sum(count for _, count in gaps)
    whole = next((piece for piece in free if piece[1] >= total), None)
    if whole is not None:
        free = [whole]  # one range rather than many
    result = list(forced)
    for inside, count in gaps:
        position, left = inside, count
        while left:
            if not free:
                return None
            first, length = free[0]
            taken = min(left, length)
            result.append((position, first, taken))
            position, left = position + taken, left - taken
            free[0:1] = [(first + taken, length - taken)] if length > taken else []
    return sorted(result)


def _entry(text: str, kind: str, parent: IdMap | None) -> Entry:
    fields = text.split(":")
    flags = fields[0].rstrip("0123456789")
    numbers = [fields[0][len(flags) :], fields[1] if len(fields) > 1 else "", *fields[2:3], "1"][:3]
    from_host = numbers[1].startswith("@")
    numbers[1] = numbers[1].removeprefix("@")
    plain = all(number.isascii() and number.isdecimal() for number in numbers)
    if not 2 <= len(fields) <= 3 or not plain or flags.strip("+ug"):
        raise malformed(text, kind)
    inside, outside, count = map(int, numbers)
    if not count or inside + count > _HIGHEST or outside + count > _HIGHEST:
        raise malformed(text, kind)
    kinds = " ".join(name for letter, name in (("u", "UID"), ("g", "GID")) if letter in flags) or "UID GID"
    pieces = [(inside, outside, count)]
    if from_host and parent is not None and kind in kinds.split():
        pieces = [(inside + at, inner, length) for at, inner, length in to_inner(outside, count, parent, kind)]
    return Entry("+" in flags, kinds, pieces)


def malformed(text: str, kind: str) -> PodError:
    """Return the error for an entry that is none."""
    return PodError(
        f'initializing ID mappings: {kind} setting is malformed expected ["[+ug]uint32:[@]uint32[:uint32]"]: ["{text}"]'
    )


def _without(mapping: IdMap, piece: tuple[int, int, int]) -> IdMap:
    """Take out of a map what maps from or to any ID of `piece`."""
    inside, outside, length = piece
    result = []
    for first, host, count in mapping:
        taken = [(inside - first, length), (outside - host, length)]
        result += [(first + at, host + at, part) for at, part in subtract([(0, count)], taken)]
    return result


def _check(mapping: IdMap) -> None:
    for side in (0, 1):
        end = -1
        for entry in sorted(mapping, key=lambda entry: entry[side]):
            if entry[side] < end:
                raise PodError(f"the ID mappings overlap at {entry[side]}: each ID may be mapped once")
            end = entry[side] + entry[2]
