"""package.xml, CMakeLists.txt, setup.py and the requirements of the set-up say the same, and what the code imports is in them."""

import ast
import fnmatch
import functools
import importlib.metadata
import re
import sys
import xml.etree.ElementTree as ET
from functools import cache
from pathlib import Path

import pytest
from setuptools import Distribution

import chromm_ros

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "chromm_ros"

DISTRIBUTION_OF = {"cv2": "opencv-python-headless", "yaml": "pyyaml", "PIL": "pillow"}
"""Where the name in pip differs from the name in an import."""
KEY_OF = {
    "numpy": "python3-numpy",
    "scipy": "python3-scipy",
    "cv2": "python3-opencv",
    "yaml": "python3-yaml",
    "tf2_ros": "tf2_ros_py",
}
KEY_OF |= {"matplotlib": "python3-matplotlib", "PIL": "python3-pil"}
"""Where the name in rosdep differs from the name in an import."""
BY_PIP_ONLY = {"torch", "safetensors", "smplx", "jaxtyping", "rosbags", "typing_extensions", "anny", "huggingface_hub", "numba"}
BY_PIP_ONLY |= {"tensorboard", "OpenEXR", "tomli"}
"""Libraries without a rosdep key that fits; a comment in package.xml names them, the README the pip line."""


@functools.cache
def manifest() -> ET.Element:
    return ET.parse(ROOT / "package.xml").getroot()


def rosdep_keys() -> set[str]:
    return {element.text or "" for element in manifest() if element.tag.endswith("depend")}


@functools.cache
def setup_py() -> Distribution:
    from distutils.core import run_setup  # setuptools brings it, also where Python no longer does

    return run_setup(str(ROOT / "setup.py"), stop_after="init")


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=!~\[; ]", line, maxsplit=1)[0].lower() for line in requirements}


def requirement_lines(*files: str) -> list[str]:
    lines = [line for file in files for line in (ROOT / ".ci" / file).read_text().splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


@cache
def imported(path: Path) -> frozenset[str]:
    """Top-level names of what a file imports, with what it asks `require` for."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module.partition(".")[0])
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("require") and isinstance(node.args[0], ast.Constant):
            found.add(node.args[0].value.partition(".")[0])
    return frozenset(found - set(sys.stdlib_module_names) - {"chromm_ros"})


@cache
def all_imports() -> dict[str, Path]:
    files = [*PACKAGE.rglob("*.py"), *(ROOT / "launch").rglob("*.py")]
    return {name: path for path in files for name in imported(path)}


def required() -> list[tuple[str, str]]:
    """Every `require(module, extra=...)` of the code."""
    calls = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "require":
                extras = [ast.literal_eval(keyword.value) for keyword in node.keywords if keyword.arg == "extra"]
                calls += [(ast.literal_eval(node.args[0]), extra) for extra in extras]
    return calls


def test_the_manifest_is_what_colcon_and_rosdep_read() -> None:
    assert manifest().get("format") == "3"
    assert manifest().findtext("name") == "chromm_ros"
    assert manifest().findtext("license") == "Apache-2.0"
    assert manifest().findtext("member_of_group") == "rosidl_interface_packages"
    assert manifest().findtext("export/build_type") == "ament_cmake"
    assert "Apache License" in (ROOT / "LICENSE").read_text()


def test_there_is_one_version() -> None:
    assert manifest().findtext("version") == chromm_ros.__version__ == setup_py().get_version()


def test_cmake_builds_every_message_and_declares_what_it_finds() -> None:
    text = (ROOT / "CMakeLists.txt").read_text()
    assert set(re.findall(r"msg/\w+\.msg", text)) == {f"msg/{path.name}" for path in (ROOT / "msg").glob("*.msg")}
    assert set(re.findall(r"find_package\((\w+)", text)) <= rosdep_keys()


def programs() -> list[Path]:
    found = sorted((PACKAGE / "ros").glob("*node.py"))
    assert found
    return found


def test_every_program_is_installed() -> None:
    installed = re.findall(r"foreach\(program ([\w ]+)\)", (ROOT / "CMakeLists.txt").read_text())[0].split()
    assert {name.replace("chromm_node", "node") for name in installed} == {path.stem for path in programs()}


def test_a_program_run_from_its_folder_shadows_no_other_package() -> None:
    """Python puts the folder of a program first on its path, so a neighbour called `queue.py` would replace the real one."""
    others = set(sys.stdlib_module_names) | set(importlib.metadata.packages_distributions())
    assert not {path.stem for path in (PACKAGE / "ros").glob("*.py")} & (others - {"__init__"})


def test_programs_run_with_the_python_that_is_active() -> None:
    for path in programs():
        text = path.read_text()
        assert text.startswith("#!/usr/bin/env python3\n"), f"{path.name} is a program and needs this first line"
        assert 'if __name__ == "__main__":' in text


@pytest.mark.parametrize(("name", "path"), sorted(all_imports().items()), ids=sorted(all_imports()))
def test_every_import_is_declared_for_ros_and_for_pip(name: str, path: Path) -> None:
    by_pip = names(setup_py().install_requires) | names([line for lines in setup_py().extras_require.values() for line in lines])
    by_rosdep = KEY_OF.get(name, name) in rosdep_keys()
    distribution = DISTRIBUTION_OF.get(name, name).lower()
    assert by_rosdep or name in BY_PIP_ONLY, f"{path.name} imports {name}, package.xml does not have it"
    if name not in rosdep_keys() and name != "tf2_ros":  # a library, not a ROS package
        assert distribution in by_pip, f"{path.name} imports {name}, setup.py does not have it"


def test_the_core_imports_with_the_light_dependencies_alone() -> None:
    light = names(setup_py().install_requires)
    for package in ("errors", "settings", "records", "geometry", "stream"):
        root = PACKAGE / package
        for path in root.rglob("*.py") if root.is_dir() else [root.with_suffix(".py")]:
            heavy = {name for name in imported(path) if DISTRIBUTION_OF.get(name, name).lower() not in light}
            assert not heavy, f"{path} imports {heavy}"


@pytest.mark.parametrize(("module", "extra"), sorted(set(required())))
def test_the_pip_line_in_an_error_message_works(module: str, extra: str) -> None:
    top = module.partition(".")[0]
    assert extra in setup_py().extras_require
    offered = names(setup_py().extras_require[extra]) | names(setup_py().install_requires)
    assert DISTRIBUTION_OF.get(top, top).lower() in offered


def test_the_set_up_installs_what_the_package_wants() -> None:
    extras = [line for extra, lines in setup_py().extras_require.items() if extra != "build-body" for line in lines]
    wanted = names(setup_py().install_requires) | names(extras)
    installed = names(requirement_lines("requirements.txt", "requirements-pip-only.txt")) | {"torch"}
    assert wanted <= installed


def test_ros_wheels_are_pinned() -> None:
    for line in requirement_lines("requirements-pip-only.txt"):
        if line.startswith("ros-"):
            assert re.fullmatch(r"ros-[a-z0-9-]+==[0-9.]+", line), line


def test_every_file_of_the_package_is_shipped_by_pip() -> None:
    patterns = setup_py().package_data[""]
    for path in PACKAGE.rglob("*"):
        if path.is_file() and path.suffix != ".py" and path.parent.name != "__pycache__":
            assert any(fnmatch.fnmatch(path.name, pattern) for pattern in patterns), f"{path} is in no pattern of setup.py"


def test_the_underlay_is_invisible_to_a_users_workspace() -> None:
    assert (ROOT / "underlay" / "COLCON_IGNORE").exists()
