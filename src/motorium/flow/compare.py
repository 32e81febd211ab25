"""Compare: two artifacts' specs, metrics and origins, field by field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from motorium.flow.derivation import SHOWS_PROVENANCE, named_records

MISSING = "-"


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One field that differs; `before` or `after` is `-` where the field is not there.

    Attributes:
        part: `spec`, `input`, `module`, `package`, `file`, `seed`, `version`, `stage` or `metrics`.
    """

    part: str
    field: str
    before: Any
    after: Any
    note: str = ""

    def to_plain(self) -> dict[str, Any]:
        """Return the difference as JSON data."""
        return {
            "part": self.part,
            "field": self.field,
            "before": self.before,
            "after": self.after,
            "note": self.note,
        }


def flatten(value: Any, path: str = "") -> dict[str, Any]:
    """Return nested mappings as {`a.b.c`: value}; lists stay values."""
    if not isinstance(value, Mapping) or not value:
        return {path: value} if path else {}
    flat = {}
    for key, item in value.items():
        flat |= flatten(item, f"{path}.{key}" if path else str(key))
    return flat


def changed_fields(part: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """Return the leaves in which two nested mappings differ."""
    old, new = flatten(before), flatten(after)
    return [
        Difference(part=part, field=field, before=old.get(field, MISSING), after=new.get(field, MISSING))
        for field in dict.fromkeys([*old, *new])
        if old.get(field, MISSING) != new.get(field, MISSING)
    ]


def derivation_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """Return in what two derivations (or manifests) differ: version, seed, spec, inputs, packages, files, modules."""
    changes = [
        Difference(part=part, field=part, before=before[part], after=after[part])
        for part in ("stage", "version")
        if before[part] != after[part]
    ]
    if before["seed"] != after["seed"]:
        changes.append(
            Difference(
                part="seed", field="seed", before=before["root_seed"], after=after["root_seed"], note="root seed"
            )
        )
    changes += changed_fields("spec", before["spec"], after["spec"])
    # What of an input counts depends on the kind, see `derivation`.
    counted = "id" if after["kind"] in SHOWS_PROVENANCE else "content"
    changes += _inputs(before["inputs"], after["inputs"], counted)
    for part, field in (("package", "versions"), ("file", "named_files")):
        # What an earlier Motorium made does not say them.
        changes += _entries(part, before.get(field, {}), after.get(field, {}))
    return changes + _modules(before["sources"], after["sources"])


def _entries(part: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """As `changed_fields`, of names that may hold dots; digests are cut."""
    return [
        Difference(part=part, field=name, before=_shown(was), after=_shown(now))
        for name in dict.fromkeys([*before, *after])
        if (was := before.get(name, MISSING)) != (now := after.get(name, MISSING))
    ]


def _shown(value: str | None) -> str:
    return MISSING if value is None else value[:12] if len(value) == 64 else value


def _inputs(before: Mapping[str, Any], after: Mapping[str, Any], counted: str) -> list[Difference]:
    old, new = dict(named_records(before)), dict(named_records(after))
    changes = []
    for port in dict.fromkeys([*old, *new]):
        was, now = old.get(port), new.get(port)
        if was is None or now is None or was[counted] != now[counted]:
            changes.append(Difference(part="input", field=port, before=_source(was), after=_source(now)))
    return changes


def _source(record: Mapping[str, Any] | None) -> str:
    if record is None:
        return MISSING
    return f"{record['external']} ({record['content'][:12]})" if "external" in record else record["ref"]


def _modules(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    changes = []
    for module in dict.fromkeys([*before, *after]):
        was, now = before.get(module), after.get(module)
        if was is None or now is None:
            changes.append(
                Difference(
                    part="module",
                    field=module,
                    before=MISSING if was is None else "declared",
                    after=MISSING if now is None else "declared",
                )
            )
        elif was["digest"] != now["digest"]:
            changes.append(
                Difference(
                    part="module",
                    field=module,
                    before=was["digest"][:12],
                    after=now["digest"][:12],
                    note=_changed_files(was["files"], now["files"]),
                )
            )
    return changes


def _changed_files(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    names = []
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            verb = "added" if name not in before else "removed" if name not in after else "changed"
            names.append(f"{name} {verb}")
    return ", ".join(names)
