"""The stages by name."""

from chromm_ros.train.chromm_stage import PelvisStage, SmplStage
from chromm_ros.train.human_stage import HumanStage
from chromm_ros.train.scene_stage import SceneStage
from chromm_ros.train.stage import Stage

STAGES: dict[str, Stage] = {stage.name: stage for stage in (HumanStage(), SceneStage(), SmplStage(), PelvisStage())}
"""What `python -m chromm_ros train` knows, in the order in which they follow one another."""
