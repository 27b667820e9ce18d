"""What is published, where, and what its licence allows. Facts of 2026-11; a licence is what its owner's page says on the day of use."""

from dataclasses import dataclass

from chromm_ros.errors import ConfigError
from chromm_ros.model.config import MULTIHMR, PI3X, HumanConfig, SceneConfig

PI3X_ALLOWS = (
    "non-commercial use only, with attribution; whoever passes the weights on must keep this restriction "
    "(its authors: non-commercial research and education)"
)
MULTIHMR_ALLOWS = (
    "non-commercial use only, and passing on only under the same licence; the checkpoint licence of 2024, with which older copies came, "
    "allowed non-commercial scientific research, education and art"
)


@dataclass(frozen=True)
class Publication:
    """A published file."""

    name: str
    """What we call it, and what it is imported as."""
    kind: str
    """`scene` or `human`, as `Card.kind`."""
    config: SceneConfig | HumanConfig
    """Its size; only a file of exactly this size can be this one."""
    gigabytes: float
    """Its size: 4 bytes per parameter of the published network; the file itself was not at hand."""
    file: str
    """Its name where it is published."""
    address: str
    """Where it is."""
    licence: str
    """Name of the licence."""
    licence_address: str
    """Its text."""
    allows: str
    """What it allows, in one sentence."""
    hub: str = ""
    """Repository on the Hugging Face hub; empty where we know of no file there, and for licences that want to be accepted first."""


def _multihmr(name: str, config: HumanConfig, gigabytes: float) -> Publication:
    return Publication(
        name=f"multiHMR_{name}",
        kind="human",
        config=config,
        gigabytes=gigabytes,
        file=f"multiHMR_{name}.pt",
        address=f"https://download.europe.naverlabs.com/ComputerVision/MultiHMR/multiHMR_{name}.pt",
        licence="Multi-HMR Non-Commercial License (NAVER)",
        licence_address="https://github.com/naver/multi-hmr/blob/master/LICENSE.txt",
        allows=MULTIHMR_ALLOWS,
    )


PUBLISHED = (
    Publication(
        name="pi3x",
        kind="scene",
        config=PI3X,
        gigabytes=5.44,
        file="model.safetensors",
        address="https://huggingface.co/yyfz233/Pi3X/resolve/main/model.safetensors",
        licence="CC BY-NC 4.0",
        licence_address="https://creativecommons.org/licenses/by-nc/4.0/",
        allows=PI3X_ALLOWS,
        hub="yyfz233/Pi3X",
    ),
    _multihmr("896_L", MULTIHMR["896_L"], 1.27),
    _multihmr("672_L", MULTIHMR["672_L"], 1.27),
    _multihmr("672_B", MULTIHMR["672_B"], 0.39),
    _multihmr("672_S", MULTIHMR["672_S"], 0.13),
    _multihmr("1288_L_bedlam", HumanConfig(image_size=1288), 1.27),
    _multihmr("1288_L_agora", HumanConfig(image_size=1288), 1.27),
)
"""Sources: the READMEs of yyfz/Pi3 (9fa3ddb3) and naver/multi-hmr (651fb411)."""
LARGEST_BYTES = 8 * 10**9
"""No published file is nearly as large, and nothing larger is opened."""


def published(name: str) -> Publication:
    """A published file by its name, whatever the case of its letters.

    Raises:
        ConfigError: if there is none of that name, listing those that there are.
    """
    for publication in PUBLISHED:
        if publication.name.lower() == name.lower():
            return publication
    raise ConfigError(f"nothing is published as '{name}', there are {', '.join(each.name for each in PUBLISHED)}")
