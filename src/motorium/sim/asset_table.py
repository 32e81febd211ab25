"""The pinned wheels that robot models are taken from: a literal table of versions, hashes and licences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Licence:
    """Terms of some of a wheel's files.

    Attributes:
        spdx: licence identifier (`BSD-3-Clause`).
        text: path of its text inside the wheel.
        covers: the files it is for, in words.
    """

    spdx: str
    text: str
    covers: str


@dataclass(frozen=True, kw_only=True)
class Wheel:
    """One pinned wheel that models are read from; it is never imported.

    Attributes:
        name: of the package on the index.
        version: exact.
        file: name of the wheel file.
        sha256: of the wheel file, 64 hex digits.
        size_bytes: of the wheel file.
        licences: terms of the files, each with its text.
        models: path inside the wheel of each model's MJCF, by the model's name.
        remark: what a user should know of the terms.
    """

    name: str
    version: str
    file: str
    sha256: str
    size_bytes: int
    licences: tuple[Licence, ...]
    models: Mapping[str, str] = field(default_factory=dict)
    remark: str = ""


_MANIPSPACE = "ogbench/manipspace/descriptions"

WHEELS: dict[str, Wheel] = {
    wheel.name: wheel
    for wheel in (
        Wheel(
            name="ogbench",
            version="1.2.2",
            file="ogbench-1.2.2-py3-none-any.whl",
            sha256="e0f809be281f2e222283283a300a5cf04fbd6947a6a7b84846fb9da2c30a088d",
            size_bytes=8_940_335,
            licences=(
                Licence(
                    spdx="BSD-3-Clause",
                    text=f"{_MANIPSPACE}/universal_robots_ur5e/LICENSE",
                    covers="Universal Robots UR5e model",
                ),
                Licence(
                    spdx="BSD-2-Clause",
                    text=f"{_MANIPSPACE}/robotiq_2f85/LICENSE",
                    covers="Robotiq 2F-85 model",
                ),
                Licence(spdx="MIT", text="ogbench-1.2.2.dist-info/LICENSE", covers="everything else"),
            ),
            models={
                "ur5e": f"{_MANIPSPACE}/universal_robots_ur5e/ur5e.xml",
                "robotiq_2f85": f"{_MANIPSPACE}/robotiq_2f85/2f85.xml",
            },
        ),
        Wheel(
            name="gym-hil",
            version="0.1.14",
            file="gym_hil-0.1.14-py3-none-any.whl",
            sha256="9a2799d47a4561e0b0bb8d37fb3d84934657240be328d13991ea06758726533d",
            size_bytes=5_750_805,
            licences=(
                Licence(spdx="Apache-2.0", text="gym_hil-0.1.14.dist-info/licenses/LICENSE", covers="the wheel"),
            ),
            models={"panda": "gym_hil/assets/panda.xml"},
            remark="the wheel holds no licence text of its own for the Franka Panda model",
        ),
        Wheel(
            name="mjlab",
            version="1.6.0",
            file="mjlab-1.6.0-py3-none-any.whl",
            sha256="03d003854e2f44c48330c6dcf4c2253ff7641bb569747846825a21b9efa8540b",
            size_bytes=14_211_492,
            licences=(Licence(spdx="Apache-2.0", text="mjlab-1.6.0.dist-info/licenses/LICENSE", covers="the wheel"),),
            models={
                "unitree_g1": "mjlab/asset_zoo/robots/unitree_g1/xmls/g1.xml",
                "unitree_go1": "mjlab/asset_zoo/robots/unitree_go1/xmls/go1.xml",
                "i2rt_yam": "mjlab/asset_zoo/robots/i2rt_yam/xmls/yam.xml",
            },
            remark="the wheel holds no licence texts of their own for the Unitree and I2RT models",
        ),
        Wheel(
            name="gym-aloha",
            version="0.1.5",
            file="gym_aloha-0.1.5-py3-none-any.whl",
            sha256="1794dd9a1146268a9b56f4a4931bcba69ca27714c2ac9ac146e471801bf0c7b3",
            size_bytes=447_936,
            licences=(
                Licence(
                    spdx="Apache-2.0 AND MIT",
                    text="gym_aloha-0.1.5.dist-info/licenses/LICENSE",
                    covers="the wheel; one text names the parts",
                ),
            ),
            models={
                "viperx_transfer_cube": "gym_aloha/assets/bimanual_viperx_transfer_cube.xml",
                "viperx_insertion": "gym_aloha/assets/bimanual_viperx_insertion.xml",
            },
        ),
    )
}
