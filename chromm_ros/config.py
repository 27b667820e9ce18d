"""All settings of the library as one tree, and its YAML file.

Every group is defined beside the code that uses it; here they only get their names. Importing this loads no torch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import yaml

from chromm_ros.errors import ConfigError, FileError
from chromm_ros.model.config import ModelOptions
from chromm_ros.reconstruct.associate import AssociationConfig
from chromm_ros.reconstruct.cloud import CloudConfig
from chromm_ros.reconstruct.fuse import FusionConfig
from chromm_ros.reconstruct.reconstructor import ReconstructConfig
from chromm_ros.reconstruct.scale import ScaleConfig
from chromm_ros.reconstruct.stitch import StitchConfig
from chromm_ros.reconstruct.track import TrackingConfig
from chromm_ros.settings import Settings, to_mapping
from chromm_ros.stream.sync import SyncConfig
from chromm_ros.stream.window import WindowConfig
from chromm_ros.stream.worker import WorkerConfig


@dataclass(frozen=True)
class ChrommConfig(Settings):
    """What a user can set, but for what only ROS has."""

    sync: SyncConfig = field(default_factory=SyncConfig)
    """Images to frame-sets."""
    window: WindowConfig = field(default_factory=WindowConfig)
    """Frame-sets to windows."""
    worker: WorkerConfig = field(default_factory=WorkerConfig)
    """Windows that come faster than they run."""
    model: ModelOptions = field(default_factory=ModelOptions)
    """The network."""
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    """Who is who over time."""
    association: AssociationConfig = field(default_factory=AssociationConfig)
    """Who is who across cameras."""
    fusion: FusionConfig = field(default_factory=FusionConfig)
    """Many sights to one body."""
    scale: ScaleConfig = field(default_factory=ScaleConfig)
    """How large the scene is."""
    stitch: StitchConfig = field(default_factory=StitchConfig)
    """Windows to one world."""
    cloud: CloudConfig = field(default_factory=CloudConfig)
    """Which points are handed on."""

    @property
    def reconstruct(self) -> ReconstructConfig:
        """The groups of the reconstruction together."""
        return ReconstructConfig(self.tracking, self.association, self.fusion, self.scale, self.stitch, self.cloud)


def load_config(path: str | Path) -> ChrommConfig:
    """Settings from a YAML file; what it does not name keeps its default, an empty file names nothing.

    Raises:
        FileError: if the file cannot be read or is no YAML.
        ConfigError: if it names an unknown setting, or a value of the wrong type or out of its limits.
    """
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(f"{path} cannot be read ({error}): give the path of a YAML file of settings") from None
    except yaml.YAMLError as error:
        raise FileError(f"{path} is no YAML: {' '.join(str(error).split())}") from None
    if values is None:
        values = {}
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise ConfigError(f"{path} holds {type(values).__name__}, expected groups of settings such as 'window: {{length: 8}}'")
    try:
        return ChrommConfig.from_mapping(values)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def save_config(config: ChrommConfig, path: str | Path) -> None:
    """Write all settings, defaults too, as a YAML file that `load_config` reads back."""
    Path(path).write_text(yaml.safe_dump(to_mapping(config), sort_keys=False), encoding="utf-8")
