"""Stage serve-check: a bundle is served on loopback, asked over the wire, and answers as it does without one.

It stands here and not among the stages because it starts a server, which is above them; the table of stages
names it like any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from motorium.core.errors import MotoriumError
from motorium.core.spec import Spec
from motorium.flow.stage import Context, Port, Result, Stage


class ServeCheckSpec(Spec):
    """Options of the stage `serve-check`."""

    requests: int = Field(64, ge=1, description="observations of the dataset to ask about")
    seed: int = Field(0, ge=0, description="seed of the episode")


def run(spec: ServeCheckSpec, inputs: Mapping[str, Any], context: Context) -> Result:
    """Ask the server about recorded observations; every answer must equal the bundle's own, bit by bit."""
    import json

    import numpy as np

    from motorium.data.dataset import open_dataset
    from motorium.learn.bundle import load_bundle
    from motorium.serve.client import PolicyClient
    from motorium.serve.openpi import running

    folder, dataset = inputs["bundle"].path, open_dataset(inputs["dataset"].path)
    served, direct = load_bundle(folder), load_bundle(folder)
    rows = np.linspace(0, dataset.num_frames - 1, min(spec.requests, dataset.num_frames)).astype(np.int64)
    seen = {key: dataset.column(key)[rows] for key in direct.info.observation}
    direct.reset(np.array([spec.seed]))
    bar = context.progress(len(rows), unit="request")
    with running(served) as server, PolicyClient(server.url) as client:
        client.reset(spec.seed)
        for row in range(len(rows)):
            expected = direct.act({key: values[row : row + 1] for key, values in seen.items()})[0]
            got = client.infer({key: values[row] for key, values in seen.items()})["actions"]
            if got.tobytes() != expected.tobytes():
                raise MotoriumError(
                    "the server answers otherwise than the bundle it serves",
                    where=f"request {row}",
                    got=np.asarray(got).tolist()[0],
                    expected=expected.tolist()[0],
                )
            bar.advance()
    bar.close()
    metrics = {"requests": len(rows), "equal": len(rows), "protocol": "openpi WebSocket"}
    (context.output / "served.json").write_text(json.dumps(metrics, sort_keys=True) + "\n", encoding="utf-8")
    return Result(summary=f"served over WebSocket, {len(rows)}/{len(rows)} answers equal the bundle's", metrics=metrics)


STAGE = Stage(
    name="serve-check",
    version=1,
    kind="report",
    spec=ServeCheckSpec,
    ports={"bundle": Port(kind="bundle"), "dataset": Port(kind="dataset")},
    modules=("motorium.serve", "motorium.learn", "motorium.data", "motorium.core"),
    distributions=("onnxruntime", "onnx", "onnxscript", "torch", "av", "pyarrow", "numpy"),
    run=run,
)
