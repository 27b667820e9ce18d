"""Checks every shape in a signature while the tests run; production pays nothing for them."""

from pathlib import Path

from jaxtyping import install_import_hook

WITHOUT_ARRAYS = {"stream", "__init__", "__main__", "__pycache__"}
"""What passes frames on without a look at them, thousands per test; the checks would be most of the time there."""
_PACKAGE = Path(__file__).resolve().parents[1] / "chromm_ros"
_CHECKED = sorted({path.stem for path in _PACKAGE.iterdir()} - WITHOUT_ARRAYS)

# An int serves where a float is asked for, as for a type checker (PEP 484's numeric tower).
_HOOK = install_import_hook(
    [f"chromm_ros.{name}" for name in _CHECKED], "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"
)
