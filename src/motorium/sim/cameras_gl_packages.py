"""Debian packages that MuJoCo's OpenGL renderer needs, by the value of MUJOCO_GL."""

DEBIAN_PACKAGES = {
    "egl": ("libegl1", "libgl1", "libgl1-mesa-dri"),
    "osmesa": ("libosmesa6", "libgl1"),
}
