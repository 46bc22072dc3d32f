"""Names and IDs of new objects."""

from __future__ import annotations

import posix

from pod.errors import PodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_MOODS = (
    "agile amber ample apt arch bold brave breezy bright brisk calm candid civil clever cosy crisp deft dry eager "
    "early fair fast fine firm fleet fond frank free fresh gentle glad grand great happy hardy honest jolly keen "
    "kind light lively loyal lucid lucky mellow merry mild modest neat nimble noble pat plain plucky polite prime "
    "proud quick quiet rapid ready rosy safe sage serene sharp shiny silent silver smart snug sober solid spry "
    "stable steady sunny super swift tidy trim true trusty upbeat vivid warm wise witty young zesty"
).split()
_ANIMALS = (
    "albatross ant auk badger bat bear beaver bee bison bittern boar bream bunting camel carp cat chough clam cod "
    "colt coot cormorant crab crane cricket crow curlew deer dipper dolphin dove dragonfly duck dunlin eagle eel "
    "egret elk falcon ferret finch firefly fox frog gannet gecko gibbon goat goose grouse gull hare harrier hawk "
    "hedgehog heron hornet horse ibex ibis jackdaw jay kestrel kite lark linnet lizard llama lobster lynx magpie "
    "mallard marten merlin mink mole moth mouse mule narwhal newt nuthatch octopus orca oriole osprey otter owl ox "
    "panda perch petrel pike pipit plover pony puffin quail rabbit raven ray robin rook salmon seal shrew siskin "
    "skua snail snipe sparrow squid stilt stoat stork swallow swan swift teal tern thrush tit toad trout turtle "
    "viper vole wagtail walrus wasp whale wigeon wolf wombat wren yak zebra"
).split()

_NAME_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")


def new_id() -> str:
    """Return 64 random hexadecimal digits, as every container has."""
    return posix.urandom(32).hex()


def new_name(is_taken: Callable[[str], bool]) -> str:
    """Return a free name that a person can say."""
    for _ in range(20):
        first, second = posix.urandom(2), posix.urandom(2)
        mood = _MOODS[int.from_bytes(first, "big") % len(_MOODS)]
        name = f"{mood}_{_ANIMALS[int.from_bytes(second, 'big') % len(_ANIMALS)]}"
        if not is_taken(name):
            return name
    return f"{name}_{posix.urandom(4).hex()}"


def check_name(name: str) -> str:
    """Return the name if containers and volumes may bear it."""
    if not name or name[0] in "_.-" or any(letter not in _NAME_LETTERS for letter in name):
        raise PodError(f'invalid name "{name}": names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*: invalid argument')
    return name


def nearest(typed: str, names: list[str]) -> str:
    """Return the name that was perhaps meant by a word that is none; empty if none is near."""
    allowed = max(1, len(typed) // 3)
    alike = [name for name in names if abs(len(name) - len(typed)) <= allowed and name != typed]
    found = min(((distance(typed, name), name) for name in alike), default=(len(typed) + 1, ""))
    return found[1] if found[0] <= allowed else ""


def distance(one: str, other: str) -> int:
    """Return how many letters must be put in, left out, changed, or swapped with the next to make one word another."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        above, row = row, [i]
        for j, b in enumerate(other, 1):
            row.append(min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a != b)))
            if i > 1 and j > 1 and a == other[j - 2] and b == one[i - 2]:
                row[j] = min(row[j], before[j - 2] + 1)
        before = above
    return row[-1]
