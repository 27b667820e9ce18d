"""Checks every shape in a signature while the tests run; production pays nothing for them."""

from jaxtyping import install_import_hook

_HOOK = install_import_hook("chromm_ros", "beartype.beartype")
