"""Imports point down: the table of ARCHITECTURE.md, held against every import statement of the package."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1] / "chromm_ros"

LOWEST = {"errors", "settings", "records"}
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "settings": {"errors"},
    "records": set(),
    "made_with": set(),
    "geometry": {"errors"},
    "body": LOWEST | {"geometry"},
    "model": LOWEST | {"geometry"},
    "weights": LOWEST | {"geometry", "model"},
    "data": LOWEST | {"geometry"},
    "datasets": LOWEST | {"geometry", "body", "data"},
    "convert": LOWEST | {"geometry", "body", "data", "datasets"},
    "synthetic": LOWEST | {"geometry", "body", "data"},
    "reconstruct": LOWEST | {"geometry", "body"},
    "stream": LOWEST,
    "config": LOWEST | {"model", "body", "reconstruct", "stream"},
    "pipeline": LOWEST | {"geometry", "model", "body", "reconstruct", "stream", "config"},
    "api": LOWEST | {"geometry", "model", "body"},
    "draw": LOWEST | {"geometry", "body"},
    "train": LOWEST | {"geometry", "config", "model", "body", "data", "datasets", "synthetic"},
    "inputs": LOWEST | {"geometry", "data", "stream"},
    "evaluate": LOWEST
    | {
        "geometry",
        "pipeline",
        "made_with",
        "model",
        "config",
        "stream",
        "data",
        "inputs",
        "datasets",
        "synthetic",
        "body",
        "draw",
    },
    "ros": LOWEST | {"geometry", "pipeline", "made_with", "config", "stream", "body", "data", "inputs", "draw", "msg"},
    "demo": LOWEST | {"geometry", "config", "stream", "data", "inputs", "body", "draw", "evaluate", "ros", "msg"},
    "bench": LOWEST
    | {"geometry", "model", "body", "reconstruct", "stream", "data", "inputs", "config", "pipeline", "synthetic", "ros", "msg"},
}
ROS_ONLY = {"rclpy", "tf2_ros", "tf2_msgs", "message_filters", "cv_bridge", "launch", "launch_ros"}
"""These and every `*_msgs` may be imported in `ros/` alone (bench and demo drive `ros/`)."""
NO_TORCH = {"errors", "settings", "records", "geometry", "stream"}


def modules() -> list[Path]:
    return sorted(path for path in ROOT.rglob("*.py") if path.parent != ROOT or path.name not in {"__init__.py", "__main__.py"})


def package_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported(path: Path) -> list[tuple[str, int]]:
    """Every imported dotted name with its line, what only a type checker sees left out."""
    tree = ast.parse(path.read_text())
    typing_only: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}:
            typing_only.update(id(child) for part in node.body for child in ast.walk(part))
    found = []
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            assert node.module is not None
            if node.module == "chromm_ros":
                found += [(f"chromm_ros.{alias.name}", node.lineno) for alias in node.names]
            else:
                found.append((node.module, node.lineno))
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(path: Path) -> None:
    package = package_of(path)
    assert package in MAY_IMPORT, f"{package} is not in the table of ARCHITECTURE.md"
    for name, line in imported(path):
        top, _, rest = name.partition(".")
        place = f"{path.relative_to(ROOT)}:{line}"
        if top == "chromm_ros":
            target = rest.partition(".")[0]
            assert target in {"", package} | MAY_IMPORT[package], f"{place}: {package} must not import {target}"
        if package not in {"ros", "bench", "demo"}:
            assert top not in ROS_ONLY and not top.endswith("_msgs"), f"{place}: {name} belongs in ros/"
        if package in NO_TORCH:
            assert top not in {"torch", "smplx"}, f"{place}: {package} must not import {top}"


def test_the_table_has_no_cycle() -> None:
    def below(package: str, seen: tuple[str, ...] = ()) -> None:
        assert package not in seen, " -> ".join((*seen, package))
        for target in MAY_IMPORT.get(package, set()) - {package}:
            below(target, (*seen, package))

    for package in MAY_IMPORT:
        below(package)


def test_package_inits_are_docstrings_only() -> None:
    for path in ROOT.rglob("__init__.py"):
        if path.parent != ROOT:
            body = ast.parse(path.read_text()).body
            assert len(body) == 1 and isinstance(body[0], ast.Expr), f"{path} holds more than a docstring"
