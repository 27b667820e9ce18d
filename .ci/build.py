"""Second half of `make setup`: builds our messages (and, without a ROS distribution, the underlay) and writes .venv/ros_env.sh.

The wheels bring no setup file. They find their libraries by running Python once more with another LD_LIBRARY_PATH; the guard
variable says that this has been done. Run by the Python of .venv, or with a ROS distribution by the system's.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from environment import ROOT, VENV, VENV_PYTHON, distribution, fail, run_logged, say

INSTALL = ROOT / "install"
LOG = ROOT / "build" / "colcon.log"
GUARD = "_ROS_WHEELS_BOOTSTRAP_COMPLETE"
UNDERLAY = ("underlay/tf2_msgs", "underlay/tf2_ros")


def wheel_variables() -> dict[str, str]:
    """What goes before the value of each variable when ROS comes as wheels."""
    code = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    site = Path(subprocess.check_output([VENV_PYTHON, "-c", code], text=True).strip())
    prefixes = [INSTALL, VENV]
    folders = {
        "PATH": [VENV / "bin", INSTALL / "lib" / "chromm_ros"],
        "PYTHONPATH": [ROOT, INSTALL / site.relative_to(VENV)],
        "AMENT_PREFIX_PATH": prefixes,
        "CMAKE_PREFIX_PATH": prefixes,
        "LD_LIBRARY_PATH": [*(prefix / "lib" for prefix in prefixes), *sorted(site.glob("ros_*.libs"))],
    }
    return {name: ":".join(map(str, paths)) for name, paths in folders.items()}


def ros_env(distro: str | None) -> str:
    """The text of ros_env.sh, for sh, bash and zsh; sourcing it twice changes nothing."""
    if distro is None:
        lines = [f'export {name}="{value}${{{name}:+:${name}}}"' for name, value in wheel_variables().items()]
        lines += [f"export {GUARD}=1"]
    else:
        lines = [
            f'COLCON_CURRENT_PREFIX="{INSTALL}" . "{INSTALL}/local_setup.sh"',
            f'export PATH="{VENV}/bin:$PATH"',
            f'export PYTHONPATH="{ROOT}${{PYTHONPATH:+:$PYTHONPATH}}"',
        ]
    head = "# Source this file to use ROS 2 and chromm_ros in a shell. Written by .ci/build.py."
    body = "\n".join(f"  {line}" for line in [*lines, f'export CHROMM_ROS_ENV="{ROOT}"'])
    return f'{head}\nif [ "${{CHROMM_ROS_ENV:-}}" != "{ROOT}" ]; then\n{body}\nfi\n'


def colcon(distro: str | None) -> None:
    """Build; the words of the compiler are shown only if it fails."""
    program: str | Path = "colcon"
    arguments = ["build", "--merge-install", "--symlink-install", "--paths", "."]
    env = dict(os.environ)
    if distro is None:
        program = VENV / "bin" / "colcon"
        arguments += [*UNDERLAY, "--cmake-args", f"-DPython3_EXECUTABLE={VENV_PYTHON}"]
        before = wheel_variables()
        env.update({name: ":".join(filter(None, [value, env.get(name)])) for name, value in before.items()})
        env[GUARD] = "1"
    output = run_logged([program, *arguments], LOG, env)
    if output is not None:
        fail(f"colcon could not build the package, the last lines of {LOG}:\n" + "\n".join(output.splitlines()[-30:]))


def main() -> None:
    """Build, then say where things are."""
    distro = distribution()
    say("colcon build of the messages" + ("" if distro else " and of the underlay (tf2_msgs, tf2_ros)"))
    colcon(distro)
    (VENV / "ros_env.sh").write_text(ros_env(distro))
    say("ready; `. .venv/ros_env.sh` brings ROS 2 and this package into a shell")


if __name__ == "__main__":
    sys.exit(main())
