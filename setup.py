"""`pip install -e .`: the part of chromm_ros that needs no ROS. With ROS the package is built by colcon (CMakeLists.txt)."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).resolve().parent
VERSION = re.search(r'__version__ = "(.+)"', (HERE / "chromm_ros" / "__init__.py").read_text())[1]

EXTRAS = {
    # Not required by itself: a ROS distribution brings its own, and a second one would bring a NumPy that cv_bridge cannot use.
    "opencv": ["opencv-python-headless>=4.5"],
    # safetensors 0.7 and older copy all tensors while they write, 5.4 GB more for Pi3X.
    "model": ["torch>=2.5", "safetensors>=0.8", "pillow>=9"],
    "body": ["smplx>=0.1.28", "torch>=2.4"],
    "hub": ["huggingface_hub>=0.25"],  # for `weights fetch` alone
    "bags": ["rosbags>=0.10"],
    "convert": ["tomli>=1.1; python_version < '3.11'"],  # of TOML calibrations, before Python brought its own reader
    "draw": ["matplotlib>=3.7"],
    "synth": ["numba>=0.57", "opencv-python-headless>=4.5"],  # of the synthetic world, for training and recordings
    "bedlam": ["OpenEXR>=3.3"],  # of BEDLAM's depth maps, which OpenCV's wheels cannot read
    "train": ["torch>=2.5", "tensorboard>=2.10"],  # a training without it writes its scalars all the same
    "dev": ["beartype>=0.20", "hypothesis>=6.100", "mypy>=1.10", "pytest>=8", "pytest-xdist>=3.5", "ruff>=0.6"],
}
EXTRAS["all"] = sorted({package for name, packages in EXTRAS.items() if name != "dev" for package in packages})
EXTRAS["build-body"] = ["anny>=0.6,<0.7", "torch>=2.4"]  # of one script, whose result ships with the package

setup(
    name="chromm_ros",
    version=VERSION,
    description="Cameras, scene and SMPL-X people from multi-camera video",
    long_description=(HERE / "README.md").read_text() if (HERE / "README.md").exists() else "",
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(include=["chromm_ros", "chromm_ros.*"]),
    package_data={"": ["*.npz", "*.safetensors", "*.json", "*.md", "*.yaml", "*.xml", "LICENSE*"]},
    install_requires=[
        "numpy>=1.23",
        "scipy>=1.8",
        "jaxtyping>=0.2.34",
        "typing_extensions>=4.10",
        "pyyaml>=5.4",
    ],
    extras_require=EXTRAS,
)
