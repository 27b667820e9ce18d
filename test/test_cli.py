"""The command line, as a user meets it: in a process of its own."""

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import chromm_ros
from chromm_ros import __main__ as cli
from chromm_ros.errors import InputError

ROOT = Path(__file__).resolve().parents[1]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "chromm_ros", *arguments], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )


def test_help_lists_the_verbs_and_loads_nothing_heavy() -> None:
    code = (
        "import sys, runpy\n"
        "sys.argv = ['chromm_ros', '--help']\n"
        "try: runpy.run_module('chromm_ros', run_name='__main__', alter_sys=True)\n"
        "except SystemExit as end: assert end.code == 0, end.code\n"
        "heavy = {'torch', 'numpy', 'scipy', 'cv2', 'rclpy', 'smplx', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    for name, verb in cli.VERBS.items():
        assert f"  {name}" in done.stdout and verb.summary in done.stdout


def test_no_verb_is_a_question_for_help_and_a_wrong_one_names_the_right_ones() -> None:
    assert run().stdout == run("--help").stdout
    wrong = run("dance")
    assert wrong.returncode == 2
    assert "no verb 'dance'" in wrong.stderr and all(name in wrong.stderr for name in cli.VERBS)
    assert len(wrong.stderr.splitlines()) == 1


def test_the_version_is_the_packages() -> None:
    assert run("--version").stdout.strip() == chromm_ros.__version__


@pytest.mark.parametrize("verb", cli.VERBS.values(), ids=list(cli.VERBS))
def test_every_verb_exists_and_takes_its_arguments(verb: cli.Verb) -> None:
    spec = importlib.util.find_spec(verb.module)
    assert spec is not None and spec.origin is not None
    functions = {node.name: node for node in ast.parse(Path(spec.origin).read_text()).body if isinstance(node, ast.FunctionDef)}
    assert [argument.arg for argument in functions["main"].args.args] == ["argv"]


@pytest.fixture
def verb_that(monkeypatch: pytest.MonkeyPatch):
    """Puts a verb into the table that does what it is told."""

    def install(action) -> None:
        module = ModuleType("made_up_verb")
        module.main = action
        monkeypatch.setitem(sys.modules, "made_up_verb", module)
        monkeypatch.setitem(cli.VERBS, "made-up", cli.Verb("made_up_verb", "made up"))

    return install


def test_a_verb_gets_what_follows_it_and_gives_the_exit_status(verb_that) -> None:
    seen = []
    verb_that(lambda argv: seen.append(argv) or 3)
    assert cli.main(["made-up", "--option", "x"]) == 3
    assert seen == [["--option", "x"]]


def test_a_users_error_is_one_sentence(verb_that, capsys: pytest.CaptureFixture[str]) -> None:
    def action(argv: list[str]) -> int:
        raise InputError("the bag has no images")

    verb_that(action)
    assert cli.main(["made-up"]) == 1
    assert capsys.readouterr().err == "error: the bag has no images\n"


def test_an_unknown_error_keeps_its_traceback(verb_that) -> None:
    def action(argv: list[str]) -> int:
        raise ZeroDivisionError

    verb_that(action)
    with pytest.raises(ZeroDivisionError):
        cli.main(["made-up"])


def test_ctrl_c_is_quiet(verb_that, capsys: pytest.CaptureFixture[str]) -> None:
    def action(argv: list[str]) -> int:
        raise KeyboardInterrupt

    verb_that(action)
    assert cli.main(["made-up"]) == 130
    assert capsys.readouterr().err == ""


def test_a_package_that_is_missing_is_named(verb_that, capsys: pytest.CaptureFixture[str]) -> None:
    def run(_: list[str]) -> int:
        raise ModuleNotFoundError("No module named 'rosbags.rosbag2'", name="rosbags.rosbag2")

    verb_that(run)
    assert cli.main(["made-up"]) == 1
    assert capsys.readouterr().err.startswith("error: the Python package 'rosbags' is needed for `made-up`")


def test_our_own_module_that_is_missing_keeps_its_traceback(verb_that) -> None:
    def run(_: list[str]) -> int:
        raise ModuleNotFoundError("No module named 'chromm_ros.misspelt'", name="chromm_ros.misspelt")

    verb_that(run)
    with pytest.raises(ModuleNotFoundError):
        cli.main(["made-up"])
