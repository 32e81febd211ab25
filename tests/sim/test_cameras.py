"""The picture is checked against the pinhole model: u = w/2 + f x/d, v = h/2 + f y/d, f = h / (2 tan(fovy/2))."""

import hashlib
import math
import os
import subprocess
import sys

import mujoco
import numpy as np
import pytest

from motorium.core.errors import CatalogError, SimError, SpecError
from motorium.sim.cameras import Cameras, Quality

SIZE = (96, 160)
FOVY_DEG = 50.0
EYE = np.array([1.2, -0.8, 0.9])
RED, GREEN, BLUE = (1, 0, 0), (0, 1, 0), (0, 0, 1)
PLACES = {"red": (0.30, 0.10, 0.30), "green": (-0.10, -0.35, 0.05), "blue": (0.05, 0.45, 0.10)}


def look_at(eye, target):
    """Camera axes in the world as columns x (right), y (up), z (backwards)."""
    back = (eye - target) / np.linalg.norm(eye - target)
    right = np.cross([0, 0, 1], back)
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(back, right), back], axis=1)


R_WC = look_at(EYE, np.array([0.1, 0.05, 0.15]))

XML = f"""
<mujoco>
  <visual><headlight ambient="1 1 1" diffuse="0 0 0" specular="0 0 0"/></visual>
  <worldbody>
    <camera name="eye" pos="{EYE[0]} {EYE[1]} {EYE[2]}" fovy="{FOVY_DEG}"
      xyaxes="{" ".join(str(x) for x in (*R_WC[:, 0], *R_WC[:, 1]))}"/>
    <camera name="top" pos="0 0 2" fovy="60"/>
    <body name="red" pos="0 0 0"><freejoint/>
      <geom name="red" type="box" size=".03 .03 .03" rgba="1 0 0 1"/></body>
    <body name="green" pos="{" ".join(map(str, PLACES["green"]))}">
      <geom name="green" type="sphere" size=".03" rgba="0 1 0 1"/></body>
    <body name="blue" mocap="true" pos="{" ".join(map(str, PLACES["blue"]))}">
      <geom name="blue" type="sphere" size=".03" rgba="0 0 1 1"/></body>
    <geom name="hidden" type="sphere" size=".3" group="4" rgba="1 1 1 1"/>
  </worldbody>
</mujoco>
"""


def pinhole(point, height, width):
    """(column, row, depth along the optical axis) of a world point."""
    x, y, z = R_WC.T @ (np.asarray(point) - EYE)
    focal = 0.5 * height / math.tan(math.radians(FOVY_DEG) / 2)
    return 0.5 * width + focal * x / -z, 0.5 * height - focal * y / -z, -z


def centre(mask):
    """Mean (column, row) of a mask's pixels, in pixel coordinates with centres at .5."""
    rows, columns = np.nonzero(mask)
    return columns.mean() + 0.5, rows.mean() + 0.5


@pytest.fixture(scope="module")
def model():
    return mujoco.MjModel.from_xml_string(XML)


@pytest.fixture(scope="module")
def cameras(model):
    return Cameras(model)


def states(*positions):
    return np.array([[*position, 1, 0, 0, 0] for position in positions], np.float64)


@pytest.mark.slow
@pytest.mark.parametrize(("height", "width"), [SIZE, (160, 96), (64, 64)])
def test_things_are_where_the_pinhole_model_puts_them_in_their_colours(cameras, height, width):
    picture = cameras.render(states(PLACES["red"]), "eye", height, width)[0]
    assert picture.shape == (height, width, 3) and picture.dtype == np.uint8
    seen = 0
    for colour, name in ((RED, "red"), (GREEN, "green"), (BLUE, "blue")):
        column, row, _ = pinhole(PLACES[name], height, width)
        if not (4 < column < width - 4 and 4 < row < height - 4):
            continue
        mask = (picture == np.array(colour) * 255).all(-1)
        assert mask.any(), name
        assert np.hypot(*np.subtract(centre(mask), (column, row))) < 1.0, name
        seen += 1
    assert seen >= 2
    assert (picture[0, 0] == 0).all()


@pytest.mark.slow
@pytest.mark.parametrize("place", [(0.3, 0.1, 0.3), (0.0, 0.3, 0.0), (0.4, -0.2, 0.1), (-0.4, 0.0, 0.5)])
def test_a_moved_thing_moves_in_the_picture(cameras, place):
    picture = cameras.render(states(place), "eye", *SIZE)[0]
    mask = (picture[..., 0] == 255) & (picture[..., 2] == 0)
    assert np.hypot(*np.subtract(centre(mask), pinhole(place, *SIZE)[:2])) < 1.0


@pytest.mark.slow
def test_depth_is_along_the_optical_axis_in_metres(cameras, model):
    shot = cameras.shot("eye", *SIZE, ("depth", "geom"))
    views = cameras.views(states((9, 9, 9)), shot)
    column, row, depth = pinhole(PLACES["green"], *SIZE)
    pixel = (0, int(row), int(column))
    # The sphere's nearest point lies one radius before its centre; half a pixel aside changes that by under 1 mm.
    assert views.depth_m[pixel] == pytest.approx(depth - 0.03, abs=1e-3)
    assert views.geom[pixel] == model.geom("green").id
    assert views.rgb is None


@pytest.mark.slow
def test_depth_of_a_wide_plane_is_flat_from_above():
    flat = mujoco.MjModel.from_xml_string(
        '<mujoco><worldbody><camera name="top" pos="0 0 2" fovy="90"/>'
        '<geom type="plane" size="9 9 1"/></worldbody></mujoco>'
    )
    cameras = Cameras(flat)
    views = cameras.views(np.zeros((1, 0)), cameras.shot("top", 32, 32, ("depth",)))
    assert views.hit.all()
    np.testing.assert_allclose(views.depth_m, 2.0, atol=1e-4)


@pytest.mark.slow
def test_nothing_hit_is_a_mask(cameras):
    views = cameras.views(states((9, 9, 9)), cameras.shot("eye", *SIZE, ("depth", "geom")))
    assert not views.hit[0, 0, 0] and views.geom[0, 0, 0] == -1 and views.depth_m[0, 0, 0] == 0
    assert (views.hit == (views.depth_m > 0)).all() and views.hit.any()


@pytest.mark.slow
def test_geom_groups_that_are_off_are_not_seen(cameras, model):
    shot = cameras.shot("eye", *SIZE, ("geom",))
    assert model.geom("hidden").id not in cameras.views(states((9, 9, 9)), shot).geom
    seeing = Cameras(model, quality=Quality(groups=(0, 4)))
    assert model.geom("hidden").id in seeing.views(states((9, 9, 9)), shot).geom


@pytest.mark.slow
def test_mocap_bodies_are_where_they_are_put(cameras):
    place = (0.4, -0.2, 0.1)
    picture = cameras.render(states((9, 9, 9)), "eye", *SIZE, np.array([[place]]), np.array([[[1.0, 0, 0, 0]]]))[0]
    blue = (picture == np.array(BLUE) * 255).all(-1)
    assert np.hypot(*np.subtract(centre(blue), pinhole(place, *SIZE)[:2])) < 1.0


@pytest.mark.slow
def test_mocap_poses_of_one_call_do_not_stay_for_the_next(cameras, model):
    usual = Cameras(model).render(states((9, 9, 9)), "eye", *SIZE)
    cameras.render(states((9, 9, 9)), "eye", *SIZE, np.array([[[0.4, -0.2, 0.1]]]))
    assert (cameras.render(states((9, 9, 9)), "eye", *SIZE) == usual).all()


@pytest.mark.slow
def test_a_picture_does_not_depend_on_its_neighbours(cameras, model):
    places = states(*np.random.default_rng(0).uniform(-0.4, 0.4, (5, 3)))
    together = cameras.render(places, "eye", *SIZE)
    alone = [Cameras(model).render(places[i : i + 1], "eye", *SIZE)[0] for i in (4, 1)]
    assert (together[4] == alone[0]).all() and (together[1] == alone[1]).all()


@pytest.mark.slow
def test_states_drawn_at_once_equal_states_drawn_one_by_one(cameras, model):
    from motorium.sim.cameras_warp import WarpRenderer

    places = states(*np.random.default_rng(1).uniform(-0.4, 0.4, (5, 3)))
    at_once = Cameras(model)
    at_once._renderer = WarpRenderer(model, Quality(), slots=3)  # 5 states: a full batch and a part of one
    assert (at_once.render(places, "eye", *SIZE) == cameras.render(places, "eye", *SIZE)).all()


@pytest.mark.slow
def test_another_process_draws_the_same_bytes(cameras):
    code = (
        "import sys, hashlib, mujoco; sys.path.insert(0, '.')\n"
        "from tests.sim.test_cameras import *\n"
        "picture = Cameras(mujoco.MjModel.from_xml_string(XML)).render(states(PLACES['red']), 'eye', *SIZE)\n"
        "print(hashlib.sha256(picture.tobytes()).hexdigest())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    ours = hashlib.sha256(cameras.render(states(PLACES["red"]), "eye", *SIZE).tobytes()).hexdigest()
    assert done.stdout.split() == [ours]
    assert "CUDA" not in done.stderr and "Warp" not in done.stdout


@pytest.mark.slow
def test_shadows_darken_what_is_behind():
    scene = """<mujoco><visual><headlight active="0"/></visual><worldbody>
      <light type="directional" pos="0 0 3" dir="0 0 -1" castshadow="true" diffuse=".8 .8 .8"/>
      <camera name="top" pos="0 0 2" fovy="60"/><geom type="plane" size="2 2 .1" rgba=".8 .8 .8 1"/>
      <geom type="box" size=".1 .1 .01" pos="0 0 .4" rgba=".8 .8 .8 1"/>
      <camera name="side" pos="0 -2 .25" xyaxes="1 0 0 0 .1 1" fovy="40"/></worldbody></mujoco>"""
    model = mujoco.MjModel.from_xml_string(scene)
    plain, cast = (
        Cameras(model, quality=Quality(shadows=on)).render(np.zeros((1, 0)), "side", 64, 64)[0].astype(int)
        for on in (False, True)
    )
    assert (plain - cast).max() > 40 and (cast <= plain).all()


@pytest.mark.slow
def test_gl_and_the_tracer_see_the_same_things(cameras):
    code = (
        "import sys, numpy as np, mujoco; sys.path.insert(0, '.')\n"
        "from tests.sim.test_cameras import *\n"
        "from motorium.core.errors import SimError\n"
        "try: gl = Cameras(mujoco.MjModel.from_xml_string(XML), 'gl')\n"
        "except SimError: print('absent'); sys.exit()\n"
        "for side in range(20, 32): gl.render(states(PLACES['red']), 'eye', side, side)  # more than are kept\n"
        "views = gl.views(states(PLACES['red']), gl.shot('eye', *SIZE, ('rgb', 'depth', 'geom')))\n"
        "np.savez(sys.argv[1], rgb=views.rgb, depth_m=views.depth_m, geom=views.geom)"
    )
    path = os.path.join(os.environ.get("TMPDIR", "/tmp"), f"motorium-gl-{os.getpid()}.npz")
    environment = {**os.environ, "MUJOCO_GL": "egl"}
    done = subprocess.run([sys.executable, "-c", code, path], env=environment, capture_output=True, text=True)
    if done.returncode != 0 or "absent" in done.stdout:
        pytest.skip("no OpenGL on this machine: `motorium doctor` names the packages")
    with np.load(path) as gl:
        ours = cameras.views(states(PLACES["red"]), cameras.shot("eye", *SIZE, ("rgb", "depth", "geom")))
        same = gl["geom"] == ours.geom
        both = same & ours.hit
        assert same.mean() > 0.99 and both.any()
        assert np.abs(gl["depth_m"] - ours.depth_m)[both].max() < 5e-3
        assert np.abs(gl["rgb"].astype(int) - ours.rgb)[both].max() <= 2
    os.remove(path)


@pytest.mark.slow
def test_an_unknown_camera_names_the_nearest(cameras):
    with pytest.raises(SimError, match="eye"):
        cameras.render(states((0, 0, 0)), "eyes", *SIZE)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("qpos", "mocap"),
    [(np.zeros((2, 6)), None), (np.full((1, 7), np.nan), None), (np.zeros((1, 7)), np.zeros((2, 1, 3)))],
)
def test_states_that_do_not_fit_are_refused(cameras, qpos, mocap):
    with pytest.raises(SimError, match="qpos|mocap_pos"):
        cameras.render(qpos, "eye", *SIZE, mocap)


@pytest.mark.slow
def test_sizes_and_outputs_are_checked(cameras):
    with pytest.raises(SimError, match="size"):
        cameras.shot("eye", 0, 64)
    with pytest.raises(SimError, match="output"):
        cameras.shot("eye", 64, 64, ("colour",))


def test_without_the_extra_the_remedy_is_named(model, monkeypatch):
    monkeypatch.setitem(sys.modules, "mujoco_warp", None)
    with pytest.raises(SimError, match=r"motorium\[render\]"):
        Cameras(model)


def test_without_gl_the_debian_packages_are_named(model, monkeypatch):
    def refuse(*args):
        raise RuntimeError("Cannot initialize a EGL device display")

    monkeypatch.setattr(mujoco, "Renderer", refuse)
    with pytest.raises(SimError, match="libegl1 libgl1 libgl1-mesa-dri") as error:
        Cameras(model, "gl")
    assert "EGL device display" in str(error.value)


def test_an_unknown_renderer_names_the_nearest(model):
    with pytest.raises(CatalogError, match="warp"):
        Cameras(model, "wrap")


def test_quality_is_a_spec():
    assert Quality.parse({"shadows": True, "samples": 2}).samples == 2
    with pytest.raises(SpecError):
        Quality.parse({"samples": 0})


def test_importing_the_module_loads_no_engine():
    code = "import sys, motorium.sim.cameras; print([m for m in ('mujoco', 'warp', 'mujoco_warp') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
