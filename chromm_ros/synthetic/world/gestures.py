"""What people do with arms and trunk while they stand or sit: postures one after the other."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

POSTURES = 5
_LOW = np.array([[-2.0, 0.15, -0.3, 0.1], [-0.3, 1.10, -0.2, 0.1], [-1.1, 1.05, -0.2, 0.7]])
_HIGH = np.array([[-0.4, 1.30, 0.5, 1.2], [0.2, 1.35, 0.2, 0.9], [-0.5, 1.30, 0.4, 1.5]])
"""Of arms that reach, hang, and hold something before the body: lift (to the front is negative), spread down from the T pose, roll of
the upper arm, bend of the elbow, radians."""


@dataclass(frozen=True)
class Gestures:
    """A circle of K postures."""

    lasts_s: float
    """From one to the next."""
    arms: Float64[np.ndarray, "K 2 4"]
    """Left and right: lift, spread, roll, bend, radians."""
    trunk: Float64[np.ndarray, "K 3"]
    """Lean to the front and twist to the left, radians; how far the pelvis is lowered, metres."""

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> "Gestures":
        """Arms reach, hang, or hold; now and then somebody bends down."""
        doing = rng.choice(3, (POSTURES, 2), p=[0.35, 0.4, 0.25])
        arms = rng.uniform(_LOW[doing], _HIGH[doing])
        trunk = rng.uniform([-0.05, -0.5, 0.0], [0.25, 0.5, 0.05], (POSTURES, 3))
        low = rng.random(POSTURES) < 0.25
        trunk[low] += rng.uniform([0.15, 0.0, 0.05], [0.5, 0.0, 0.30], (POSTURES, 3))[low]
        return cls(float(rng.uniform(1.6, 3.2)), arms, trunk)

    def at(self, t: float) -> tuple[Float64[np.ndarray, "2 4"], Float64[np.ndarray, "3"]]:
        """Arms and trunk after `t` seconds: two thirds of the time on the way, one third at rest."""
        count, part = divmod(t / self.lasts_s, 1.0)
        now, then = int(count) % len(self.arms), int(count + 1) % len(self.arms)
        share = eased(min(1.5 * part, 1.0))
        return (
            self.arms[now] + share * (self.arms[then] - self.arms[now]),
            self.trunk[now] + share * (self.trunk[then] - self.trunk[now]),
        )


def eased(share: float) -> float:
    """From 0 to 1 without a jump in speed or acceleration at either end."""
    return share**3 * (10.0 - 15.0 * share + 6.0 * share**2)
