"""What a user sets about a run; together with the stage and the version of the code it determines the run's curve."""

from dataclasses import dataclass

from chromm_ros.errors import ConfigError
from chromm_ros.settings import Settings, setting


@dataclass(frozen=True)
class TrainOptions(Settings):
    """What determines a run. Defaults that differ from stage to stage are the stage's own (`Stage`), 0 stands for them."""

    steps: int = setting(0, "steps of the optimiser; 0: the stage's", at_least=0)
    batch: int = setting(0, "clips of one step, of all processes together; 0: the stage's", at_least=0)
    lr: float = setting(0.0, "learning rate after the warm-up; 0: the stage's", at_least=0.0)
    warm_up: int = setting(-1, "steps in which the rate rises; -1: the stage's", at_least=-1)
    seed: int = setting(0, "of weights, data and random conditions", at_least=0, at_most=999)
    accumulate: int = setting(1, "pieces that each process makes of its share of a batch, one after the other", at_least=1)
    floor: float = setting(0.01, "rate at the end of the cosine, as a share of the highest", at_least=0.0, at_most=1.0)
    weight_decay: float = setting(0.05, "of AdamW, on matrices and convolutions alone", at_least=0.0)
    beta2: float = setting(0.98, "of AdamW; below the usual 0.999 as runs are short", at_least=0.0, at_most=0.99999)
    clip: float = setting(1.0, "largest norm of the gradient", at_least=1e-6)
    ema: float = setting(
        0.999, "share that the averaged weights keep at each step; less at first", at_least=0.0, at_most=0.999999
    )
    precision: str = setting(
        "float32",
        "float32, or bfloat16 by autocast, which is slower on CPUs that have no instructions for it",
        choices=("float32", "bfloat16"),
    )
    log_every: int = setting(10, "steps between two lines of losses", at_least=1)
    validate_every: int = setting(500, "steps between two validations", at_least=1)
    validation_clips: int = setting(16, "clips of a validation, always the same", at_least=1)
    checkpoint_every: int = setting(200, "steps between two checkpoints", at_least=1)
    keep: int = setting(2, "checkpoints that are kept", at_least=1)

    def share(self, world: int) -> int:
        """Clips of one piece in one of `world` processes.

        Raises:
            ConfigError: if the batch cannot be divided so.
        """
        pieces = world * self.accumulate
        if self.batch % pieces:
            raise ConfigError(
                f"batch is {self.batch}, expected a multiple of {pieces} (processes {world} x accumulate {self.accumulate})"
            )
        return self.batch // pieces
