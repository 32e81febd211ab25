"""The command line: a table of commands; each is a module that is imported when it is asked for."""

from __future__ import annotations

import argparse
import importlib
import os
import sys

# Command -> (module with `add_arguments(parser)` and `run(args) -> exit code`, one line of help).
COMMANDS = {
    "run": ("motorium.commands.run", "run a recipe; what is cached is not computed again"),
    "stage": ("motorium.commands.stage", "run a single stage, with its options on the command line"),
    "inspect": ("motorium.commands.inspect", "say what a recording is and what is in it"),
    "ingest": ("motorium.commands.ingest", "turn a recording into a dataset"),
    "curate": ("motorium.commands.curate", "keep the episodes of a dataset that are fit to learn from"),
    "edit": ("motorium.commands.edit", "delete, split, merge, rename, resample or crop a dataset"),
    "rl": ("motorium.commands.rl", "let a policy learn a task by reinforcement"),
    "convert": ("motorium.commands.convert", "write a dataset in another format"),
    "ls": ("motorium.commands.ls", "list artifacts"),
    "show": ("motorium.commands.show", "show what an artifact is and how it was made"),
    "lineage": ("motorium.commands.lineage", "show what an artifact was made from, up to the roots"),
    "why": ("motorium.commands.why", "explain why a stage of a recipe is, or is not, computed again"),
    "diff": ("motorium.commands.diff", "compare the specs and metrics of two artifacts"),
    "verify": ("motorium.commands.verify", "read every byte again and name what is corrupt"),
    "gc": ("motorium.commands.gc", "delete what is no longer used"),
    "serve": ("motorium.commands.serve", "serve a policy bundle over WebSocket"),
    "view": ("motorium.commands.view", "watch a policy in its task: a window, or a video without a screen"),
    "replay": ("motorium.commands.replay", "play recorded episodes back in simulation"),
    "cache": ("motorium.commands.cache", "show or clear what the training loader keeps of datasets"),
    "bench": ("motorium.commands.bench", "run the benchmarks of a checkout"),
    "doctor": ("motorium.commands.doctor", "check this machine, or a dataset, and say what is wrong"),
}
BAD_INPUT, STOPPED = 2, 130


def main(argv: list[str] | None = None) -> int:
    """Run a command; return its exit code.

    0 ok; 1 a check failed (verify, doctor, bench); 2 bad input, or a stage failed; of a run, what its reports
    found: 3 regressed, or not better than what it is held against, 4 too few episodes to tell; 130 interrupted.
    """
    argv = sys.argv[1:] if argv is None else argv
    if not argv or argv[0].startswith("-") or argv[0] not in COMMANDS:
        return _top(argv)
    name, rest = argv[0], argv[1:]
    from motorium.core.errors import MotoriumError

    try:
        module = _load(name)
        parser = argparse.ArgumentParser(prog=f"motorium {name}", description=COMMANDS[name][1].capitalize() + ".")
        module.add_arguments(parser)
        _show_log()
        return int(module.run(parser.parse_args(rest)) or 0)
    except MotoriumError as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return STOPPED
    except BrokenPipeError:
        # Whoever read our output has gone (`| head`); Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # a file that may not be read, a folder that may not be written
        print(f"error: {error}", file=sys.stderr)
        return BAD_INPUT


def _top(argv: list[str]) -> int:
    """Parse what comes before a command: only help and version, or a command that does not exist."""
    width = max(map(len, COMMANDS))
    table = "\n".join(f"  {name:{width}}  {text}" for name, (_, text) in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="motorium",
        usage="motorium COMMAND [options]",
        description="From robot and driving logs to a tested, deployable policy.",
        epilog=f"commands:\n{table}\n\n`motorium COMMAND --help` shows its options.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    parser.add_argument("command", nargs="?", help=argparse.SUPPRESS)
    args, _ = parser.parse_known_args(argv)
    if args.version:
        from motorium import __version__

        print(f"motorium {__version__}")
        return 0
    if args.command is None:
        parser.print_help()
        return 0 if not argv else BAD_INPUT
    import difflib

    near = difflib.get_close_matches(args.command, COMMANDS, n=1, cutoff=0.5)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    print(f"error: there is no command '{args.command}'{hint} See `motorium --help`.", file=sys.stderr)
    return BAD_INPUT


def _show_log() -> None:
    """Let the user see what the parts say of one-off work (fetching models, compiling), on standard error."""
    import logging

    logging.basicConfig(format="%(message)s")
    logging.getLogger("motorium.sim").setLevel(logging.INFO)


def _load(name: str):
    from motorium.core.errors import CatalogError

    module = COMMANDS[name][0]
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        own = module == missing or module.startswith(f"{missing}.")
        raise CatalogError(
            f"command '{name}' cannot be loaded",
            where=module,
            got=str(error),
            remedy="this installation does not have it" if own else f"install the package that provides '{missing}'",
        ) from error


if __name__ == "__main__":
    sys.exit(main())
