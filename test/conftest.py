"""Checks every shape in a signature while the tests run; production pays nothing for them."""

from jaxtyping import install_import_hook

# An int serves where a float is asked for, as for a type checker (PEP 484's numeric tower).
_HOOK = install_import_hook("chromm_ros", "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))")
