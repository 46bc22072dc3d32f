"""The lazy Typer application: help, completion, mistakes, and whatever the fast reader leaves.

The groups know their commands by the table and import the one that is asked for; `--help` lists all and imports none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
import typer.main
from typer.core import TyperCommand, TyperGroup

from pod import __version__
from pod.cli import fastargs, flags, global_options, help, table, words
from pod.errors import PodError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

HELP_FLAGS = {"help_option_names": ["--help", "-h"]}


def explain(args: list[str]) -> int:
    """Read the command line with Typer: run the command, print help, or raise the error that says what is wrong."""
    root = root_group()
    head = fastargs.read_leading(fastargs.Reader(global_options.main), args)
    if head is not None and head[1][:1] == ["help"]:
        args = [*args[: len(args) - len(head[1])], *head[1][1:], "--help"]
    try:
        with root.make_context("pod", args) as context:
            return root.invoke(context) or 0
    except typer.Exit as end:
        return end.exit_code
    except typer.TyperException as error:
        raise UsageError(error.format_message().rstrip(".")) from error


def parse(module: Any, path: str, args: list[str]) -> dict[str, Any]:
    """Return the keyword arguments that Typer reads for a command, without running it."""
    taken: dict[str, Any] = {}
    command = declare(module, path, path, taken.update)
    context = command.make_context(path, list(args))
    command.invoke(context)
    return taken


class PodCommand(TyperCommand):
    """A command that reads pflag's spellings and speaks podman's words."""

    summary = ""
    bare: Mapping[str, str] = {}

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Bring the line into the form that Typer knows, then let it read."""
        if ctx.resilient_parsing:
            return super().parse_args(ctx, args)
        return super().parse_args(ctx, canonical(self, ctx, fastargs.spelled(args, self.bare)))

    def get_help(self, ctx: Any) -> str:
        """Return the text of `--help`."""
        options, arguments = declared(self, ctx)
        options = [option for option in options if option.name != "help"]
        return help.of_command(ctx.command_path, self.summary, (self.help or "").rstrip("."), arguments, options)


class LazyGroup(TyperGroup):
    """A group that imports the one command that is asked for."""

    entries: dict[str, tuple[str, str]]
    summary = ""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names that `--help` lists."""
        return list(self.entries)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a stub for the list of commands: name and line of help, nothing imported."""
        if cmd_name in self.entries:
            return TyperCommand(name=cmd_name, help=self.entries[cmd_name][1])
        return None

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Return the real thing, for a call and for completion."""
        name = args[0]
        path = " ".join([*ctx.command_path.split()[1:], name])
        if path in table.GROUPS:
            return name, subgroup(path), args[1:]
        group = "" if ctx.parent is None else str(ctx.info_name)
        name = table.ALIASES.get((group, name), name)
        entry = self.entries.get(name)
        if entry is None:
            if ctx.resilient_parsing:
                return None, None, args[1:]
            raise self.unrecognized(ctx, name)
        module = load(entry[0])
        return name, declare(module, name, entry[1], module.main), args[1:]

    def unrecognized(self, ctx: Any, name: str) -> PodError:
        """Return the error for a command that there is not, with what was perhaps meant."""
        text = f"unrecognized command `{ctx.command_path} {name}`\n"
        near = words.suggestions(name, list(self.entries), distant=ctx.parent is None)
        if near:
            text += "\nDid you mean this?\n" + "".join(f"\t{command}\n" for command in near) + "\n"
        return PodError(f"{text}Try '{ctx.command_path} --help' for more information")

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Bring the line into the form that Typer knows, then let it read."""
        if ctx.resilient_parsing:
            return super().parse_args(ctx, args)
        return super().parse_args(ctx, canonical(self, ctx, args, group=True))

    def invoke(self, ctx: Any) -> Any:
        """Apply the global options; run the command, or say that one is missing."""
        if ctx.parent is None:
            if ctx.params.get("version"):
                print(f"pod version {__version__}")
                return 0
            said = {name: value for name, value in ctx.params.items() if value}
            global_options.apply(said)
        if not ctx._protected_args:
            print(self.get_help(ctx))
            raise PodError(f"missing command '{ctx.command_path} COMMAND'")
        return super().invoke(ctx)

    def get_help(self, ctx: Any) -> str:
        """Return the text of `--help`."""
        commands = sorted((name, line) for name, (_, line) in self.entries.items() if line)
        return help.of_group(ctx.command_path, self.summary, commands, declared(self, ctx)[0])


def root_group() -> LazyGroup:
    """Return the group of all commands, with the global options."""
    options = declare(global_options, "pod", "", global_options.main, add_help=False).params
    group = LazyGroup(
        name="pod", params=[option for option in options if option.name != "help"], context_settings=HELP_FLAGS
    )
    groups = {name: ("", summary) for name, (summary, _) in table.GROUPS.items() if " " not in name}
    group.entries = dict(sorted({**table.COMMANDS, **groups}.items()))
    group.summary = "Manage containers and images"
    return group


def subgroup(name: str) -> LazyGroup:
    """Return one of the groups below."""
    group = LazyGroup(name=name.split()[-1], context_settings=HELP_FLAGS)
    group.summary, group.entries = table.GROUPS[name]
    return group


def load(name: str) -> Any:
    """Import the module of a command."""
    from importlib import import_module

    return import_module(f"pod.cli.{name}")


def declare(module: Any, name: str, summary: str, call: Callable[..., Any], *, add_help: bool = True) -> PodCommand:
    """Return Typer's command for the declaration in a module; `call` gets what it reads."""

    def main(**values: Any) -> Any:
        return call(**values) if call is module.main else call(values)

    main.__doc__ = module.main.__doc__
    adopt_signature(main, module.main, getattr(module, "SHARED", ()))
    settings: dict[str, Any] = {**HELP_FLAGS, "allow_interspersed_args": getattr(module, "INTERSPERSED", True)}
    application = typer.Typer(add_completion=False)
    application.command(name, cls=PodCommand, context_settings=settings, add_help_option=add_help)(main)
    command: Any = typer.main.get_command(application)
    command.summary, command.bare = summary, getattr(module, "BARE", {})
    return command  # type: ignore[no-any-return]


def adopt_signature(target: Any, main: Callable[..., Any], shared: Sequence[str]) -> None:
    """Give a function the parameters of a command and the flags of its groups, with their annotations evaluated."""
    import inspect
    import sys

    names = {"Annotated": Annotated, "Option": typer.Option, "Argument": typer.Argument}
    wanted: dict[str, inspect.Parameter] = {}
    sources = [(main, tuple(inspect.signature(main).parameters))]
    for source, own in [*sources, *((flags.declaration(group), flags.parameters(group)) for group in shared)]:
        parameters = inspect.signature(source).parameters
        for one in map(parameters.__getitem__, own):
            # The command's own goes before a group's.
            if one.name not in wanted and one.kind is not one.VAR_KEYWORD:
                type_ = eval(one.annotation, vars(sys.modules[source.__module__]), names)
                wanted[one.name] = one.replace(kind=one.KEYWORD_ONLY, annotation=type_)
    target.__signature__ = inspect.Signature(list(wanted.values()))
    target.__annotations__ = {one.name: one.annotation for one in wanted.values()}


def declared(command: Any, ctx: Any) -> tuple[list[Any], list[Any]]:
    """Return a command's options and its positional arguments."""
    parameters = command.get_params(ctx)
    options = [parameter for parameter in parameters if parameter.param_type_name == "option"]
    return options, [parameter for parameter in parameters if parameter.param_type_name == "argument"]


def canonical(command: Any, ctx: Any, args: list[str], *, group: bool = False) -> list[str]:
    """Return the line as Typer reads it; raise UsageError for what is wrong, and apply inherited global options."""
    options, arguments = declared(command, ctx)
    root = ctx.find_root()
    inherited = [] if root is ctx else [o for o in declared(root.command, root)[0] if o.name not in ("help", "version")]
    line = words.Words(ctx.command_path, options, inherited, interspersed=ctx.allow_interspersed_args)
    line.read(args)
    if any(on and "--help" in option.opts for option, on in line.flags.values()):
        return ["--help"]
    if not group:
        words.check_count(ctx.command_path, arguments, len(line.positionals))
    for option in line.off():
        # Typer has no `--flag=false`; a second name, made up for this line, says it.
        option.secondary_opts = [f"--off@{option.name}"]
    if line.others:
        global_options.apply(inherited_values(root.command, root, line.others))
    return [*(option.secondary_opts[0] for option in line.off()), *line.canonical()]


def inherited_values(command: Any, ctx: Any, args: list[str]) -> dict[str, Any]:
    """Return what global options after the command say."""
    values, _, _ = command.make_parser(ctx).parse_args(args=list(args))
    return dict(values)
