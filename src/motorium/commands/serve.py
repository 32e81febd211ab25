"""`motorium serve`: answer observations with actions, over openpi's WebSocket protocol."""

from __future__ import annotations

import argparse
from pathlib import Path

from motorium.core.errors import ServeError

HELP = "serve a policy bundle to robots and simulators (openpi's protocol)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("bundle", help="folder of an exported bundle, or its reference in the store (bundle/3f2a81c0)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one (default: %(default)s)")
    parser.add_argument("--token-file", type=Path, help="file whose content clients must send as their API key")
    parser.add_argument("--connections", type=int, default=8, help="clients at a time (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="root of the episodes' seeds (default: %(default)s)")
    parser.add_argument("--store", type=Path, default=Path(".motorium"), help="store of references (default: %(default)s)")


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
    policy = load_bundle(find_bundle(args.bundle, args.store))

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


def find_bundle(name: str, store: Path) -> Path:
    """Return the folder of a bundle given as a folder or as a reference in `store`.

    Raises:
        ServeError: when it is neither.
        StoreError: when the store has no such artifact.
    """
    folder = Path(name)
    if folder.is_dir():
        return folder
    if not store.is_dir():
        raise ServeError(
            "there is no such bundle",
            got=name,
            expected="a folder, or a reference such as bundle/3f2a81c0 and the store it is in",
            remedy="export a policy first, or pass --store",
        )
    from motorium.flow.store import Store

    return Store(store).get(name).path
