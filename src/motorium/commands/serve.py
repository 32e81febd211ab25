"""`motorium serve`: answer observations with actions, over openpi's WebSocket protocol."""

from __future__ import annotations

import argparse
from pathlib import Path

from motorium.commands.options import add_store, open_store
from motorium.core.errors import ServeError
from motorium.flow.refs import resolve_ref


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("bundle", help="folder of an exported bundle, or its reference in the store (bundle/3f2a81c0)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one (default: %(default)s)")
    parser.add_argument("--token-file", type=Path, help="file whose content clients must send as their API key")
    parser.add_argument("--connections", type=int, default=8, help="clients at a time (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="root of the episodes' seeds (default: %(default)s)")
    add_store(parser)


def run(args: argparse.Namespace) -> int:
    """Serve until interrupted; the bound address is printed once it accepts connections.

    Raises:
        MotoriumError: when the bundle cannot be loaded or the address cannot be served.
    """
    import asyncio

    from motorium.learn.bundle import load_bundle
    from motorium.serve.openpi import PolicyServer, ServeSpec, serve

    spec = ServeSpec.parse(
        {"host": args.host, "port": args.port, "connections": args.connections, "seed": args.seed}, where="serve"
    )
    token = None if args.token_file is None else read_token(args.token_file)
    policy = load_bundle(find_bundle(args))

    def ready(server: PolicyServer) -> None:
        info = policy.info
        print(f"serving {args.bundle} at {server.url} (health: {server.url.replace('ws', 'http', 1)}/healthz)")
        print(f"  policy {info.digest[:12]}, {info.horizon} actions a chunk at {info.control_hz:g} Hz", flush=True)

    asyncio.run(serve(policy, spec, token, ready))
    print("stopped")
    return 0


def read_token(path: Path) -> str:
    """Return the secret in `path`, without surrounding white space.

    Raises:
        ServeError: when it cannot be read or is empty.
    """
    try:
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ServeError("the token file cannot be read", where=path, got=error) from None
    if not token:
        raise ServeError("the token file is empty", where=path, expected="a secret on one line")
    return token


def find_bundle(args: argparse.Namespace) -> Path:
    """Return the folder of the bundle, given as a folder or as a reference in the store.

    Raises:
        StoreError: when it is neither.
        ServeError: when the reference is of something else.
    """
    folder = Path(args.bundle)
    if folder.is_dir():
        return folder
    artifact = resolve_ref(open_store(args), args.bundle)
    if artifact.kind != "bundle":
        raise ServeError(
            "only a bundle can be served", got=artifact.ref, expected="bundle/...", remedy="export it first"
        )
    return artifact.path
