"""The stages by name."""

from chromm_ros.train.human_stage import HumanStage
from chromm_ros.train.scene_stage import SceneStage
from chromm_ros.train.stage import Stage

STAGES: dict[str, Stage] = {"human": HumanStage(), "scene": SceneStage()}
"""What `python -m chromm_ros train` knows."""
