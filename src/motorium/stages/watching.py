"""Watching: one world, who acts in it, and what is to be said of it step by step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from motorium.core.errors import SimError
from motorium.core.protocols import Env, EnvInfo, Observation, Policy, PolicyInfo, Renderable, Step, Viewable
from motorium.core.random import stream

Array = NDArray[Any]
COMMAND, REWARD = "command.", "reward."
MARGIN, LEAST_FONT = 6, 11


class Untaught:
    """A policy that knows nothing: actions of zero, or drawn evenly from within the action's bounds."""

    def __init__(self, info: EnvInfo, how: Literal["zero", "random"]) -> None:
        self._low, self._high, self._how = info.action_low, info.action_high, how
        self._rngs: list[np.random.Generator] = []
        self.info = PolicyInfo(observation={}, action=info.action, horizon=1, execute=1, control_hz=info.control_hz)

    def reset(self, seeds: NDArray[np.int64], mask: NDArray[np.bool_] | None = None) -> None:
        """Start new streams in all rows."""
        self._rngs = [stream(int(seed), "untaught") for seed in seeds]

    def act(self, observation: Observation, mask: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
        """Return one action a row."""
        zero = np.clip(np.zeros_like(self._low), self._low, self._high)
        drawn = [rng.uniform(self._low, self._high) if self._how == "random" else zero for rng in self._rngs]
        return np.stack(drawn)[:, None].astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class Moment:
    """How an episode stands.

    Attributes:
        seed: of the episode.
        steps: taken.
        outcome: name; `running` until it ends.
        total_reward: so far.
        measures: what the task measures of the episode so far: {name: value}.
        command: what the policy is asked to do, where the task has commands: {name: value}.
    """

    seed: int
    steps: int
    outcome: str
    total_reward: float
    measures: Mapping[str, float]
    command: Mapping[str, float]

    @property
    def ended(self) -> bool:
        """Whether the episode is over."""
        return self.outcome != "running"

    def lines(self, info: EnvInfo) -> list[str]:
        """Return what is to be said of it, in two lines or three."""
        first = f"{info.name}   seed {self.seed}   {self.steps / info.control_hz:.2f} s   {self.outcome}"
        numbers = {"return": self.total_reward, **self.measures}
        said = [first, "   ".join(f"{name} {value:.3g}" for name, value in numbers.items())]
        if self.command:
            said.append("command   " + "   ".join(f"{name} {value:+.2f}" for name, value in self.command.items()))
        return said


class Session:
    """One world of `env` (batch 1) and its policy, an episode at a time.

    Args:
        factors: start conditions to set in every episode, in place of the drawn ones.
    """

    def __init__(self, env: Env, policy: Policy, factors: Mapping[str, float]) -> None:
        self.env, self.policy = env, policy
        self._factors = {name: np.array([value], np.float64) for name, value in factors.items()}
        self._names = {key: feature.names or () for key, feature in env.info.observation.items()}

    def begin(self, seed: int) -> Moment:
        """Start the episode of `seed`."""
        from motorium.evaluate.rollout import policy_seed

        self._seed, self._steps, self._total = seed, 0, 0.0
        self._seen = self.env.reset(np.array([seed], np.int64), None, self._factors or None)
        self.policy.reset(np.array([policy_seed(seed)], np.int64))
        self._chunk: list[Array] = []
        return self._moment(None)

    def step(self) -> Moment:
        """Take one control step, as evaluation does."""
        if not self._chunk:
            shown = {key: self._seen[key] for key in self.policy.info.observation}
            self._chunk = list(self.policy.act(shown)[0, : self.policy.info.execute])
        made = self.env.step(self._chunk.pop(0)[None])
        self._seen, self._steps = made.observation, self._steps + 1
        self._total += float(made.reward[0])
        return self._moment(made)

    def episode(self, seed: int) -> Iterator[Moment]:
        """Yield the moments of an episode, its start and its end among them."""
        now = self.begin(seed)
        yield now
        while not now.ended:
            now = self.step()
            yield now

    def _moment(self, made: Step | None) -> Moment:
        info = {} if made is None else made.info
        return Moment(
            seed=self._seed,
            steps=self._steps,
            outcome="running" if made is None else self.env.info.outcomes[int(made.outcome[0])],
            total_reward=self._total,
            measures={
                name: float(values[0])
                for name, values in info.items()
                if np.ndim(values) == 1 and not name.startswith(REWARD)
            },
            command=self._command(),
        )

    def _command(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for key, names in self._names.items():
            for i, name in enumerate(names):
                if name.startswith(COMMAND) and key in self._seen:
                    found[name.removeprefix(COMMAND)] = float(np.ravel(self._seen[key][0])[i])
        return found


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What is watched.

    Attributes:
        session: who acts, and where.
        seeds: of the episodes.
        camera: to look through; None: the task's own.
    """

    session: Session
    seeds: Sequence[int]
    camera: str | None


class Sight:
    """What a camera sees of the first world of `env`: with shadows where its looks are known.

    Args:
        size: (width, height), pixels.

    Raises:
        SimError: when the env has no pictures.
    """

    def __init__(self, env: Env, camera: str, size: tuple[int, int]) -> None:
        self._env, self._camera, (self._width, self._height) = env, camera, size
        self._cameras = None
        if isinstance(env, Viewable):
            from motorium.sim.cameras import Cameras, Quality

            self._cameras = Cameras(env.looks(), quality=Quality(shadows=True))
        elif not isinstance(env, Renderable):
            raise SimError(f"task '{env.info.name}' has no pictures", expected="an env that can render")

    def picture(self) -> NDArray[np.uint8]:
        """Return what is seen as the world stands: (height, width, 3) RGB."""
        if self._cameras is None:
            return self._env.render(self._camera, np.array([0]), self._height, self._width)[0]
        pose = {name: values[None] for name, values in self._env.pose(0).items()}
        mocap = {name: pose[name] for name in ("mocap_pos", "mocap_quat")}
        return self._cameras.render(pose["qpos"], self._camera, self._height, self._width, **mocap)[0]

    def close(self) -> None:
        """Release the camera."""
        if self._cameras is not None:
            self._cameras.close()


def captioned(picture: NDArray[np.uint8], lines: Sequence[str]) -> NDArray[np.uint8]:
    """Return a picture (H, W, 3) with lines of text on a dark band at its top, as large as fits its width."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.fromarray(picture).convert("RGB")
    size = max(LEAST_FONT, image.height // 24)
    font = ImageFont.load_default(size)
    widest = max(font.getlength(line) for line in lines)
    if widest > image.width - 2 * MARGIN:
        size = max(LEAST_FONT - 4, int(size * (image.width - 2 * MARGIN) / widest))
        font = ImageFont.load_default(size)
    step = round(size * 1.35)
    band = Image.new("RGB", (image.width, min(image.height, len(lines) * step + MARGIN)), (16, 20, 26))
    box = (0, 0, *band.size)
    image.paste(Image.blend(image.crop(box), band, 0.72), box)
    draw = ImageDraw.Draw(image)
    for number, line in enumerate(lines):
        draw.text((MARGIN, MARGIN // 2 + number * step), line, fill=(240, 243, 246), font=font)
    return np.asarray(image)
