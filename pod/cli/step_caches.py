"""`build --cache-from`, `--cache-to`: repositories for results of steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pod import registries, trust
from pod.build.cache.registries import Repositories
from pod.errors import PodError
from storage.errors import BadReferenceError
from storage.reference import Reference, parse

if TYPE_CHECKING:
    from pod.cli.building import Asked
    from pod.engine import Engine


def repositories(engine: Engine, asked: Asked) -> Repositories:
    """Return the repositories that are named. Raises PodError for what names none."""
    if not asked.cache_from and not asked.cache_to:
        return Repositories()
    from storage.step_images import Repository

    options = registries.options(engine.config, **asked.registry)
    policy = trust.load(engine.config, options, asked.signature_policy)

    def of(names: list[str]) -> tuple[Repository, ...]:
        return tuple(Repository(_named(one), options, policy) for one in dict.fromkeys(names))

    return Repositories(of(asked.cache_from), of(asked.cache_to))


def _named(text: str) -> Reference:
    try:
        found = parse(text.removeprefix("docker://"))
    except BadReferenceError as error:
        raise PodError(f'unable to parse value provided "{text}": {error}') from error
    if found.tag is not None or found.digest is not None:
        raise PodError(
            f'unable to parse value provided "{text}": repository must contain neither a tag nor digest: {found}',
            hint="each step has a tag of its own in the repository",
        )
    return found
