"""All settings as a file: there and back, refused with the file's name, and without torch."""

import subprocess
import sys
from pathlib import Path

import pytest

from chromm_ros.config import ChrommConfig, load_config, save_config
from chromm_ros.errors import ChrommError, ConfigError, FileError
from chromm_ros.settings import describe


def test_settings_go_through_a_file_unchanged(tmp_path: Path) -> None:
    config = ChrommConfig.from_mapping({"tracking": {"max_gap_s": 7}, "window": {"length": 5}, "cloud": {"keep_people": True}})
    save_config(config, tmp_path / "config.yaml")
    assert load_config(tmp_path / "config.yaml") == config


def test_what_a_file_does_not_name_keeps_its_default(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("")
    assert load_config(path) == ChrommConfig()
    path.write_text("scale: {gain: 0.5}\n")
    assert load_config(path).scale.gain == 0.5
    assert load_config(path).reconstruct.scale.gain == 0.5
    assert load_config(path).model == ChrommConfig().model


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("trackin: {}", ConfigError, "unknown setting 'trackin'"),
        ("tracking: {max_gap: 1}", ConfigError, "unknown setting 'tracking.max_gap'"),
        ("tracking: {max_gap_s: -1}", ConfigError, "tracking.max_gap_s is -1"),
        ("- 1", ConfigError, "holds list, expected groups"),
        ("1: 2", ConfigError, "expected groups"),
        ("a: [", FileError, "is no YAML"),
    ],
)
def test_a_wrong_file_is_refused_with_one_sentence_that_names_it(
    tmp_path: Path, text: str, kind: type[ChrommError], message: str
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(kind) as caught:
        load_config(path)
    assert str(path) in str(caught.value) and message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"nowhere\.yaml cannot be read"):
        load_config(tmp_path / "nowhere.yaml")


def test_every_setting_is_described() -> None:
    names = [item.name for item in describe(ChrommConfig())]
    assert len(set(names)) == len(names)
    assert {"tracking.max_gap_s", "window.length", "model.device", "sync.tolerance_s"} <= set(names)
    assert all(item.rule.doc for item in describe(ChrommConfig()))


def test_settings_load_without_torch() -> None:
    code = "import sys, chromm_ros.config; sys.exit(int(bool({'torch', 'smplx', 'rclpy'} & set(sys.modules))))"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=Path(__file__).resolve().parents[1]).returncode == 0
