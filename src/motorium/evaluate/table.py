"""The table of episodes: one Parquet file, a row an episode, the same bytes for the same episodes.

Columns: `arm`, `seed`, `outcome`, `outcome_code`, `success`, `length`, `return`, `factor.*`, `reward.*` (sums over
the episode), `info.*` (at its end); what holds for a whole arm (task, policy, outcomes, rate, versions) is JSON in the
file's metadata.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from motorium.core.errors import DataError, StoreError
from motorium.evaluate.episodes import Rollout

_ARMS = b"motorium.arms"
_TYPES = {
    "arm": pa.string(),
    "seed": pa.int64(),
    "outcome": pa.string(),
    "outcome_code": pa.int8(),
    "success": pa.bool_(),
    "length": pa.int64(),
    "return": pa.float64(),
}
_FIELDS = ("task", "policy", "outcomes", "control_hz", "versions")


def write_table(path: Path, rollouts: Mapping[str, Rollout]) -> None:
    """Write the episodes of all arms, arm after arm, in the order of their seeds.

    Raises:
        DataError: when the arms have different columns.
    """
    if not rollouts:
        raise DataError("there are no arms to write", where=path, expected="at least one")
    parts = [_part(name, made.take(np.argsort(made.seeds, kind="stable"))) for name, made in rollouts.items()]
    for part, name in zip(parts, rollouts, strict=True):
        if part.schema != parts[0].schema:
            raise DataError(
                f"arm '{name}' has other columns than the first",
                where=path,
                got=part.schema.names,
                expected=parts[0].schema.names,
            )
    arms = {name: {field: _plain(getattr(made, field)) for field in _FIELDS} for name, made in rollouts.items()}
    metadata = {_ARMS: json.dumps(arms, sort_keys=True).encode()}
    table = pa.concat_tables(parts).combine_chunks().replace_schema_metadata(metadata)
    pq.write_table(table, path, compression="zstd", version="2.6", store_schema=True)


def read_table(path: Path) -> dict[str, Rollout]:
    """Return {arm: episodes}, without recordings.

    Raises:
        StoreError: when the file is missing or is no Parquet file.
        DataError: when a column is missing or of the wrong type, or contradicts another.
    """
    try:
        table = pq.read_table(path)
    except FileNotFoundError:
        raise StoreError("there is no table of episodes", where=path) from None
    except pa.ArrowException as error:
        raise StoreError("the table of episodes cannot be read", where=path, got=str(error).splitlines()[0]) from error
    metadata = (table.schema.metadata or {}).get(_ARMS)
    if metadata is None:
        raise DataError("this is not a table of episodes", where=path, got=table.schema.names, expected=list(_TYPES))
    for name, kind in _TYPES.items():
        if name not in table.schema.names or table.schema.field(name).type != kind:
            got = table.schema.field(name).type if name in table.schema.names else "no such column"
            raise DataError(f"column '{name}' is not as expected", where=path, got=got, expected=kind)
    column = np.asarray(table["arm"].to_pylist(), dtype=object)
    arms: dict[str, Any] = json.loads(metadata)
    unknown = set(column) - arms.keys()
    if unknown:
        raise DataError("episodes of an arm that the file does not describe", where=path, got=sorted(unknown))
    return {name: _rollout(table.filter(pa.array(column == name)), arms[name], path) for name in arms}


def _part(name: str, made: Rollout) -> pa.Table:
    columns = {
        "arm": pa.array([name] * made.n, pa.string()),
        "seed": pa.array(made.seeds, pa.int64()),
        "outcome": pa.array(made.outcome_names, pa.string()),
        "outcome_code": pa.array(made.outcome, pa.int8()),
        "success": pa.array(made.success, pa.bool_()),
        "length": pa.array(made.length, pa.int64()),
        "return": pa.array(made.returns, pa.float64()),
    }
    columns |= {f"factor.{key}": pa.array(made.factors[key], pa.float64()) for key in sorted(made.factors)}
    columns |= {f"reward.{key}": pa.array(made.rewards[key], pa.float64()) for key in sorted(made.rewards)}
    columns |= {f"info.{key}": _column(key, made.info[key]) for key in sorted(made.info)}
    return pa.table(columns)


def _column(key: str, values: NDArray) -> pa.Array:
    if values.ndim == 1:
        return pa.array(values)
    if values.ndim == 2:
        return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(values).ravel()), values.shape[1])
    raise DataError(f"info '{key}' has too many axes for a table", got=values.shape, expected="(N,) or (N, k)")


def _rollout(table: pa.Table, arm: Mapping[str, Any], path: Path) -> Rollout:
    outcome, outcomes = table["outcome_code"].to_numpy(), tuple(arm["outcomes"])
    if len(outcome) and (outcome.min() < 0 or outcome.max() >= len(outcomes)):
        raise DataError("an outcome code has no name", where=path, got=int(outcome.max()), expected=list(outcomes))
    if [outcomes[code] for code in outcome] != table["outcome"].to_pylist():
        raise DataError("outcome names and codes contradict each other", where=path, expected=list(outcomes))
    return Rollout(
        task=arm["task"],
        policy=arm["policy"],
        outcomes=outcomes,
        control_hz=arm["control_hz"],
        versions=arm["versions"],
        seeds=table["seed"].to_numpy(),
        outcome=outcome,
        length=table["length"].to_numpy(),
        returns=table["return"].to_numpy(),
        factors=_group(table, "factor."),
        rewards=_group(table, "reward."),
        info=_group(table, "info."),
    )


def _group(table: pa.Table, prefix: str) -> dict[str, NDArray]:
    return {name.removeprefix(prefix): _array(table[name]) for name in table.schema.names if name.startswith(prefix)}


def _array(column: pa.ChunkedArray) -> NDArray:
    if pa.types.is_fixed_size_list(column.type):
        flat = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
        return flat.reshape(-1, column.type.list_size)
    return column.to_numpy()


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else list(value) if isinstance(value, tuple) else value
