"""Between learner and policy folder: the actor's mean as a policy, and a policy as the start of an actor."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from motorium.core.errors import ConventionError
from motorium.core.features import check_same
from motorium.core.protocols import EnvInfo
from motorium.learn.description import PolicyDescription
from motorium.learn.normalize import Scaling
from motorium.learn.policies.actor import Actor
from motorium.learn.policy import build, load_network
from motorium.learn.rl.collect import Collector
from motorium.learn.rl.spec import RlSpec

if TYPE_CHECKING:
    from rsl_rl.models import MLPModel


def describe_actor(
    info: EnvInfo, spec: RlSpec, keys: tuple[str, ...], conventions: Mapping[str, str], training: Mapping[str, Any]
) -> PolicyDescription:
    """Return the description of an actor for the worlds of `info` that reads the observations `keys`."""
    return PolicyDescription(
        kind="actor",
        inputs={key: info.observation[key] for key in keys},
        action=info.action,
        horizon=1,
        execute=1,
        n_obs=1,
        last_action=False,
        hold_key=None,
        residual="none",
        network={"widths": list(spec.widths), "activation": spec.activation},
        noise=False,
        control_hz=float(info.control_hz),
        conventions=dict(conventions),
        training=dict(training),
    )


def make_policy(actor: MLPModel, collector: Collector, description: PolicyDescription) -> Actor:
    """Return the policy that answers with the actor's mean action, normalisation and bounds within."""
    net: Actor = build(description)
    shift, scale = np.zeros(actor.obs_dim, np.float32), np.ones(actor.obs_dim, np.float32)
    if actor.obs_normalization:
        normalizer = actor.obs_normalizer
        shift, scale = (one.cpu().numpy() for one in (normalizer.mean, normalizer.std + normalizer.eps))
    net.set_scaling("observation", Scaling(shift, scale, 1.0 / scale))
    half = collector.half
    net.set_scaling("action", Scaling(collector.middle, half, 1.0 / np.where(half > 0, half, np.inf)))
    with torch.no_grad():
        net.low.copy_(torch.from_numpy(np.asarray(collector.env.info.action_low, np.float32)))
        net.high.copy_(torch.from_numpy(np.asarray(collector.env.info.action_high, np.float32)))
        for ours, theirs in zip(_linear(net.layers), _linear(actor.mlp), strict=True):
            ours.weight.copy_(theirs.weight)
            ours.bias.copy_(theirs.bias)
    return net


def start_from(folder: Path, actor: MLPModel, collector: Collector, description: PolicyDescription) -> None:
    """Set the actor's mean, its normalisation included, to that of the policy in `folder`.

    Raises:
        ConventionError: when that is no actor, or reads, answers or is built otherwise than `description`.
    """
    net, found = load_network(folder)
    for name in ("kind", "horizon", "n_obs", "last_action", "residual", "network"):
        if getattr(found, name) != getattr(description, name):
            raise ConventionError(
                f"the policy to start from has another '{name}'",
                where=folder,
                got=getattr(found, name),
                expected=getattr(description, name),
                remedy="start from a policy of this stage with the same widths, activation and inputs",
            )
    if list(found.inputs) != list(description.inputs):
        raise ConventionError(
            "the policy to start from reads other observations",
            where=folder,
            got=list(found.inputs),
            expected=list(description.inputs),
        )
    for key, feature in found.inputs.items():
        check_same(key, feature, description.inputs[key], str(folder))
    check_same("action", found.action, description.action, str(folder))
    with torch.no_grad():
        # The learner's own action is in halves of the range: the policy's scaling of actions goes into the last layer.
        scale, shift = net.action_scale[0], net.action_shift[0]
        half, middle = torch.from_numpy(collector.half), torch.from_numpy(collector.middle)
        for theirs, ours in zip(_linear(net.layers), _linear(actor.mlp), strict=True):
            ours.weight.copy_(theirs.weight)
            ours.bias.copy_(theirs.bias)
        last = _linear(actor.mlp)[-1]
        last.weight.mul_((scale / half)[:, None].to(last.weight.device))
        last.bias.copy_(((net.layers[-1].bias * scale + shift) - middle) / half)
        if actor.obs_normalization:
            normalizer = actor.obs_normalizer
            normalizer._mean.copy_(net.observation_shift[None])
            normalizer._std.copy_((net.observation_scale - normalizer.eps)[None].clamp(min=0.0))
            normalizer._var.copy_(normalizer._std.square())
            # At zero, the first step would put its own statistics in place of these.
            known = found.training.get("samples") or found.training.get("windows") or 1_000_000
            normalizer.count.fill_(int(known))
        else:
            # What this actor does not do to its inputs goes into its first layer.
            first = _linear(actor.mlp)[0]
            weight = net.layers[0].weight * net.observation_inverse
            first.weight.copy_(weight)
            first.bias.copy_(net.layers[0].bias - weight @ net.observation_shift)


def _linear(layers: nn.Module) -> list[nn.Linear]:
    return [layer for layer in layers.modules() if isinstance(layer, nn.Linear)]
