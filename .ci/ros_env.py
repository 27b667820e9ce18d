"""Writes .venv/ros_env.sh: what a shell must source to use ROS 2 and this package. Run by the Python of .venv.

The ROS wheels bring no setup file. They find their libraries by running Python once more with another LD_LIBRARY_PATH; the guard
variable says that this is already done. With a ROS distribution only our own install tree is put before what is sourced already.
"""

import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GUARD = "_ROS_WHEELS_BOOTSTRAP_COMPLETE"


def variables(install: Path, venv: Path, *, wheels: bool) -> dict[str, list[Path]]:
    """The folders that go before what each variable holds already."""
    site = Path(sysconfig.get_paths()["purelib"])
    prefixes = [install, venv] if wheels else [install]
    wheel_libraries = sorted(site.glob("ros_*.libs")) if wheels else []
    return {
        "PATH": [venv / "bin"],
        "PYTHONPATH": [ROOT, install / site.relative_to(venv)],
        "AMENT_PREFIX_PATH": prefixes,
        "CMAKE_PREFIX_PATH": prefixes,
        "LD_LIBRARY_PATH": [*(prefix / "lib" for prefix in prefixes), *wheel_libraries],
    }


def script(install: Path, venv: Path, *, wheels: bool) -> str:
    """The text of the file; sourcing it twice changes nothing."""
    lines = ["# Source this file (sh, bash, zsh). Written by .ci/ros_env.py."]
    lines += [f'if [ "${{CHROMM_ROS_ENV:-}}" != "{venv}" ]; then']
    for name, folders in variables(install, venv, wheels=wheels).items():
        value = ":".join(map(str, folders))
        lines.append(f'  export {name}="{value}${{{name}:+:${name}}}"')
    if wheels:
        lines += [f"  export {GUARD}=1", "  export ROS_VERSION=2 ROS_PYTHON_VERSION=3"]
    lines += [f'  export CHROMM_ROS_ENV="{venv}"', "fi", ""]
    return "\n".join(lines)


def main() -> None:
    """Write the file for the environment that runs this program; `--wheels` says that ROS itself lies in it."""
    venv = Path(sys.prefix)
    (venv / "ros_env.sh").write_text(script(ROOT / "install", venv, wheels="--wheels" in sys.argv))


if __name__ == "__main__":
    main()
