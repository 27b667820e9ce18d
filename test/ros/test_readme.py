"""README's table of parameters is the one that the node declares."""

import re
from pathlib import Path

from chromm_ros.ros.options import parse

README = Path(__file__).resolve().parents[2] / "README.md"
BEGIN, END = "<!-- parameters -->\n", "<!-- end of parameters -->"


def table() -> str:
    """The table as it must stand there."""
    lines = ["| parameter | default | |", "|---|---|---|"]
    for item in parse({"cameras": ["camera"]}).items():
        default = "" if item.name == "cameras" or item.default == "" else f"`{str(item.default).lower()}`"
        choices = f" ({', '.join(item.rule.choices)})" if item.rule.choices else ""
        name = item.name.replace("camera.", "<camera>.") if item.name.startswith("camera.") else item.name
        lines.append(f"| `{name}` | {default} | {'**D** ' if item.rule.dynamic else ''}{item.rule.doc}{choices} |")
    return "\n".join(lines) + "\n"


def test_every_parameter_stands_in_the_readme_with_its_default() -> None:
    text = README.read_text()
    assert BEGIN in text and END in text
    written = text.partition(BEGIN)[2].partition(END)[0]
    assert written == table(), "write it anew: python test/ros/test_readme.py"


def test_every_launch_argument_stands_in_the_readme() -> None:
    launch = (README.parent / "launch" / "multicam.launch.py").read_text()
    names = re.findall(r'DeclareLaunchArgument\(\s*"(\w+)"', launch)
    assert len(names) > 5
    assert [name for name in names if f"`{name}`" not in README.read_text()] == []


if __name__ == "__main__":
    before, _, rest = README.read_text().partition(BEGIN)
    README.write_text(before + BEGIN + table() + END + rest.partition(END)[2])
