"""Learner: rsl_rl's PPO, made from an RlSpec, with its state as plain tensors.

rsl_rl's runner is left out: it needs git, prints, and saves pickles. What is random is drawn from torch's global
generator, which rsl_rl leaves no choice about: callers run it inside `torch.random.fork_rng`.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from motorium.core.errors import CatalogError
from motorium.learn.rl.spec import RlSpec

if TYPE_CHECKING:
    from rsl_rl.algorithms import PPO

    from motorium.learn.rl.collect import Collector


def import_rsl_rl() -> Any:
    """Return rsl_rl's PPO.

    Raises:
        CatalogError: when it is not installed.
    """
    try:
        from rsl_rl.algorithms import PPO
    except ModuleNotFoundError as error:
        raise CatalogError(
            "reinforcement learning needs rsl_rl, which is not whole here",
            got=str(error),
            expected="the extra 'rl'",
            remedy="pip install 'motorium[rl]', or in a checkout: pip install -c constraints.txt -e '.[rl]'",
        ) from error
    return PPO


@contextlib.contextmanager
def contained() -> Iterator[None]:
    """Run the body with random numbers of its own, and put back what rsl_rl sets for the whole process."""
    checks = torch.distributions.Distribution._validate_args
    try:
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            yield
    finally:
        torch.distributions.Distribution.set_default_validate_args(checks)


def make_learner(collector: Collector, spec: RlSpec, actor_keys: tuple[str, ...], critic_keys: tuple[str, ...]) -> PPO:
    """Return PPO with new weights: its first actions are about the middle, its first values about zero.

    Source: M. Andrychowicz et al., What Matters In On-Policy Reinforcement Learning?, arXiv:2006.05990, section 3.2:
    last layers a hundred times smaller; values that start far from the rewards would drown them.

    Raises:
        CatalogError: when rsl_rl is not installed.
        ConventionError: when the world's mirror does not fit the learner's inputs.
    """
    network = {
        "class_name": "MLPModel",
        "hidden_dims": list(spec.widths),
        "activation": spec.activation,
        "obs_normalization": spec.normalize,
    }
    spread = {"class_name": "GaussianDistribution", "init_std": spec.initial_std, "std_type": "scalar"}
    config = {
        "num_steps_per_env": spec.steps,
        "obs_groups": {"actor": list(actor_keys), "critic": list(critic_keys)},
        "actor": {**network, "distribution_cfg": spread},
        "critic": dict(network),
        "algorithm": _algorithm(spec, _symmetry(collector, spec)),
        "multi_gpu": None,
    }
    # It prints its networks.
    with contextlib.redirect_stdout(io.StringIO()):
        learner = import_rsl_rl().construct_algorithm(collector.observation, collector, config, str(collector.device))
    for part in (learner.actor, learner.critic):
        with torch.no_grad():
            for parameter in part.mlp[-1].parameters():
                parameter.mul_(spec.output_scale)
    if learner.symmetry is not None and spec.symmetry == "augment":
        # It would evaluate the actor once more on every minibatch to report a number: a sixth of the update (Go1).
        learner.symmetry.compute_loss = lambda *_: torch.zeros(())
    learner.train_mode()
    return learner


def get_state(learner: PPO, device: torch.device) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return weights, normalisation, Adam's moments and torch's random state, as tensors and plain data."""
    tensors = {f"{name}.{key}": value for name, part in _parts(learner).items() for key, value in part.items()}
    optimizer = learner.optimizer.state_dict()
    for index, moments in optimizer["state"].items():
        tensors |= {f"optimizer.{index}.{key}": value for key, value in moments.items()}
    tensors["random.cpu"] = torch.get_rng_state()
    if device.type == "cuda":
        tensors["random.cuda"] = torch.cuda.get_rng_state(device)
    return tensors, {"learning_rate": learner.learning_rate}


def set_state(learner: PPO, tensors: Mapping[str, Tensor], plain: Mapping[str, Any], device: torch.device) -> None:
    """Set what `get_state` returned."""
    for name, part in (("actor", learner.actor), ("critic", learner.critic)):
        part.load_state_dict(_within(tensors, name))
    optimizer = learner.optimizer.state_dict()
    optimizer["state"] = {}
    for name, value in _within(tensors, "optimizer").items():
        index, _, key = name.partition(".")
        optimizer["state"].setdefault(int(index), {})[key] = value
    learner.learning_rate = plain["learning_rate"]
    for group in optimizer["param_groups"]:
        group["lr"] = learner.learning_rate
    learner.optimizer.load_state_dict(optimizer)
    torch.set_rng_state(tensors["random.cpu"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(tensors["random.cuda"], device)


def weights_of(learner: PPO) -> dict[str, Tensor]:
    """Return every weight and every statistic of the normalisation, by name."""
    return {f"{name}.{key}": value for name, part in _parts(learner).items() for key, value in part.items()}


def _parts(learner: PPO) -> dict[str, dict[str, Tensor]]:
    return {"actor": learner.actor.state_dict(), "critic": learner.critic.state_dict()}


def _within(tensors: Mapping[str, Tensor], group: str) -> dict[str, Tensor]:
    start = f"{group}."
    return {name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)}


def _symmetry(collector: Collector, spec: RlSpec) -> dict[str, Any] | None:
    if spec.symmetry == "none" or not collector.env.info.mirrors:
        return None
    from motorium.learn.rl.mirror import Mirrored

    return {
        "data_augmentation_func": Mirrored(collector),
        "use_data_augmentation": spec.symmetry == "augment",
        "use_mirror_loss": spec.symmetry == "loss",
        "mirror_loss_coeff": spec.symmetry_weight,
    }


def _algorithm(spec: RlSpec, symmetry: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "class_name": "PPO",
        "num_learning_epochs": spec.epochs,
        "num_mini_batches": spec.minibatches,
        "clip_param": spec.clip,
        "gamma": spec.gamma,
        "lam": spec.lam,
        "value_loss_coef": spec.value,
        "use_clipped_value_loss": spec.clip_value,
        "entropy_coef": spec.entropy,
        "learning_rate": spec.learning_rate,
        "max_grad_norm": spec.max_grad_norm,
        "schedule": "adaptive" if spec.adaptive else "fixed",
        "desired_kl": spec.desired_kl,
        "symmetry_cfg": symmetry,
    }
