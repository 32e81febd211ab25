"""Stage train: behaviour cloning of action chunks on a dataset's training split."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from motorium.core.errors import DataError
from motorium.flow.stage import Context, Port, Result, Stage
from motorium.learn.spec import TrainSpec

NAMES = {"flow-matching": "flow matching", "regression": "regression"}


def run(spec: TrainSpec, inputs: Mapping[str, Any], context: Context) -> Result:
    """Read the columns, train, say what came of it."""
    from motorium.learn.imitation import train

    data = read_training_data(inputs["dataset"].path, spec.inputs)
    bar = context.progress(spec.steps, unit="step")
    trained = train(
        data, spec, context.output, scratch=context.scratch, seed=context.seed, progress=bar, metrics=context.metrics
    )
    bar.close()
    metrics = {
        "parameters": trained.parameters,
        "steps": trained.steps,
        "episodes": data.episodes,
        "train_loss": trained.train_loss,
        "validation_loss": trained.validation_loss,
        "validation_error": trained.validation_error,
    }
    measured = (
        f"validation loss {trained.validation_loss:.4f}"
        if trained.validation_loss is not None
        else f"training loss {trained.train_loss:.4f}, no episode to validate on"
    )
    name = NAMES.get(spec.policy, spec.policy)
    summary = f"{name}, {trained.parameters / 1e6:.1f} M parameters, {trained.steps:,} steps, {measured}"
    return Result(summary=summary, metrics=metrics)


def read_training_data(folder: Any, keys: tuple[str, ...]):
    """Return the TrainingData of a dataset's training split, and of `keys` (none: every observation vector)."""
    import numpy as np

    from motorium.data.companions import companions
    from motorium.data.dataset import open_dataset
    from motorium.evaluate.seeds import format_seeds
    from motorium.learn.data import TrainingData
    from motorium.stages.masks import recorded
    from motorium.stages.seeds import episode_seeds
    from motorium.stages.splits import read_split

    dataset = open_dataset(folder)
    if "action" not in dataset.features:
        raise DataError(
            "the dataset has no 'action' to learn",
            where=folder,
            got=f"features {', '.join(dataset.features)}",
            expected="a feature named 'action': the command given at each step",
        )
    chosen = np.asarray(read_split(dataset.root, "train", dataset.num_episodes), np.int64)
    observations = keys or tuple(
        key
        for key, feature in dataset.features.items()
        if key.startswith("observation.")
        and not feature.visual
        and len(feature.shape) == 1
        # What ingest says of a feature is no feature: when its samples were taken, and which of them are there.
        and key not in companions(dataset.features)
    )
    seeds = episode_seeds(dataset, chosen)
    conventions = dict(dataset.conventions)
    if seeds:
        # Evaluation refuses these, so that no policy is judged on a start it was taught.
        conventions["data_seeds"] = format_seeds(seeds)
    return TrainingData(
        observations={key: dataset.column(key) for key in observations},
        actions=dataset.column("action"),
        starts=dataset.starts[chosen],
        lengths=dataset.lengths[chosen],
        features={key: dataset.features[key] for key in (*observations, "action")},
        control_hz=float(dataset.fps),
        conventions=conventions,
        valid=recorded(dataset, (*observations, "action")),
    )


STAGE = Stage(
    name="train",
    version=1,
    kind="policy",
    spec=TrainSpec,
    ports={"dataset": Port(kind="dataset")},
    modules=(
        "motorium.stages.train",
        "motorium.stages.masks",
        "motorium.stages.seeds",
        "motorium.stages.splits",
        "motorium.learn",
        "motorium.evaluate.seeds",
        "motorium.data",
        "motorium.core",
    ),
    distributions=("torch", "safetensors", "av", "pyarrow", "numpy"),
    run=run,
)
